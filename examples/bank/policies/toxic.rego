# METADATA
# title: Toxic combinations
# description: |
#   What one person must not have together, and how much. What somebody holds and
#   asks for elsewhere is in input.access.
package assent.custom.toxic

# METADATA
# title: Who sees what is ordered does not see what is released
deny contains msg if {
	some pair in pairs
	some i, product in pair
	product == input.request.product
	other := pair[1 - i]
	some who in input.request.beneficiaries
	other in products(who)
	msg := sprintf("%s has %s or asks for it; nobody may have it and %s", [who, other, product])
}

# METADATA
# title: Three at once
deny contains msg if {
	some who in input.request.beneficiaries
	input.access[who].held.count >= most
	msg := sprintf("%s holds %d things already; give one back first", [who, input.access[who].held.count])
}

# METADATA
# title: What cannot be told is held
deny contains "nobody could tell what the person holds already" if {
	some who in input.request.beneficiaries
	not input.access[who]
}

pairs := [["payment-initiation", "payment-release"]]

most := 3

products(who) := {p |
	some part in ["held", "pending"]
	some p in input.access[who][part].products
}
