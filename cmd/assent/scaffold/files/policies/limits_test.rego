package assent.custom.limits_test

import data.assent.custom.limits

test_no_end_is_held if count(limits.deny) == 1 with input as {"limit": ""}

test_an_end_passes if limits.deny == set() with input as {"limit": "2027-11-09T09:00:00Z"}
