# METADATA
# title: Missing
# description: What the stage whose turn it is still lacks, as sentences for people.
package assent.missing

import data.assent.stages

# METADATA
# title: List
# description: All that is lacking, in the order of the sources.
list := [{"what": "a review flow with stages: this one has none"}] if {
	count(stages.asked) == 0
	input.flow.mode != "automatic"
} else := array.concat(array.concat(unanswered(stages.turn), short(stages.turn)), shared(stages.turn)) if {
	count(stages.asked) > count(stages.satisfied)
} else := []

# METADATA
# title: Unanswered
# description: The sources without an answer; for a stage of mode any, all of them as one.
unanswered(i) := [gap |
	stages.asked[i].mode == "all"
	some j, source in stages.asked[i].sources
	count(stages.answers(stages.asked[i])[j]) == 0
	gap := {"stage": i, "source": j, "what": sprintf("an approval for %s", [source.source])}
] if {
	stages.asked[i].mode == "all"
	count(stages.asked[i].sources) > 0
} else := [{"stage": i, "what": sprintf("an approval for %s", [concat(" or ", [s.source | some s in stages.asked[i].sources])])}] if {
	stages.asked[i].mode == "any"
	count(stages.asked[i].sources) > 0
	count(stages.people(stages.asked[i])) == 0
} else := [{"stage": i, "what": "a stage that says who may approve: this one lists nobody"}] if {
	count(stages.asked[i].sources) == 0
} else := []

# METADATA
# title: Short
# description: How many more people a stage asks for.
short(i) := [{"stage": i, "what": sprintf("approvals by %d distinct people, of which %d are there", [stages.asked[i].count, count(stages.people(stages.asked[i]))])}] if {
	not stages.enough(stages.asked[i])
	stages.asked[i].count > 1
} else := []

# METADATA
# title: Shared
# description: That one person would have to answer for two sources.
shared(i) := [{"stage": i, "what": "an approval by one more person: nobody may answer for two sources of a stage"}] if {
	stages.asked[i].mode == "all"
	count(stages.asked[i].sources) > 0
	every answer in stages.answers(stages.asked[i]) {
		count(answer) > 0
	}
	not stages.own_person(stages.asked[i])
} else := []
