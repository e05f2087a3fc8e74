package assent.missing_test

import data.assent.inputs
import data.assent.missing

lacks(list, people) := [m.what | some m in gaps] if {
	gaps := missing.list with input as inputs.request(list, inputs.approvals(people))
}

test_no_stages if lacks([], []) == ["a review flow with stages: this one has none"]

test_nothing_when_automatic if {
	l := missing.list with input as inputs.automatic("x", "30d", "")
	l == []
}

test_nothing_when_agreed if lacks([inputs.stage("any", [["bo"]])], ["bo"]) == []

test_any if lacks([inputs.stage("any", [["bo"], ["cy"]])], []) == ["an approval for group g0 or group g1"]

test_all if {
	stage := inputs.stage("all", [["bo"], ["cy"], ["dee"]])
	lacks([stage], ["cy"]) == ["an approval for group g0", "an approval for group g2"]
}

test_places if {
	l := missing.list with input as inputs.request(
		[inputs.stage("any", [["bo"]]), inputs.stage("all", [["bo"], ["cy"]])],
		inputs.approvals(["bo"]),
	)
	l == [{"stage": 1, "source": 1, "what": "an approval for group g1"}]
}

test_only_the_stage_whose_turn_it_is if {
	lacks([inputs.stage("any", [["bo"]]), inputs.stage("any", [["cy"]])], ["cy"]) == ["an approval for group g0"]
}

test_nobody_listed if lacks([inputs.stage("all", [])], []) == ["a stage that says who may approve: this one lists nobody"]

test_short if {
	stage := object.union(inputs.stage("any", [["bo", "cy"]]), {"count": 2})
	lacks([stage], ["bo"]) == ["approvals by 2 distinct people, of which 1 are there"]
}

test_shared if {
	stage := inputs.stage("all", [["eve"], ["eve", "bo"]])
	lacks([stage], ["eve"]) == ["an approval by one more person: nobody may answer for two sources of a stage"]
	lacks([stage], ["eve", "bo"]) == []
}
