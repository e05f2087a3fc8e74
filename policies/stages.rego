# METADATA
# title: Stages
# description: |
#   Which stages have the approvals that they ask for. The stages of a request come
#   in order: one counts as approved only when all before it are.
package assent.stages

import data.assent.governance
import data.assent.matching

# METADATA
# title: Asked
# description: The stages that decide.
asked := input.stages if {
	input.kind == "request"
	input.flow.mode == "stewards"
}

asked := [] if {
	input.kind == "request"
	input.flow.mode == "automatic"
}

asked := governance.stages if input.kind == "governance"

asked := input.stages if input.kind == "review"

# METADATA
# title: Approvals
# description: The valid approvals by people whom some stage asks.
approvals contains review if {
	some review in input.reviews
	review.valid == true
	review.verdict == "approve"
	some stage in asked
	some source in stage.sources
	review.person in source.people
}

# METADATA
# title: Approvers
# description: The people behind them. Somebody who approves twice is one person.
approvers contains review.person if some review in approvals

# METADATA
# title: Answers
# description: For each stage and each of its sources, who of its people approves.
answers[i] := [sort([p | some p in approvers; p in source.people]) | some source in stage.sources] if {
	some i, stage in asked
}

# METADATA
# title: Filled
# description: |
#   The stages whose sources are answered. Of one source, one answer is enough and
#   more add nothing. A source that nobody stands behind has no answer.
filled contains i if {
	some i, stage in asked
	stage.mode == "any"
	some answer in answers[i]
	count(answer) > 0
}

filled contains i if {
	some i in all_answered
	i in own_person
}

# METADATA
# title: All answered
# description: The stages of mode all in which every source has an answer.
all_answered contains i if {
	some i, stage in asked
	stage.mode == "all"
	count(answers[i]) > 0
	every answer in answers[i] {
		count(answer) > 0
	}
}

# METADATA
# title: Own person
# description: The stages in which nobody has to answer for two sources, or may.
own_person contains i if {
	some i, stage in asked
	stage.distinct == false
}

own_person contains i if {
	some i, stage in asked
	stage.distinct == true
	matching.possible(answers[i])
}

# METADATA
# title: People
# description: The distinct people who approve in each stage.
people[i] := {p | some answer in answers[i]; some p in answer} if some i, _ in asked

# METADATA
# title: Enough
# description: The stages in which as many distinct people approve as they ask for.
enough contains i if {
	some i, stage in asked
	is_number(stage.count)
	count(people[i]) >= stage.count
}

# METADATA
# title: Satisfied
# description: The indexes of the stages that have what they ask for, whatever their turn.
satisfied contains i if {
	some i in filled
	i in enough
}

# METADATA
# title: Turn
# description: The index of the first stage that lacks something.
turn := min([i | some i, _ in asked; not i in satisfied])

# METADATA
# title: Agreed
# description: Whether there are stages, and none of them lacks anything.
agreed if {
	count(asked) > 0
	count(satisfied) == count(asked)
}

# METADATA
# title: State
# description: How a stage stands. Those of a governance pull request wait for nothing but people.
state(i) := "waiting" if {
	i == turn
} else := "waiting" if {
	input.kind == "governance"
	not i in satisfied
} else := "approved" if {
	input.kind == "governance"
} else := "blocked" if {
	i > turn
} else := "approved" if i in satisfied

# METADATA
# title: Results
# description: How each stage stands, and who answered for each source.
results := [{
	"state": state(i),
	"sources": [{"answered": answer} | some answer in answers[i]],
} |
	some i, _ in asked
]

# METADATA
# title: Counted
# description: The ids of the approvals, sorted.
counted := sort([a.id | some a in approvals])

# METADATA
# title: Reason
# description: Who approved.
reason := concat(" ", ["approved by", concat(", ", sort(approvers))])
