package assent.stages_test

import data.assent.inputs
import data.assent.stages

agreed(list, people) if stages.agreed with input as inputs.request(list, inputs.approvals(people))

states(list, people) := [r.state | some r in results] if {
	results := stages.results with input as inputs.request(list, inputs.approvals(people))
}

any_of := inputs.stage("any", [["bo", "cy"], ["dee"]])

all_of := inputs.stage("all", [["bo", "cy"], ["dee", "eve"]])

test_no_stages if not agreed([], ["bo"])

test_any_none if not agreed([any_of], [])

test_any_stranger if not agreed([any_of], ["mallory"])

test_any_first_source if agreed([any_of], ["bo"])

test_any_second_source if agreed([any_of], ["dee"])

test_all_none if not agreed([all_of], [])

test_all_members_beyond_the_first_add_nothing if not agreed([all_of], ["bo", "cy"])

test_all_one_of_each if agreed([all_of], ["cy", "eve"])

test_unknown_mode if not agreed([object.union(any_of, {"mode": "most"})], ["bo", "dee"])

test_empty_stage_any if not agreed([inputs.stage("any", [])], ["bo"])

test_empty_stage_all if not agreed([inputs.stage("all", [])], ["bo"])

test_empty_source_any if not agreed([inputs.stage("any", [[]])], ["bo"])

test_empty_source_all if not agreed([inputs.stage("all", [["bo"], []])], ["bo"])

test_missing_people if not agreed([{"mode": "any", "count": 0, "distinct": true, "sources": [{"source": "x"}]}], ["bo"])

test_missing_count if not agreed([object.remove(any_of, ["count"])], ["bo"])

test_count_of_text if not agreed([object.union(any_of, {"count": "0"})], ["bo"])

test_null_sources if not agreed([object.union(any_of, {"sources": null})], ["bo"])

test_count_short if not agreed([object.union(any_of, {"count": 2})], ["bo"])

test_count_reached_within_one_source if agreed([object.union(any_of, {"count": 2})], ["bo", "cy"])

test_count_counts_people_not_reviews if not agreed([object.union(any_of, {"count": 2})], ["bo", "bo"])

test_count_on_top_of_all if {
	not agreed([object.union(all_of, {"count": 3})], ["bo", "dee"])
	agreed([object.union(all_of, {"count": 3})], ["bo", "cy", "dee"])
}

both := inputs.stage("all", [["eve", "bo"], ["eve", "dee"]])

test_distinct_person_does_not_fill_two_sources if not agreed([both], ["eve"])

test_distinct_finds_the_assignment if agreed([both], ["eve", "bo"])

test_not_distinct_person_fills_two_sources if agreed([object.union(both, {"distinct": false})], ["eve"])

test_distinct_missing_is_not_satisfied if not agreed([object.remove(both, ["distinct"])], ["eve", "bo", "dee"])

test_order if {
	states([any_of, all_of], []) == ["waiting", "blocked"]
	states([any_of, all_of], ["eve", "cy"]) == ["approved", "approved"]
	states([all_of, any_of], ["dee"]) == ["waiting", "blocked"]
	states([any_of, all_of, any_of], ["dee"]) == ["approved", "waiting", "blocked"]
}

test_later_stage_alone_does_not_agree if not agreed([inputs.stage("any", [["bo"]]), any_of], ["dee"])

test_all_stages_agree if agreed([inputs.stage("any", [["bo"]]), any_of], ["dee", "bo"])

test_results_name_who_answered if {
	r := stages.results with input as inputs.request([all_of], inputs.approvals(["cy", "bo", "mallory"]))
	r == [{"state": "waiting", "sources": [{"answered": ["bo", "cy"]}, {"answered": []}]}]
}

test_counted_leaves_strangers_out if {
	c := stages.counted with input as inputs.request([any_of], inputs.approvals(["mallory", "bo"]))
	c == ["r1"]
}

test_counted_leaves_other_verdicts_and_invalid_reviews_out if {
	reviews := [
		inputs.review("a", "bo", "comment"),
		inputs.review("b", "cy", "dismissed"),
		object.union(inputs.review("c", "dee", "approve"), {"valid": false}),
		object.union(inputs.review("d", "dee", "approve"), {"valid": "true"}),
	]
	c := stages.counted with input as inputs.request([any_of], reviews)
	c == []
}

test_asked_is_nothing_when_automatic if {
	a := stages.asked with input as inputs.automatic("x", "30d", "")
	a == []
}

test_reason if {
	r := stages.reason with input as inputs.request([any_of], inputs.approvals(["cy", "bo"]))
	r == "approved by bo, cy"
}
