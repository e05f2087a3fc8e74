package assent.review_test

import data.assent.inputs
import data.assent.quorum

campaign(reviews) := object.union(
	inputs.request([object.union(inputs.stage("all", [["bo", "cy"], ["cy"]]), {"distinct": false})], reviews),
	{"kind": "review"},
)

test_every_request_needs_somebody_who_may_speak_for_it if {
	d := quorum.decision with input as campaign(inputs.approvals(["bo"]))
	d.outcome == "pending"
	d.missing == [{"stage": 0, "source": 1, "what": "an approval for group g1"}]
}

test_one_person_may_speak_for_several if {
	d := quorum.decision with input as campaign(inputs.approvals(["cy"]))
	d.outcome == "approved"
	d.counted == ["r0"]
}

test_a_denial_ends_it if {
	d := quorum.decision with input as campaign(array.concat(inputs.approvals(["cy"]), [inputs.review("x", "bo", "deny")]))
	d.outcome == "denied"
}
