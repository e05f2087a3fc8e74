package assent.custom.toxic_test

import data.assent.custom.toxic

nothing := {"count": 0, "products": []}

asked(product, held, pending) := {
	"kind": "request",
	"request": {"beneficiaries": ["anton"], "product": product},
	"access": {"anton": {"held": held, "pending": pending}},
}

both := "anton has payment-initiation or asks for it; nobody may have it and payment-release"

test_release_alone_passes if {
	toxic.deny == set() with input as asked("payment-release", nothing, nothing)
}

test_with_initiation_it_is_held if {
	toxic.deny == {both} with input as asked("payment-release", {"count": 1, "products": ["payment-initiation"]}, nothing)
}

test_asking_for_both_at_once_is_held if {
	toxic.deny == {both} with input as asked("payment-release", nothing, {"count": 1, "products": ["payment-initiation"]})
}

test_the_other_way_round_too if {
	toxic.deny == {"anton has payment-release or asks for it; nobody may have it and payment-initiation"} with input as asked(
		"payment-initiation",
		{"count": 1, "products": ["payment-release"]},
		nothing,
	)
}

test_other_products_go_together if {
	toxic.deny == set() with input as asked("market-exposures", {"count": 1, "products": ["payment-release"]}, nothing)
}

test_a_fourth_is_held if {
	toxic.deny == {"anton holds 3 things already; give one back first"} with input as asked(
		"market-exposures",
		{"count": 3, "products": []},
		nothing,
	)
}

test_a_third_is_not if {
	toxic.deny == set() with input as asked("market-exposures", {"count": 2, "products": []}, nothing)
}

test_not_knowing_is_held if {
	toxic.deny == {"nobody could tell what the person holds already"} with input as {
		"kind": "request",
		"request": {"beneficiaries": ["anton"], "product": "market-exposures"},
		"access": {},
	}
}
