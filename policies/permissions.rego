# METADATA
# title: Permissions
# description: |
#   Who may agree to a change of what: one need for each file of a governance pull
#   request, or several. Whoever has a part in the change is left out of every list
#   of holders before this is asked. The holders are those of the base commit, so
#   that no change can give its author the right to make it.
#
#     file or kind                       who may agree
#     assent.yaml, policies/             two people with GOVERNANCE
#     DataProduct                        manageDataProducts in its domain, old and new, or that domain's owner;
#                                        the same of every domain whose sources it takes in
#     Domain                             its owner, or GOVERNANCE; its owner and permissions: GOVERNANCE
#     MaskingPolicy                      managePolicies in the domain it is limited to, else GOVERNANCE; a guardrail: GOVERNANCE
#     RequestForm, DataUseAgreement      GOVERNANCE, the stewards that the form itself names, or manageDataProducts
#                                        in the one domain whose products alone use it
#     DataSource                         manageDataProducts in a domain it is in, or GOVERNANCE; where it leaves a
#                                        domain or shows more, managePolicies there too
#     User, Group                        USER_ADMIN, but nobody for themselves; what gives GOVERNANCE: two people with it
#     everything else                    GOVERNANCE
#
#   Where nobody holds what is asked for, GOVERNANCE may agree; where nobody has
#   that either, nobody may.
package assent.permissions

# METADATA
# title: Needs
# description: What files that changed alike need; all needs of a pull request must be met.
needs contains {"files": change.files, "count": ask.count, "sources": held(ask.sources, barred(change))} if {
	some change in input.changes
	some ask in asks(change)
}

# METADATA
# title: Asks
# description: What one change asks for, by what it changes.
asks(change) := {governance(2)} if {
	change.folder in {"assent.yaml", "policies"} # what everything else rests on
} else := {governance(1)} if {
	not change.readable == true
} else := product(change) if {
	change.kind == "DataProduct"
} else := domain(change) if {
	change.kind == "Domain"
} else := mask(change) if {
	change.kind == "MaskingPolicy"
} else := source(change) if {
	change.kind == "DataSource"
} else := form(change) if {
	change.kind in {"RequestForm", "DataUseAgreement"}
} else := user(change) if {
	change.kind in {"User", "Group"}
} else := {governance(1)}

# METADATA
# title: Data product
# description: The managers of every domain whose data or name it carries.
product(change) := union({stewarded, nobodys(change)}) if {
	stewarded := {managers(d) | some d in array.concat(change.domains, change.reaches)}
	count(stewarded) > 0
} else := {governance(1)}

# METADATA
# title: Nobody's data
# description: Sources that no domain answers for are for GOVERNANCE to give away.
nobodys(change) := {governance(1)} if {
	change.unowned == true
} else := set()

# METADATA
# title: Domain
# description: |
#   Who answers for a domain, and whose data comes under it, GOVERNANCE decides;
#   what else is in it, its owner too. Data that leaves it leaves its masks.
domain(change) := {governance(1)} if {
	change.permissions == true
} else := {governance(1)} if {
	count(change.reaches) > 0
} else := {governance(1)} if {
	change.unowned == true
} else := union({{one([owner(change.domains[0]), permission("GOVERNANCE")])}, loosened(change)})

# METADATA
# title: Masking policy
# description: A guardrail, and what is not limited to one domain, is for GOVERNANCE.
mask(change) := {governance(1)} if {
	change.guardrail == true
} else := {governance(1)} if {
	change.unlimited == true
} else := {governance(1)} if {
	count(change.domains) == 0
} else := {one([right(d, "managePolicies")]) | some d in change.domains}

# METADATA
# title: Data source
# description: Those who look after a domain it is in, or GOVERNANCE.
source(change) := union({{one(array.concat(managing, [permission("GOVERNANCE")]))}, loosened(change)}) if {
	managing := [right(d, "manageDataProducts") | some d in change.domains]
}

# METADATA
# title: Loosened
# description: Where data leaves a domain or shows more, those who look after its policies agree too.
loosened(change) := {one([right(d, "managePolicies")]) | some d in change.leaves}

# METADATA
# title: Form or agreement
# description: |
#   GOVERNANCE; the stewards named in the form itself, never those that it delegates
#   to; and the managers of a domain, where only products of that domain use it.
form(change) := {one(array.concat(array.concat([permission("GOVERNANCE")], named), managing))} if {
	named := [{"source": sprintf("steward named in %s", [change.files[0]]), "people": change.stewards.people, "at": change.stewards.at} |
		count(change.stewards.people) > 0
	]
	managing := [right(change.domains[0], "manageDataProducts") |
		count(change.domains) == 1
		change.shared == false
	]
}

# METADATA
# title: User or group
# description: USER_ADMIN; two people with GOVERNANCE where that permission is given, or changes hands.
user(change) := {governance(2)} if {
	change.governs == true
} else := {one([permission("USER_ADMIN")])}

# METADATA
# title: Barred
# description: Nobody agrees to a change of what they themselves hold.
barred(change) := {p | some p in change.concerns} if {
	change.spec == true
} else := set()

# METADATA
# title: Managers
# description: Those who manage the data products of a domain, or own it.
managers(domain) := one([right(domain, "manageDataProducts"), owner(domain)])

# METADATA
# title: One
# description: One approval by anybody of the sources.
one(sources) := {"count": 1, "sources": sources}

# METADATA
# title: Governance
# description: Approvals by so many people with GOVERNANCE.
governance(n) := {"count": n, "sources": [permission("GOVERNANCE")]}

# METADATA
# title: Right
# description: The holders of a right in a domain.
right(domain, name) := {
	"source": sprintf("domain permission %s in %s", [name, domain]),
	"people": input.domains[domain][name].people,
	"at": input.domains[domain][name].at,
}

# METADATA
# title: Owner
# description: The owner of a domain.
owner(domain) := {
	"source": sprintf("owner of domain %s", [domain]),
	"people": input.domains[domain].owner.people,
	"at": input.domains[domain].owner.at,
}

# METADATA
# title: Permission
# description: The holders of a global permission.
permission(name) := {
	"source": sprintf("permission %s", [name]),
	"people": input.permissions[name].people,
	"at": input.permissions[name].at,
}

# METADATA
# title: Held
# description: The sources without those who are barred; GOVERNANCE where that leaves nobody.
held(sources, without) := left if {
	left := [open(s, without) | some s in sources]
	some s in left
	count(s.people) > 0
} else := [open(permission("GOVERNANCE"), without)]

# METADATA
# title: Open
# description: A source without those who are barred.
open(source, without) := object.union(source, {"people": [p | some p in source.people; not p in without]})
