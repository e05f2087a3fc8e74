package assent.custom.limits_test

import data.assent.custom.limits

asked(limit, tags, purpose) := {
	"kind": "request",
	"at": "2026-11-09T09:00:00Z",
	"limit": limit,
	"request": {"tags": tags, "answers": {"purpose": [purpose]}},
}

end := "access needs an end, a year from now at the latest"

purpose := "say in 5 words or more what the personal data is for"

test_a_year_is_not_too_long if {
	limits.deny == set() with input as asked("2027-11-09T09:00:00Z", [], "Report")
}

test_a_second_more_than_a_year_is_held if {
	limits.deny == {end} with input as asked("2027-11-09T09:00:01Z", [], "Report")
}

test_no_end_is_held if {
	limits.deny == {end} with input as asked("", [], "Report")
}

test_personal_data_for_a_word_is_held if {
	limits.deny == {purpose} with input as asked("2027-02-07T09:00:00Z", ["pii.contact"], "Report")
}

test_the_parent_tag_is_personal_data_too if {
	limits.deny == {purpose} with input as asked("2027-02-07T09:00:00Z", ["pii"], " Sales   ")
}

test_a_tag_that_only_starts_alike_is_not if {
	limits.deny == set() with input as asked("2027-02-07T09:00:00Z", ["piiano"], "Report")
}

test_personal_data_for_a_sentence_passes if {
	limits.deny == set() with input as asked(
		"2027-02-07T09:00:00Z",
		["sales", "pii.contact"],
		"Churn model for the spring campaign",
	)
}

test_personal_data_without_a_purpose_is_held if {
	limits.deny == {purpose} with input as {
		"kind": "request",
		"at": "2026-11-09T09:00:00Z",
		"limit": "2027-02-07T09:00:00Z",
		"request": {"tags": ["pii"], "answers": {}},
	}
}

test_spaces_are_no_words if {
	limits.deny == {purpose} with input as asked("2027-02-07T09:00:00Z", ["pii"], "a  b  c  d ")
}
