# METADATA
# title: Exceptions
# description: |
#   How long somebody sees a column in clear at Lindenhof. These rules hold a
#   request and say why; they never approve one.
package assent.custom.exceptions

# METADATA
# title: A week at most
deny contains "a column in clear needs an end, a week from now at the latest" if {
	input.request.type == "masking-exception"
	not within_a_week
}

# METADATA
# title: One column at a time
deny contains "ask for one column at a time" if {
	input.request.type == "masking-exception"
	count(input.request.columns) > 1
}

within_a_week if {
	input.limit != ""
	time.parse_rfc3339_ns(input.limit) <= time.add_date(time.parse_rfc3339_ns(input.at), 0, 0, 7)
}
