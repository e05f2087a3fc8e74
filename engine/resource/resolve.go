package resource

import (
	"slices"
	"strings"
	"time"
)

// KindPerson and KindService are the two values of User.spec.kind.
const (
	KindPerson  = "person"
	KindService = "service"
)

// UserOf returns a User by name.
func UserOf(s *Set, name Name) (*User, bool) { return Get[*User](s, KindUser, name) }

// IsService reports whether the User is a service account and no person.
func (u *User) IsService() bool { return u.Spec.Kind == KindService }

// Active reports whether a User may decide or hold anything at now.
//
//	state   validUntil             active
//	left    any                    no
//	other   not stated             yes
//	other   after now              yes
//	other   now or before          no (the end is exclusive)
//	other   cannot be read         no
func Active(u *User, now time.Time) bool {
	if u.Spec.State == UserLeft {
		return false
	}
	if !u.Spec.ValidUntil.Stated() {
		return true
	}
	until, err := u.Spec.ValidUntil.Time()
	return err == nil && now.Before(until)
}

// Members are the Users of a group, those of the groups in it included, sorted
// and without repeats. Names that no User has are left out, so that nothing is
// given to a name nobody holds; a group that contains itself adds nothing.
func Members(s *Set, group Name) []Name {
	found := map[Name]bool{}
	collect(s, []Subject{{Group: group}}, found, map[Name]bool{})
	return sortedNames(found)
}

// People are the Users behind subjects: users and service accounts themselves,
// groups by their Members. Sorted, without repeats and without unknown names.
func People(s *Set, subjects []Subject) []Name {
	found := map[Name]bool{}
	collect(s, subjects, found, map[Name]bool{})
	return sortedNames(found)
}

func collect(s *Set, subjects []Subject, found, seen map[Name]bool) {
	for _, sub := range subjects {
		for _, name := range []Name{sub.User, sub.ServiceAccount} {
			if _, ok := UserOf(s, name); ok {
				found[name] = true
			}
		}
		if sub.Group == "" || seen[sub.Group] {
			continue
		}
		seen[sub.Group] = true
		if g, ok := Get[*Group](s, KindGroup, sub.Group); ok {
			collect(s, g.Spec.Members, found, seen)
		}
	}
}

// GroupsOf are the groups that a User belongs to, through other groups too, sorted.
func GroupsOf(s *Set, user Name) []Name {
	var out []Name
	for g := range Of[*Group](s) {
		if slices.Contains(Members(s, g.Ref().Name), user) {
			out = append(out, g.Ref().Name)
		}
	}
	return out
}

// Holds reports whether a User has a global permission. Being active is asked apart.
func Holds(u *User, p Permission) bool { return slices.Contains(u.Spec.Permissions, p) }

// Holders are the Users with a right in a domain, sorted; none where the domain
// or the permission is unknown.
func Holders(s *Set, domain Name, p DomainPermission) []Name {
	d, ok := Get[*Domain](s, KindDomain, domain)
	if !ok {
		return nil
	}
	switch p {
	case ManageDataProducts:
		return People(s, d.Spec.Permissions.ManageDataProducts)
	case ManagePolicies:
		return People(s, d.Spec.Permissions.ManagePolicies)
	case AuditActivity:
		return People(s, d.Spec.Permissions.AuditActivity)
	default:
		return nil
	}
}

// HasAttribute reports whether a User has the value among those of the key.
func HasAttribute(u *User, m AttributeMatch) bool {
	return m.Key != "" && slices.Contains(u.Spec.Attributes[m.Key], m.Value)
}

// AccountOf is the account of a User on a connection.
//
//	accounts in the User's file   template of the connection   account
//	stated                        any                          as stated
//	absent                        stated, all parts known      the template, filled in
//	absent                        a part missing or unknown    none
//	absent                        absent                       none
//
// {name} is the User's name, {email} the mail address. A part that is missing
// gives no account at all: half a name could be somebody else's.
func AccountOf(u *User, conn *Connection) (account string, ok bool) {
	if stated, found := u.Spec.Accounts[conn.Ref().Name]; found {
		return stated, stated != ""
	}
	t := conn.Spec.Accounts.Template
	if strings.Contains(t, "{email}") && u.Spec.Email == "" || strings.Contains(t, "{name}") && u.Metadata.Name == "" {
		return "", false
	}
	rest := strings.NewReplacer("{name}", "", "{email}", "").Replace(t)
	if rest == t || strings.ContainsAny(rest, "{}") {
		return "", false // no part at all would give everybody one account
	}
	return strings.NewReplacer("{name}", u.Metadata.Name, "{email}", u.Spec.Email).Replace(t), true
}

func sortedNames(set map[Name]bool) []Name {
	out := make([]Name, 0, len(set))
	for n := range set {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
