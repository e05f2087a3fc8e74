package assent.veto_test

import data.assent.inputs
import data.assent.veto

test_not_denied_by_approvals_and_comments if {
	not veto.denied with input.reviews as [inputs.review("a", "bo", "approve"), inputs.review("b", "cy", "comment")]
}

test_not_denied_by_an_invalid_denial if {
	not veto.denied with input.reviews as [object.union(inputs.review("a", "bo", "deny"), {"valid": false})]
}

test_denied_by_one if {
	reviews := [inputs.review("b", "cy", "deny"), inputs.review("a", "bo", "approve")]
	veto.denied with input.reviews as reviews
	veto.ids == ["b"] with input.reviews as reviews
}

test_reason_names_everybody_with_their_words if {
	reviews := [
		inputs.review("b", "cy", "deny"),
		object.union(inputs.review("a", "bo", "deny"), {"reason": "too broad"}),
	]
	veto.reason == "denied by bo: too broad; denied by cy" with input.reviews as reviews
	veto.ids == ["a", "b"] with input.reviews as reviews
}
