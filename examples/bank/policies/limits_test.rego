package assent.custom.limits_test

import data.assent.custom.limits

asked(changes) := {"kind": "request", "at": "2026-11-09T09:00:00Z", "limit": "2026-12-09T09:00:00Z", "request": object.union(
	{"beneficiaries": ["anton"], "accessLevel": "read", "tags": ["customers", "bank-secrecy"], "domain": "customers"},
	changes,
)}

test_a_plain_request_passes if {
	limits.deny == set() with input as asked({})
}

test_two_people_at_once_are_held if {
	limits.deny == {"ask for one person at a time"} with input as asked({"beneficiaries": ["anton", "birgit"]})
}

test_writing_is_held if {
	limits.deny == {"the replica is read, never written"} with input as asked({"accessLevel": "write"})
}

end := "data about customers needs an end, thirty days from now at the latest"

test_a_second_too_long_is_held if {
	limits.deny == {end} with input as object.union(asked({}), {"limit": "2026-12-09T09:00:01Z"})
}

test_no_end_is_held if {
	limits.deny == {end} with input as object.union(asked({}), {"limit": ""})
}

test_names_of_customers_are_secret_too if {
	limits.deny == {end} with input as object.union(asked({"tags": ["pii.name"]}), {"limit": ""})
}

test_other_data_may_have_longer if {
	limits.deny == set() with input as object.union(asked({"tags": ["risk"], "domain": "risk"}), {"limit": ""})
}

test_account_numbers_of_payments_may_have_longer if {
	limits.deny == set() with input as object.union(asked({"tags": ["bank-secrecy.iban"], "domain": "payments"}), {"limit": ""})
}
