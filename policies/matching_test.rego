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

test_contested if matching.contested([["a"], ["a", "b"]]) == [["a"]]

apart(n) := [[sprintf("p%d", [i])] | some i in numbers.range(1, n)]

test_ten_contested_sources if matching.possible(apart(10))

test_ten_of_which_two_clash if not matching.possible(array.concat(apart(9), [["p9"]]))

test_more_than_can_be_checked if not matching.possible(apart(11))
