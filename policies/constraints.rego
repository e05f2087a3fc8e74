# METADATA
# title: Constraints
# description: |
#   What the organisation's own rules object to. They can only hold a request, never
#   approve one. A governance pull request is not subject to them: it is how a rule
#   that holds everything is mended.
package assent.constraints

# METADATA
# title: Objections
# description: Everything that any deny set of the organisation holds, by the package of the rule.
objections contains {"package": name, "value": value} if {
	input.kind == "request"
	some name
	some value in data.assent.custom[name].deny
}

# METADATA
# title: List
# description: The objections as sentences, sorted.
list := sort({message(o) | some o in objections})

# METADATA
# title: Message
# description: One objection as a sentence. What is no message still holds the request.
message(o) := o.value if {
	is_string(o.value)
} else := o.value.msg if {
	is_object(o.value)
	is_string(o.value.msg)
} else := sprintf("package assent.custom.%s objects, but gives no message", [o.package])

# METADATA
# title: Reason
# description: All objections in one sentence.
reason := concat("", ["held by the organisation's rules: ", concat("; ", list)])
