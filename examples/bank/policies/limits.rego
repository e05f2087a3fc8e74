# METADATA
# title: Limits
# description: |
#   What Hanse Bank does not want, whoever agrees. These rules can hold a request
#   and say why; they can never approve one.
package assent.custom.limits

# METADATA
# title: One person, one request
# description: Requests for whole groups hide who reads what.
deny contains "ask for one person at a time" if count(input.request.beneficiaries) > 1

# METADATA
# title: Nobody writes through a request
deny contains "the replica is read, never written" if input.request.accessLevel != "read"

# METADATA
# title: Customers' data for thirty days
deny contains "data about customers needs an end, thirty days from now at the latest" if {
	secret
	not ends_in_time
}

secret if {
	some tag in input.request.tags
	some word in ["pii", "bank-secrecy"]
	tag == word
}

secret if {
	some tag in input.request.tags
	some word in ["pii.", "bank-secrecy."]
	startswith(tag, word)
	input.request.domain == "customers"
}

ends_in_time if {
	input.limit != ""
	time.parse_rfc3339_ns(input.limit) <= time.add_date(time.parse_rfc3339_ns(input.at), 0, 0, 30)
}
