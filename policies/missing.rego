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
} else := [governed(i, stage) | some i, stage in stages.asked; not i in stages.satisfied] if {
	input.kind == "governance"
} else := gaps(stages.turn, stages.asked[stages.turn]) if {
	count(stages.asked) > count(stages.satisfied)
} else := []

# METADATA
# title: Gaps
# description: What one stage lacks.
gaps(i, stage) := array.concat(array.concat(unanswered(i, stage), short(i, stage)), shared(i))

# METADATA
# title: Unanswered
# description: The sources without an answer; for a stage of mode any, all of them as one.
unanswered(i, stage) := [{"stage": i, "what": "a stage that says who may approve: this one lists nobody"}] if {
	count(stage.sources) == 0
} else := [gap |
	some j, source in stage.sources
	count(stages.answers[i][j]) == 0
	gap := {"stage": i, "source": j, "what": sprintf("an approval for %s", [source.source])}
] if {
	stage.mode == "all"
} else := [{"stage": i, "what": sprintf("an approval for %s", [concat(" or ", [s.source | some s in stage.sources])])}] if {
	count(stages.people[i]) == 0
} else := []

# METADATA
# title: Short
# description: How many more people a stage asks for.
short(i, stage) := [{"stage": i, "what": sprintf("approvals by %d distinct people, of which %d are there", [stage.count, count(stages.people[i])])}] if {
	not i in stages.enough
	stage.count > 1
} else := []

# METADATA
# title: Shared
# description: That one person would have to answer for two sources.
shared(i) := [{"stage": i, "what": "an approval by one more person: nobody may answer for two sources of a stage"}] if {
	i in stages.all_answered
	not i in stages.own_person
} else := []

# METADATA
# title: Governed
# description: What the files of one stage of a governance pull request lack.
governed(i, stage) := {"stage": i, "what": concat("", [files(stage.files), ": ", lack(i, stage), few(stage)])}

# METADATA
# title: Lack
# description: The approvals that are lacking.
lack(_, stage) := sprintf("an approval for %s", [concat(" or ", [s.source | some s in stage.sources])]) if {
	stage.count == 1
} else := sprintf("approvals for %s by %d distinct people", [concat(" or ", [s.source | some s in stage.sources]), stage.count])

# METADATA
# title: Few
# description: Whether there are enough people who could ever agree.
few(stage) := sprintf("; without a part in the change there are %d such people, so somebody has to be given the permission first", [count(able)]) if {
	able := {p | some s in stage.sources; some p in s.people}
	count(able) < stage.count
} else := ""

# METADATA
# title: Files
# description: The first of the files, and how many more there are.
files(list) := sprintf("%s and %d more", [concat(", ", array.slice(list, 0, 3)), count(list) - 3]) if {
	count(list) > 3
} else := concat(", ", list)
