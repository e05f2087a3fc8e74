package assent.constraints_test

import data.assent.constraints
import data.assent.inputs

list(custom) := l if {
	l := constraints.list with input as inputs.request([], []) with data.assent.custom as custom
}

test_none if list({}) == []

test_nothing_to_object_to if list({"x": {"deny": set()}}) == []

test_text if list({"x": {"deny": {"b"}}, "y": {"deny": {"a"}}}) == ["a", "b"]

test_object if list({"x": {"deny": {{"msg": "a", "more": 1}}}}) == ["a"]

test_no_message_still_holds if {
	want := ["package assent.custom.x objects, but gives no message"]
	list({"x": {"deny": {1}}}) == want
	list({"x": {"deny": {{"message": "a"}}}}) == want
	list({"x": {"deny": {{"msg": 1}}}}) == want
	list({"x": {"deny": {null}}}) == want
	list({"x": {"deny": {false}}}) == want
}

test_not_for_governance if {
	l := constraints.list with input as inputs.governance([], []) with data.assent.custom as {"x": {"deny": {"a"}}}
	l == []
}

test_reason if {
	r := constraints.reason with input as inputs.request([], []) with data.assent.custom as {"x": {"deny": {"b", "a"}}}
	r == "held by the organisation's rules: a; b"
}
