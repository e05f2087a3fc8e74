package assent.governance_test

import data.assent.governance
import data.assent.inputs
import data.assent.quorum

outcome(people, reviews) := o if {
	o := quorum.decision.outcome with input as inputs.governance(people, reviews)
}

test_approved if outcome(["gov"], inputs.approvals(["gov"])) == "approved"

test_others_do_not_count if outcome(["gov"], inputs.approvals(["bo"])) == "pending"

test_author_does_not_count if {
	outcome(["gov"], [object.union(inputs.review("a", "gov", "approve"), {"valid": false})]) == "pending"
}

test_denied if outcome(["gov"], [inputs.review("a", "gov", "deny")]) == "denied"

test_a_denial_by_somebody_who_is_not_asked_is_not_heard if outcome(["gov"], [inputs.review("a", "bo", "deny")]) == "pending"

test_nobody_has_it if outcome([], inputs.approvals(["gov"])) == "pending"

test_no_changes_are_no_approval if {
	d := quorum.decision with input as inputs.governed([], {"GOVERNANCE": ["gov"]}, {}, inputs.approvals(["gov"]))
	d.outcome == "pending"
	d.asked == []
}

test_automatic_flow_does_not_reach_governance if {
	d := quorum.decision with input as object.union(inputs.governance(["gov"], []), {
		"limit": "2027-01-01T00:00:00Z",
		"flow": {"mode": "automatic", "justification": "x", "duration": "30d"},
	})
	d.outcome == "pending"
}

two := [inputs.change("README.md", ""), inputs.change("connections/a.yaml", "Connection"), inputs.change("directory/users/a.yaml", "User")]

held := {"GOVERNANCE": ["gov"], "USER_ADMIN": ["ada"]}

test_alike_files_are_one_stage if {
	s := governance.stages with input as inputs.governed(two, held, {}, [])
	[x.files | some x in s] == [["README.md", "connections/a.yaml"], ["directory/users/a.yaml"]]
	[x.count | some x in s] == [1, 1]
}

test_every_file_needs_its_own if {
	d := quorum.decision with input as inputs.governed(two, held, {}, inputs.approvals(["ada"]))
	d.outcome == "pending"
	[s.state | some s in d.stages] == ["waiting", "approved"]
	[m.what | some m in d.missing] == ["README.md, connections/a.yaml: an approval for permission GOVERNANCE"]
	d.asked[1].sources[0].people == ["ada"]
	all := quorum.decision with input as inputs.governed(two, held, {}, inputs.approvals(["ada", "gov"]))
	all.outcome == "approved"
	all.counted == ["r0", "r1"]
}

test_stages_wait_for_each_other_in_no_order if {
	d := quorum.decision with input as inputs.governed(two, held, {}, [])
	[s.state | some s in d.stages] == ["waiting", "waiting"]
	count(d.missing) == 2
}

test_one_person_may_meet_several_needs if {
	both := {"GOVERNANCE": ["gov"], "USER_ADMIN": ["gov"]}
	d := quorum.decision with input as inputs.governed(two, both, {}, inputs.approvals(["gov"]))
	d.outcome == "approved"
}

test_files_that_changed_alike_are_each_named if {
	many := object.union(inputs.change("products/a.yaml", "Surprise"), {"files": ["products/b.yaml", "products/a.yaml"]})
	s := governance.stages with input as inputs.governed([many], held, {}, [])
	[x.files | some x in s] == [["products/a.yaml", "products/b.yaml"]]
}
