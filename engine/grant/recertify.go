package grant

import (
	"fmt"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Certify bounds an approval by the recertification that was agreed with it: rule
// as the form had it at the determination, until as it was determined or later
// shortened, at the determination or the last review that kept the request.
//
//	rule        every         at + every           ends       asked again by
//	none        -             -                    until      never
//	any         indefinite    -                    until      never
//	any         a time        until or later       until      never: it ends before
//	drop        a time        before until         at+every   at+every
//	keep        a time        before until         until      at+every, and only asked
//	any         unreadable    -                    at         never
//
// A form that says nothing of unanswered drops. Every end is exclusive, and no
// rule gives a later end than until.
func Certify(a Approval, rule *resource.Recertify, until, at time.Time) Approval {
	a.Until, a.Certified, a.CertifyBy, a.Lapses = until, at, time.Time{}, false
	if rule == nil {
		return a
	}
	by, bounded, err := rule.Every.After(at)
	switch {
	case err != nil:
		a.Until = resource.Earliest(until, at.UTC().Truncate(time.Second))
	case !bounded || !until.IsZero() && !by.Before(until):
	default:
		a.CertifyBy = by
		if rule.Unanswered != resource.UnansweredKeep {
			a.Until, a.Lapses = by, true
		}
	}
	return a
}

// ended says why access is over at until.
func (a Approval) ended(until time.Time) string {
	text := "access ended " + until.Format(time.RFC3339)
	if a.Lapses && until.Equal(a.CertifyBy) {
		text += fmt.Sprintf(", because since %s no steward kept it in an access review; ask again", a.Certified.UTC().Format(time.RFC3339))
	}
	return text
}
