# METADATA
# title: Veto
# description: One valid denial by any steward of any stage ends a request, whatever came before or after.
package assent.veto

import data.assent.stages

# METADATA
# title: Denials
# description: |
#   The valid denials. Of a governance pull request, those of the people who may
#   agree to some of it.
denials contains review if {
	some review in input.reviews
	review.valid == true
	review.verdict == "deny"
	heard(review.person)
}

# METADATA
# title: Heard
# description: Whether a person's denial is heard.
heard(_) if not input.kind == "governance"

heard(person) if {
	input.kind == "governance"
	some stage in stages.asked
	some source in stage.sources
	person in source.people
}

# METADATA
# title: Denied
# description: Whether there is any.
denied if count(denials) > 0

# METADATA
# title: Ids
# description: Their ids, sorted.
ids := sort([d.id | some d in denials])

# METADATA
# title: Reason
# description: Who denied, and in which words.
reason := concat("; ", sort([words(d) | some d in denials]))

# METADATA
# title: Words
# description: One denial in words.
words(d) := sprintf("denied by %s: %s", [d.person, d.reason]) if {
	d.reason != ""
} else := sprintf("denied by %s", [d.person])
