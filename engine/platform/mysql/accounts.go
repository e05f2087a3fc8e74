package mysql

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
)

// named are the accounts that a principal may mean: those of that user name,
// and the one that it spells out as user@host.
func (s *snapshot) named(principal string) []account {
	out := slices.Clone(s.byUser[principal])
	if i := strings.LastIndex(principal, "@"); i > 0 {
		a := account{principal[:i], principal[i+1:]}
		if l := s.logins[a]; l != nil && !l.role && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// resolve is the one account that a principal means.
func (s *snapshot) resolve(principal string) (account, *fault) {
	found := s.named(principal)
	switch {
	case principal == "" || checkText(principal) != nil || len(found) == 0:
		return account{}, faultf(platform.NoAccount, "account %q does not exist: create it on the server, or correct the user's file", principal)
	case len(found) > 1:
		var names []string
		for _, a := range found {
			names = append(names, a.String())
		}
		return account{}, faultf(platform.Ambiguous, "%q is more than one account: write %s in the user's file", principal, strings.Join(names, " or "))
	}
	return found[0], nil
}

// spell is how we name an account: by its user name where that is enough.
func (s *snapshot) spell(a account) string {
	if a.user == "" {
		return a.String()
	}
	if a == s.role(a.user) && s.logins[a] != nil && s.logins[a].role {
		if len(s.byUser[a.user]) == 0 {
			return a.user
		}
		return a.String()
	}
	if len(s.named(a.user)) == 1 {
		return a.user
	}
	return a.String()
}

// person says why an account cannot be let into a role.
func (s *snapshot) person(a account) *fault {
	if a == s.engine || a == viewsOwner || a == fuseOwner {
		return faultf(platform.Unsupported, "%s is no account of a person or service: correct the user's file", a)
	}
	if s.oracle {
		return nil
	}
	for _, role := range s.logins[a].defaults {
		if u := s.umbrella(a); role != u {
			return faultf(platform.NotOurs, "the default role of %s is %s, which others set, and only one role is active at a time: "+
				"let its administrator run SET DEFAULT ROLE NONE FOR %s; what %s opens can be kept by granting it to %s afterwards",
				a, role, a.quoted(), role, u)
		}
	}
	return s.umbrellaMine(a)
}

const umbrellaPrefix = "assent_account_"

// umbrella is the name of the one role of an account that is active in its
// sessions. No role of a product is called so: those end in their level or in a
// profile.
func (s *snapshot) umbrella(a account) string {
	if s.book != nil {
		if name, ok := s.book.umbrellas[a]; ok {
			return name
		}
	}
	var slug strings.Builder
	for _, r := range strings.ToLower(a.user) {
		switch {
		case slug.Len() == 16:
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			slug.WriteRune(r)
		default:
			slug.WriteByte('_')
		}
	}
	return umbrellaPrefix + slug.String() + "__" + digest(a.user + "\x00" + a.host)[:8]
}

// umbrellaMine fails where the role of that name is somebody else's.
func (s *snapshot) umbrellaMine(a account) *fault {
	name := s.umbrella(a)
	if s.book != nil && s.book.umbrellas[a] == name || !s.hasRole(name) || s.made(name) {
		return nil
	}
	return faultf(platform.NotOurs, "role %s exists and is not ours: rename or drop it", name)
}

// isUmbrella reports whether a role is one of ours for an account.
func (s *snapshot) isUmbrella(name string) bool {
	return !s.oracle && strings.HasPrefix(name, umbrellaPrefix) && (s.made(name) || s.umbrellaOwner(name) != nil)
}

func (s *snapshot) umbrellaOwner(name string) *account {
	if s.book != nil {
		for a, u := range s.book.umbrellas {
			if u == name {
				return &a
			}
		}
	}
	return nil
}

// holder is what really joins a role for an account: its umbrella on MariaDB,
// itself on MySQL.
func (s *snapshot) holder(a account) account {
	if s.oracle {
		return a
	}
	return s.role(s.umbrella(a))
}

// ways are the accounts and foreign roles that have what a role of ours opens,
// and how: by an umbrella of ours, or directly, which is the empty name.
func (s *snapshot) ways(role string) map[account][]string {
	out := map[account][]string{}
	for _, by := range accounts(s.members[role]) {
		switch {
		case by == s.engine || by == fuseOwner:
		case by == s.role(by.user) && s.isUmbrella(by.user):
			for _, a := range accounts(s.members[by.user]) {
				if a != s.engine {
					out[a] = append(out[a], by.user)
				}
			}
		default:
			out[by] = append(out[by], "")
		}
	}
	return out
}

// booked are the accounts that the books know by a principal in a role.
func (s *snapshot) booked(role, principal string) []account {
	var out []account
	for k, m := range s.book.members {
		if k.role == role && m.principal == principal {
			out = append(out, k.account)
		}
	}
	return sorted(out)
}

// leavers are the accounts that a revocation is about: whoever is in the role
// under that spelling, in fact or by the books, and whoever else it means.
func (s *snapshot) leavers(role, principal string, ways map[account][]string) []account {
	out := s.booked(role, principal)
	for _, a := range accounts(ways) {
		if s.spell(a) == principal || a.String() == principal || len(out) == 0 && a.user == principal {
			out = append(out, a)
		}
	}
	return sorted(out)
}
