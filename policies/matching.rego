# METADATA
# title: Matching
# description: Whether every source can have a person of its own.
package assent.matching

# METADATA
# title: Powers
# description: The powers of two; their number bounds how many contested sources a stage may have.
powers := [1, 2, 4, 8, 16, 32, 64, 128]

# METADATA
# title: Own
# description: The sources that have somebody who answers for no other; that person can serve them.
own(entries) := {i |
	some i, entry in entries
	others := {p | some j, other in entries; j != i; some p in other}
	some p in entry
	not p in others
}

# METADATA
# title: Contested
# description: |
#   The sources that have nobody of their own and fewer people than there are
#   sources. Any other source can be served whatever the rest take, so only these
#   need a look.
contested(entries) := [entry |
	served := own(entries)
	some i, entry in entries
	not i in served
	count(entry) < count(entries)
]

# METADATA
# title: Possible
# description: |
#   Hall's theorem: everybody can be served if and only if no group of sources has
#   fewer people between them than there are sources in the group. More contested
#   sources than there are powers cannot be checked and are not possible.
possible(entries) if {
	count(entries) > 0
	count(contested(entries)) == 0
}

possible(entries) if {
	few := contested(entries)
	count(few) > 0
	last := (2 * powers[count(few) - 1]) - 1
	every mask in numbers.range(1, last) {
		chosen := {i | some i, _ in few; bits.and(mask, powers[i]) != 0}
		people := {p | some i in chosen; some p in few[i]}
		count(people) >= count(chosen)
	}
}
