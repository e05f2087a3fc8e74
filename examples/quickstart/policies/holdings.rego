# METADATA
# title: Holdings
# description: |
#   What no one person may hold, however good each reason is by itself. A rule that
#   reads input.access is told what every beneficiary holds and asks for already.
package assent.custom.holdings

# METADATA
# title: A cap on products
# description: Access that nobody needs at once is access that nobody looks after.
deny contains msg if {
	some person, access in input.access
	count(products(access)) > most_products
	msg := sprintf("%s would hold %d products; %d at once are the most, so give one back first", [person, count(products(access)), most_products])
}

# METADATA
# title: Data that must stay apart
# description: Whoever sees both sides could act on one with what the other says.
deny contains msg if {
	some pair in apart
	some person, access in input.access
	some one in pair
	some other in pair - {one}
	has(input.request.tags, one)
	has(access.held.tags, other)
	msg := sprintf("%s holds %s data, which must never come together with %s data", [person, other, one])
}

most_products := 4

# Tags, with those below them.
apart := [{"sales", "people"}, {"trading", "settlement"}]

# What somebody would hold once this is approved; a product held twice counts once.
products(access) := {p | some p in access.held.products} | {p | p := input.request.product; p != ""}

has(tags, want) if {
	some tag in tags
	tag == want
}

has(tags, want) if {
	some tag in tags
	startswith(tag, concat("", [want, "."]))
}
