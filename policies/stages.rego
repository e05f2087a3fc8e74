# METADATA
# title: Stages
# description: |
#   Which stages have the approvals that they ask for. Stages come in order: one
#   counts as approved only when all before it are.
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
# description: For each source of a stage, who of its people approves.
answers(stage) := [sort([p | some p in approvers; p in source.people]) | some source in stage.sources]

# METADATA
# title: Filled
# description: |
#   Whether the sources of a stage are answered. Of one source, one answer is
#   enough and more add nothing. A source that nobody stands behind has no answer.
filled(stage) if {
	stage.mode == "any"
	some answer in answers(stage)
	count(answer) > 0
}

filled(stage) if {
	stage.mode == "all"
	count(stage.sources) > 0
	every answer in answers(stage) {
		count(answer) > 0
	}
	own_person(stage)
}

# METADATA
# title: Own person
# description: Whether no person has to answer for two sources, where the stage forbids that.
own_person(stage) if stage.distinct == false

own_person(stage) if {
	stage.distinct == true
	matching.possible(answers(stage))
}

# METADATA
# title: People
# description: The distinct people who approve in a stage.
people(stage) := {p | some answer in answers(stage); some p in answer}

# METADATA
# title: Enough
# description: Whether as many distinct people approve as the stage asks for.
enough(stage) if {
	is_number(stage.count)
	count(people(stage)) >= stage.count
}

# METADATA
# title: Satisfied
# description: The indexes of the stages that have what they ask for, whatever their turn.
satisfied contains i if {
	some i, stage in asked
	filled(stage)
	enough(stage)
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
# description: How a stage stands.
state(i) := "waiting" if {
	i == turn
} else := "blocked" if {
	i > turn
} else := "approved" if i in satisfied

# METADATA
# title: Results
# description: How each stage stands, and who answered for each source.
results := [{
	"state": state(i),
	"sources": [{"answered": answer} | some answer in answers(stage)],
} |
	some i, stage in asked
]

# METADATA
# title: Counted
# description: The ids of the approvals, sorted.
counted := sort([a.id | some a in approvals])

# METADATA
# title: Reason
# description: Who approved.
reason := concat(" ", ["approved by", concat(", ", sort(approvers))])
