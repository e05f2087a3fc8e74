package assent.matching_test

import data.assent.matching

test_nothing_to_match if not matching.possible([])

test_empty_source if not matching.possible([["a"], []])

test_one if matching.possible([["a"]])

test_one_person_for_two if not matching.possible([["a"], ["a"]])

test_two_for_two if matching.possible([["a", "b"], ["a"]])

test_three_share_two if not matching.possible([["a", "b"], ["a", "b"], ["a", "b"]])

test_greedy_would_fail if matching.possible([["a", "b"], ["a", "c"], ["a"]])

test_chain if matching.possible([["a", "b"], ["b", "c"], ["c", "d"], ["a"]])

test_plenty_of_people if matching.possible([["a", "b", "c"], ["a", "b", "c"], ["a", "b", "c"]])

test_contested if {
	matching.contested([["a"], ["a", "b"]]) == [["a"]]
	matching.contested([["a", "b"], ["b", "c"]]) == []
	matching.contested([["a"], ["b"], []]) == [[]]
	matching.contested([["a", "b"], ["a", "b"]]) == []
}

# Everybody answers for two neighbors, so that all sources are contested.
ring(n) := [[sprintf("p%d", [i]), sprintf("p%d", [(i + 1) % n])] | some i in numbers.range(0, n - 1)]

test_ring if matching.possible(ring(4))

test_as_many_contested_sources_as_can_be_checked if {
	count(matching.contested(ring(8))) == 8
	matching.possible(ring(8))
}

test_eight_sources_of_which_three_share_two_people if {
	not matching.possible(array.concat(ring(5), [["x", "y"], ["x", "y"], ["x", "y"]]))
}

test_more_than_can_be_checked if not matching.possible(ring(9))

test_many_sources_with_people_of_their_own if {
	matching.possible([[sprintf("p%d", [i]), "shared"] | some i in numbers.range(1, 30)])
}
