# METADATA
# title: Duration
# description: The shortest end wins; indefinite and temporary together are temporary.
package assent.duration

import data.assent.stages

# METADATA
# title: Ends
# description: Every end that somebody or something set.
ends contains input.limit if input.limit != ""

ends contains review.until if {
	some review in stages.approvals
	review.until != ""
}

# METADATA
# title: Bounded
# description: Whether there is an end.
bounded if count(ends) > 0

# METADATA
# title: End
# description: The earliest of the ends.
end := [e |
	some e in sort(ends)
	time.parse_rfc3339_ns(e) == min({time.parse_rfc3339_ns(other) | some other in ends})
][0]

# METADATA
# title: Start
# description: When access would begin.
start := max([time.parse_rfc3339_ns(t) | some t in [input.at, input.notBefore]; t != ""])

# METADATA
# title: Over
# description: Whether the end comes no later than the start, so that nothing would be given.
over if time.parse_rfc3339_ns(end) <= start

# METADATA
# title: Reason
# description: Why an agreed request is held.
reason := sprintf("everybody agreed, but it would end at %s, before it begins; ask for a later end", [end])
