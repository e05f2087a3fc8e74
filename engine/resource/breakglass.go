package resource

import (
	"fmt"
	"slices"
	"time"
)

// What no repository may loosen: an emergency takes two people, and is over in
// four hours.
const (
	EmergencyPeople             = 2
	EmergencyCeiling            = 4 * time.Hour
	emergencyReview    Duration = "3d"
	emergencyDuration  Duration = "4h"
	emergencyPeopleMax          = 100
)

// BreakGlassOf is the emergency rule of a Set; ok is false where there is none.
func BreakGlassOf(s *Set) (rule BreakGlass, from *Repository, ok bool) {
	r, found := s.Repository()
	if !found || r.Spec.BreakGlass == nil {
		return BreakGlass{}, nil, false
	}
	return *r.Spec.BreakGlass, r, true
}

// Quorum is how many distinct people must agree: what is stated, never fewer
// than EmergencyPeople.
func (b BreakGlass) Quorum() int { return min(max(b.People, EmergencyPeople), emergencyPeopleMax) }

// End is when emergency access that begins at start is over: the earlier of
// MaxDuration and EmergencyCeiling. A duration that cannot be read is an error.
func (b BreakGlass) End(start time.Time) (time.Time, error) {
	most := b.MaxDuration
	if !most.Stated() {
		most = emergencyDuration
	}
	end, bounded, err := most.After(start)
	if err != nil {
		return time.Time{}, fmt.Errorf("bound emergency access: %w", err)
	}
	ceiling := start.UTC().Truncate(time.Second).Add(EmergencyCeiling)
	if !bounded {
		return ceiling, nil
	}
	return Earliest(end, ceiling), nil
}

// ReviewBy is the instant by which the use that ended at end must have been
// looked back at; without an end in ReviewWithin, three days.
func (b BreakGlass) ReviewBy(end time.Time) (time.Time, error) {
	within := b.ReviewWithin
	if !within.Stated() || within == Indefinite {
		within = emergencyReview
	}
	by, _, err := within.After(end)
	if err != nil {
		return time.Time{}, fmt.Errorf("bound the review of emergency access: %w", err)
	}
	return by, nil
}

// Owner says who answers for a service account, and why nobody does.
//
//	account          owner                        answers   why
//	a person         any                          itself    ""
//	service          a person, active at now      owner     ""
//	service          a person, not active         -         has left
//	service          a service account            -         is no person
//	service          nobody, or unknown           -         does not exist
func Owner(s *Set, u *User, now time.Time) (who Name, why string) {
	if !u.IsService() {
		return u.Ref().Name, ""
	}
	owner, ok := UserOf(s, u.Spec.Owner)
	switch {
	case u.Spec.Owner == "":
		return "", "it has no owner"
	case !ok:
		return "", "its owner " + string(u.Spec.Owner) + " does not exist"
	case owner.IsService():
		return "", "its owner " + string(u.Spec.Owner) + " is no person"
	case !Active(owner, now):
		return "", "its owner " + string(u.Spec.Owner) + " has left"
	default:
		return u.Spec.Owner, ""
	}
}

// BirthrightOf reports whether an entry of a birthright matches a person: a
// person, never a service account, and active at now.
//
//	entry                     matches
//	group                     members of it, through other groups too
//	attribute                 who has the value
//	both, or neither          nobody
func BirthrightOf(s *Set, entry Birthright, now time.Time) []Name {
	var names []Name
	switch {
	case (entry.Attribute != nil) == (entry.Group != ""):
		return nil
	case entry.Group != "":
		names = Members(s, entry.Group)
	default:
		names = usersWhere(s, func(u *User) bool { return HasAttribute(u, *entry.Attribute) })
	}
	return slices.DeleteFunc(names, func(n Name) bool {
		u, ok := UserOf(s, n)
		return !ok || u.IsService() || !Active(u, now)
	})
}

// Level is the access level that the entry gives; read unless stated.
func (b Birthright) Level() AccessLevel {
	if b.AccessLevel == "" {
		return Read
	}
	return b.AccessLevel
}
