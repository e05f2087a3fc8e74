package resource

import (
	"slices"
	"time"
)

// Stewards are the people behind one steward source at this Set, sorted: only
// persons who are active at now. Whoever asks must still leave out requester,
// beneficiaries and authors.
//
//	source               people
//	user                 that one
//	group                its members, through other groups too
//	attribute            all with that value
//	permission           all with that global permission
//	domainPermission     all with that right in the target's domain; none without one
//	subjectMatterExpert  the expert of the product, or of the source; none for a path
//	several, or none     nobody: a source says one thing
func Stewards(s *Set, source StewardSource, target Target, now time.Time) []Name {
	return slices.DeleteFunc(named(s, source, target), func(n Name) bool {
		u, ok := UserOf(s, n)
		return !ok || u.IsService() || !Active(u, now)
	})
}

// named are the Users behind a source, whoever they are.
func named(s *Set, source StewardSource, target Target) []Name {
	if source.Stated() != 1 {
		return nil
	}
	switch {
	case source.User != "":
		return []Name{source.User}
	case source.Group != "":
		return Members(s, source.Group)
	case source.Attribute != nil:
		return usersWhere(s, func(u *User) bool { return HasAttribute(u, *source.Attribute) })
	case source.Permission != "":
		return usersWhere(s, func(u *User) bool { return Holds(u, source.Permission) })
	case source.DomainPermission != "":
		if domain, ok := DomainOfTarget(s, target); ok {
			return Holders(s, domain, source.DomainPermission)
		}
		return nil
	default:
		return experts(s, target)
	}
}

// Stated counts the ways in which a source names people; 1 is right.
func (ss StewardSource) Stated() int {
	n := 0
	for _, set := range []bool{
		ss.User != "", ss.Group != "", ss.Attribute != nil, ss.Permission != "", ss.DomainPermission != "", ss.SubjectMatterExpert,
	} {
		if set {
			n++
		}
	}
	return n
}

func usersWhere(s *Set, keep func(*User) bool) []Name {
	var out []Name
	for u := range Of[*User](s) {
		if keep(u) {
			out = append(out, u.Ref().Name)
		}
	}
	return out
}

func experts(s *Set, t Target) []Name {
	if p, ok := Get[*DataProduct](s, KindDataProduct, t.Product); ok {
		return People(s, []Subject{p.Spec.SubjectMatterExpert})
	}
	if d, ok := Get[*DataSource](s, KindDataSource, t.Source); ok {
		return People(s, d.Spec.SubjectMatterExperts)
	}
	return nil
}
