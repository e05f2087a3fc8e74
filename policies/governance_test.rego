package assent.governance_test

import data.assent.governance
import data.assent.inputs
import data.assent.quorum

outcome(people, reviews) := o if {
	o := quorum.decision.outcome with input as inputs.governance(people, reviews)
}

test_stage_asks_those_with_the_permission if {
	s := governance.stages with input.governance as ["gov"]
	s[0].sources == [{"source": "permission GOVERNANCE", "people": ["gov"]}]
}

test_approved if outcome(["gov"], inputs.approvals(["gov"])) == "approved"

test_others_do_not_count if outcome(["gov"], inputs.approvals(["bo"])) == "pending"

test_author_does_not_count if {
	outcome(["gov"], [object.union(inputs.review("a", "gov", "approve"), {"valid": false})]) == "pending"
}

test_denied if outcome(["gov"], [inputs.review("a", "gov", "deny")]) == "denied"

test_nobody_has_it if outcome([], inputs.approvals(["gov"])) == "pending"

test_automatic_flow_does_not_reach_governance if {
	d := quorum.decision with input as object.union(inputs.governance(["gov"], []), {
		"limit": "2027-01-01T00:00:00Z",
		"flow": {"mode": "automatic", "justification": "x", "duration": "30d"},
	})
	d.outcome == "pending"
}
