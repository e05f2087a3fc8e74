# METADATA
# title: Emergency
# description: |
#   What keeps an emergency request pending although people agree to it. Who must
#   agree is its stage, and for how long at the most is its limit; both come from
#   the repository's break-glass rule. Input, for an emergency request:
#
#     emergency  {known, published, target, barred: [{request, state, people, reviewBy}]}
#
#   known is false where the ledger was not asked about earlier uses; barred are
#   the earlier uses by the same people whose review is overdue or found misuse.
package assent.emergency

# METADATA
# title: Asked
# description: Whether the request is for emergency access.
asked if {
	input.kind == "request"
	input.request.type == "emergency-access"
}

# METADATA
# title: Objections
# description: Everything that keeps it pending. An input without the facts is no clean record.
objections contains "it is not known whether an earlier emergency access still waits for its review" if {
	asked
	not input.emergency.known == true
}

objections contains sprintf("%s is not published; emergency access opens nothing that was closed on purpose", [input.emergency.target]) if {
	asked
	not input.emergency.published == true
}

objections contains message if {
	asked
	some bar in input.emergency.barred
	bar.state == "misuse"
	message := sprintf("%s was found to be misuse, so %s may not break the glass again; only GOVERNANCE can change that, by an after-review", [bar.request, concat(", ", bar.people)])
}

objections contains message if {
	asked
	some bar in input.emergency.barred
	bar.state != "misuse"
	message := sprintf("emergency access %s of %s should have been reviewed by %s; first it needs its after-review", [bar.request, concat(", ", bar.people), bar.reviewBy])
}

# METADATA
# title: Reason
# description: All objections in one sentence.
reason := concat("; ", sort(objections))
