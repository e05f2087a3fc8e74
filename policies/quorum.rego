# METADATA
# title: Quorum
# description: |
#   The decision on one request, or on one governance pull request. Input:
#
#     kind        "request", "governance", or "review" for a file in reviews/, whose one
#                 stage of mode all has a source for each request that it decides on
#     at          the instant of the decision; all instants are RFC 3339 in UTC
#     notBefore   the instant before which nothing is given, or ""
#     limit       the latest end that form, product and request allow, or ""
#     flow        {mode: "stewards" or "automatic", justification, duration, from}
#     stages      [{mode: "any" or "all", count, distinct, sources: [{source, people}]}]
#     governance  the people with GOVERNANCE
#     reviews     [{id, person, verdict, until, reason, valid, why}]
#     request     {name, file, type, target, product, domain, tags, columns, accessLevel, requester,
#                  beneficiaries, duration, until, form, answers, labels}; for rules of the organisation
#     emergency   see emergency.rego; of an emergency request
#     access      {beneficiary: {held, pending}}, each {count, products, tags, accessLevels,
#                 requests: [{request, target, product, domain, tags, accessLevel, until}]}: what each
#                 beneficiary holds by approvals and birthrights, and asks for in other open pull
#                 requests, this request left out; there wherever a rule of the organisation reads it
#     pullRequest {repo, forge, id, base, head, author}
#     changes     [{files, folder, kind, action, readable, domains, reaches, unowned, leaves, concerns,
#                  stewards, shared, spec, permissions, guardrail, unlimited, governs}]; of governance
#     domains     {name: {owner, manageDataProducts, managePolicies}}, each {people, at}; of governance
#     permissions {GOVERNANCE, USER_ADMIN}, each {people, at}; of governance
#
#   people, person, requester and beneficiaries are names of users. A review with
#   valid false never counts; why says the reason. A verdict is approve, deny,
#   comment or dismissed.
package assent.quorum

import data.assent.automatic
import data.assent.constraints
import data.assent.duration
import data.assent.emergency
import data.assent.missing
import data.assent.stages
import data.assent.veto

# METADATA
# title: Decision
# description: Everything that is known about how the request stands. Only outcome decides.
# entrypoint: true
decision := {
	"outcome": standing.outcome,
	"reason": standing.reason,
	"stages": stages.results,
	"counted": counted,
	"until": until,
	"missing": missing.list,
	"constraints": constraints.list,
	"asked": asked,
}

# METADATA
# title: Asked
# description: The stages that the files of a governance pull request need; none for a request, which brings its own.
asked := stages.asked if {
	input.kind == "governance"
} else := []

# METADATA
# title: Standing
# description: |
#   Outcome and reason. A denial ends it whatever else there is; a constraint, what
#   bars an emergency or an end that has passed holds it; agreement approves it,
#   until its end if it has one.
standing := {"outcome": "denied", "reason": veto.reason} if {
	veto.denied
} else := {"outcome": "pending", "reason": constraints.reason} if {
	count(constraints.list) > 0
} else := {"outcome": "pending", "reason": emergency.reason} if {
	count(emergency.objections) > 0
} else := {"outcome": "pending", "reason": duration.reason} if {
	agreed
	duration.over
} else := {"outcome": "temporarily-approved", "reason": agreement} if {
	agreed
	duration.bounded
} else := {"outcome": "approved", "reason": agreement} if {
	agreed
} else := {"outcome": "pending", "reason": waiting}

# METADATA
# title: Agreed
# description: Whether the flow has what it asks for.
agreed if automatic.agreed

agreed if stages.agreed

# METADATA
# title: Agreement
# description: The reason of an approval.
agreement := automatic.reason if automatic.agreed

agreement := stages.reason if stages.agreed

# METADATA
# title: Waiting
# description: The reason of a request that nothing but people holds up.
waiting := concat("", ["waiting for ", concat("; ", [m.what | some m in missing.list])]) if {
	count(missing.list) > 0
} else := "the flow gives no way to approve this"

# METADATA
# title: Counted
# description: The ids of the reviews that made the outcome what it is.
counted := veto.ids if {
	veto.denied
} else := stages.counted

# METADATA
# title: Until
# description: The end of the approval, exclusive; empty where there is none.
until := duration.end if {
	standing.outcome == "temporarily-approved"
} else := ""
