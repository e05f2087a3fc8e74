package assent.duration_test

import data.assent.duration
import data.assent.inputs

stage := inputs.stage("all", [["bo"], ["cy"]])

given(limit, bo, cy) := object.union(
	inputs.request([stage], [
		object.union(inputs.review("a", "bo", "approve"), {"until": bo}),
		object.union(inputs.review("b", "cy", "approve"), {"until": cy}),
	]),
	{"limit": limit},
)

jan := "2027-01-01T00:00:00Z"

feb := "2027-02-01T00:00:00Z"

mar := "2027-03-01T00:00:00Z"

test_no_end if {
	not duration.bounded with input as given("", "", "")
	not duration.end with input as given("", "", "")
	not duration.over with input as given("", "", "")
}

test_shortest_wins if {
	duration.end == jan with input as given(feb, jan, mar)
	duration.end == jan with input as given(jan, feb, mar)
	duration.end == jan with input as given(mar, feb, jan)
}

test_indefinite_and_temporary_is_temporary if {
	duration.bounded with input as given("", feb, "")
	duration.end == feb with input as given("", feb, "")
}

test_equal_ends if duration.end == jan with input as given(jan, jan, jan)

test_strangers_set_no_end if {
	not duration.bounded with input as object.union(
		inputs.request([stage], [object.union(
			inputs.review("a", "mallory", "approve"),
			{"until": jan},
		)]),
		{},
	)
}

test_over if {
	duration.over with input as object.union(given(jan, "", ""), {"notBefore": jan})
	duration.over with input as object.union(given(jan, "", ""), {"at": feb})
	duration.over with input as object.union(given(jan, "", ""), {"at": jan})
}

test_not_over if {
	not duration.over with input as given(jan, "", "")
	not duration.over with input as object.union(given(feb, "", ""), {"notBefore": jan})
}

test_reason if contains(duration.reason, jan) with input as given(jan, "", "")
