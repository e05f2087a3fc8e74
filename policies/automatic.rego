# METADATA
# title: Automatic
# description: Approval by rule, where a flow says so with a justification and a duration.
package assent.automatic

# METADATA
# title: Agreed
# description: A flow that does not say why or for how long approves nothing.
agreed if {
	input.kind == "request"
	input.flow.mode == "automatic"
	trim_space(input.flow.justification) != ""
	lasting
}

# METADATA
# title: Lasting
# description: A duration that is not indefinite must have set an end.
lasting if input.flow.duration == "indefinite"

lasting if {
	not input.flow.duration in {"", "indefinite"}
	input.limit != ""
}

# METADATA
# title: Reason
# description: The justification is the recorded reason.
reason := concat("", ["approved automatically: ", trim_space(input.flow.justification)])
