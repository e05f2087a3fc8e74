package assent.quorum_test

import data.assent.inputs
import data.assent.quorum

one := [inputs.stage("any", [["bo", "cy"]])]

test_pending_without_reviews if {
	d := quorum.decision with input as inputs.request(one, [])
	d.outcome == "pending"
	d.reason == "waiting for an approval for group g0"
	d.counted == []
	d.until == ""
}

test_approved if {
	d := quorum.decision with input as inputs.request(one, inputs.approvals(["bo"]))
	d.outcome == "approved"
	d.reason == "approved by bo"
	d.counted == ["r0"]
	d.until == ""
	d.missing == []
}

test_temporarily_approved if {
	d := quorum.decision with input as object.union(
		inputs.request(one, inputs.approvals(["bo"])),
		{"limit": "2027-01-01T00:00:00Z"},
	)
	d.outcome == "temporarily-approved"
	d.until == "2027-01-01T00:00:00Z"
}

test_pending_when_it_ends_before_it_begins if {
	d := quorum.decision with input as object.union(
		inputs.request(one, inputs.approvals(["bo"])),
		{"limit": "2027-01-01T00:00:00Z", "notBefore": "2027-01-01T00:00:00Z"},
	)
	d.outcome == "pending"
	d.until == ""
	startswith(d.reason, "everybody agreed")
}

test_denied_whatever_else if {
	reviews := array.concat(inputs.approvals(["bo"]), [inputs.review("x", "cy", "deny")])
	d := quorum.decision with input as inputs.request(one, reviews)
	d.outcome == "denied"
	d.counted == ["x"]
	d.reason == "denied by cy"
}

test_invalid_reviews_count_for_nothing if {
	reviews := [object.union(r, {"valid": false}) | some r in array.concat(inputs.approvals(["bo"]), [inputs.review("x", "cy", "deny")])]
	d := quorum.decision with input as inputs.request(one, reviews)
	d.outcome == "pending"
}

test_automatic if {
	d := quorum.decision with input as inputs.automatic("public data", "30d", "2026-12-24T12:00:00Z")
	d.outcome == "temporarily-approved"
	d.reason == "approved automatically: public data"
	d.stages == []
}

test_automatic_is_ended_by_a_denial if {
	d := quorum.decision with input as object.union(
		inputs.automatic("public data", "30d", "2026-12-24T12:00:00Z"),
		{"reviews": [inputs.review("x", "cy", "deny")]},
	)
	d.outcome == "denied"
}

test_automatic_without_justification_is_pending if {
	d := quorum.decision with input as inputs.automatic("", "30d", "2026-12-24T12:00:00Z")
	d.outcome == "pending"
	d.reason == "the flow gives no way to approve this"
}

test_constraint_holds_what_is_agreed if {
	d := quorum.decision with input as inputs.request(one, inputs.approvals(["bo"]))
		with data.assent.custom as {"x": {"deny": {"not on Fridays"}}}
	d.outcome == "pending"
	d.constraints == ["not on Fridays"]
	d.reason == "held by the organisation's rules: not on Fridays"
}

test_constraint_does_not_lift_a_denial if {
	d := quorum.decision with input as inputs.request(one, [inputs.review("x", "cy", "deny")])
		with data.assent.custom as {"x": {"deny": {"not on Fridays"}}}
	d.outcome == "denied"
}

test_no_stages_is_pending if {
	d := quorum.decision with input as inputs.request([], inputs.approvals(["bo"]))
	d.outcome == "pending"
	d.counted == []
}

test_unknown_kind_is_pending if {
	d := quorum.decision with input as object.union(inputs.request(one, inputs.approvals(["bo"])), {"kind": "gift"})
	d.outcome == "pending"
}

test_empty_input_is_pending if {
	d := quorum.decision with input as {}
	d.outcome == "pending"
}
