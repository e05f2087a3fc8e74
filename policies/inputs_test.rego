# METADATA
# title: Inputs
# description: Inputs that the tests start from.
package assent.inputs

request(stages, reviews) := {
	"kind": "request",
	"at": "2026-11-24T12:00:00Z",
	"notBefore": "",
	"limit": "",
	"flow": {"mode": "stewards", "justification": "", "duration": "", "from": "RequestForm/ask"},
	"stages": stages,
	"governance": [],
	"reviews": reviews,
}

automatic(justification, duration, limit) := object.union(request([], []), {
	"limit": limit,
	"flow": {"mode": "automatic", "justification": justification, "duration": duration},
})

governance(people, reviews) := governed([change("README.md", "")], {"GOVERNANCE": people}, {}, reviews)

governed(changes, permissions, domains, reviews) := object.union(request([], reviews), {
	"kind": "governance",
	"flow": {"mode": "stewards"},
	"changes": changes,
	"permissions": {p: holders(permissions[p]) | some p in object.keys(permissions)},
	"domains": {d: {r: holders(list) | some r, list in rights} | some d, rights in domains},
	"governance": permissions.GOVERNANCE,
})

holders(people) := {"people": people, "at": "x.yaml:1:1"}

change(file, kind) := {
	"files": [file], "folder": split(file, "/")[0], "kind": kind, "action": "changed", "readable": true,
	"domains": [], "reaches": [], "unowned": false, "leaves": [], "concerns": [], "stewards": holders([]),
	"shared": false, "spec": true, "permissions": false, "guardrail": false, "unlimited": false, "governs": false,
}

stage(mode, lists) := {
	"mode": mode,
	"count": 0,
	"distinct": true,
	"sources": [{"source": sprintf("group g%d", [i]), "people": people} | some i, people in lists],
}

review(id, person, verdict) := {
	"id": id, "person": person, "verdict": verdict,
	"until": "", "reason": "", "valid": true, "why": "",
}

approvals(people) := [review(sprintf("r%d", [i]), p, "approve") | some i, p in people]
