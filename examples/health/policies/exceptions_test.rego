package assent.custom.exceptions_test

import data.assent.custom.exceptions

asked(type, columns, limit) := {"kind": "request", "at": "2026-11-09T09:00:00Z", "limit": limit, "request": {"type": type, "columns": columns}}

week := "a column in clear needs an end, a week from now at the latest"

test_a_week_passes if {
	exceptions.deny == set() with input as asked("masking-exception", ["phone"], "2026-11-16T09:00:00Z")
}

test_a_second_more_is_held if {
	exceptions.deny == {week} with input as asked("masking-exception", ["phone"], "2026-11-16T09:00:01Z")
}

test_no_end_is_held if {
	exceptions.deny == {week} with input as asked("masking-exception", ["phone"], "")
}

test_two_columns_are_held if {
	exceptions.deny == {"ask for one column at a time"} with input as asked("masking-exception", ["phone", "name"], "2026-11-10T09:00:00Z")
}

test_access_behind_masks_may_be_longer if {
	exceptions.deny == set() with input as asked("data-access", [], "2027-04-01T09:00:00Z")
}
