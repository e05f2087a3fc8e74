package assent.custom.holdings_test

import data.assent.custom.holdings

asked(product, tags, products, held) := {
	"request": {"product": product, "tags": tags},
	"access": {"ana": {"held": {"products": products, "tags": held}}},
}

test_as_many_products_as_allowed if {
	holdings.deny == set() with input as asked("d", [], ["a", "b", "c"], [])
}

test_a_product_too_many_is_held if {
	want := {"ana would hold 5 products; 4 at once are the most, so give one back first"}
	holdings.deny == want with input as asked("e", [], ["a", "b", "c", "d"], [])
}

test_a_product_held_already_is_not_one_more if {
	holdings.deny == set() with input as asked("d", [], ["a", "b", "c", "d"], [])
}

test_a_source_is_no_product if {
	holdings.deny == set() with input as asked("", [], ["a", "b", "c", "d"], [])
}

test_data_that_must_stay_apart_is_held if {
	want := {"ana holds settlement data, which must never come together with trading data"}
	holdings.deny == want with input as asked("x", ["trading"], [], ["settlement"])
}

test_it_holds_either_way_round_and_below_the_tags if {
	want := {"ana holds trading data, which must never come together with settlement data"}
	holdings.deny == want with input as asked("x", ["settlement.swift"], [], ["trading.desk"])
}

test_one_side_alone_passes if {
	holdings.deny == set() with input as asked("x", ["trading"], [], ["trading", "tradings", "settlements"])
}

test_nobody_else_counts if {
	holdings.deny == set() with input as object.union(asked("x", ["trading"], [], []), {"request": {"requester": "ben"}})
}
