package assent.emergency_test

import data.assent.inputs
import data.assent.quorum

two := [{"mode": "any", "count": 2, "distinct": true, "sources": [{"source": "group oncall", "people": ["bo", "cy", "dee"]}]}]

asks(approvers, emergency) := object.union(inputs.request(two, inputs.approvals(approvers)), {
	"limit": "2027-01-01T00:00:00Z",
	"request": {"type": "emergency-access"},
	"emergency": emergency,
})

clean := {"known": true, "published": true, "target": "DataProduct/orders", "barred": []}

bar(state) := {"request": "e1", "state": state, "people": ["ann"], "reviewBy": "2026-11-20T00:00:00Z"}

test_two_people_open_it if {
	d := quorum.decision with input as asks(["bo", "cy"], clean)
	d.outcome == "temporarily-approved"
	d.until == "2027-01-01T00:00:00Z"
}

test_one_person_does_not if {
	d := quorum.decision with input as asks(["bo"], clean)
	d.outcome == "pending"
	d.missing == [{"stage": 0, "what": "approvals by 2 distinct people, of which 1 are there"}]
}

test_an_overdue_review_shuts_it if {
	d := quorum.decision with input as asks(["bo", "cy"], object.union(clean, {"barred": [bar("review overdue")]}))
	d.outcome == "pending"
	d.reason == "emergency access e1 of ann should have been reviewed by 2026-11-20T00:00:00Z; first it needs its after-review"
}

test_misuse_shuts_it if {
	d := quorum.decision with input as asks(["bo", "cy"], object.union(clean, {"barred": [bar("misuse")]}))
	d.outcome == "pending"
	startswith(d.reason, "e1 was found to be misuse, so ann may not break the glass again")
}

test_what_is_closed_stays_closed if {
	d := quorum.decision with input as asks(["bo", "cy"], object.union(clean, {"published": false}))
	d.outcome == "pending"
	startswith(d.reason, "DataProduct/orders is not published")
}

test_silence_is_no_clean_record if {
	d := quorum.decision with input as asks(["bo", "cy"], object.union(clean, {"known": false}))
	d.outcome == "pending"
	none := quorum.decision with input as json.remove(asks(["bo", "cy"], clean), ["emergency"])
	none.outcome == "pending"
}

test_a_denial_ends_it_all_the_same if {
	reviews := array.concat(inputs.approvals(["bo", "cy"]), [inputs.review("x", "dee", "deny")])
	denied := object.union(asks([], object.union(clean, {"known": false})), {"reviews": reviews})
	d := quorum.decision with input as denied
	d.outcome == "denied"
}

test_other_requests_know_nothing_of_it if {
	d := quorum.decision with input as inputs.request([inputs.stage("any", [["bo"]])], inputs.approvals(["bo"]))
	d.outcome == "approved"
}
