package resource

import (
	"slices"
	"time"
)

// BirthrightOf are the people whom an entry of a birthright matches at now,
// sorted: persons who are active, and never a service account.
//
//	entry               matches
//	group               its members, through other groups too
//	attribute           everybody who has the value
//	both, or neither    nobody
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

// Owner is the person who answers for a User at now: for a person that person,
// for a service account its owner. Where nobody does, why says so.
//
//	User       owner                     answers    why
//	person     any                       itself
//	service    a person, active at now   the owner
//	service    a person, not active      nobody     has left
//	service    a service account         nobody     is no person
//	service    none, or unknown          nobody     does not exist
func Owner(s *Set, u *User, now time.Time) (who Name, why string) {
	if !u.IsService() {
		return u.Ref().Name, ""
	}
	name := u.Spec.Owner
	owner, ok := UserOf(s, name)
	switch {
	case name == "":
		return "", "it has no owner"
	case !ok:
		return "", "its owner " + string(name) + " does not exist"
	case owner.IsService():
		return "", "its owner " + string(name) + " is no person"
	case !Active(owner, now):
		return "", "its owner " + string(name) + " has left"
	default:
		return name, ""
	}
}
