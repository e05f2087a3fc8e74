package mysql

import (
	"cmp"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
)

// foreign is every privilege on data that somebody else gave, and what others
// put into the roles of ours that are active for an account. Privileges on whole
// databases have a path of one part, those on everything the part "*".
func (s *snapshot) foreign() []platform.Foreign {
	var out []platform.Foreign
	for _, a := range s.rights {
		if s.oursToHold(a.grantee) || s.builtIn(a) {
			continue
		}
		path := []string{"*"}
		switch {
		case a.at.name != "":
			path = a.at.path()
		case a.raw != "":
			path = []string{a.at.database}
		}
		out = append(out, platform.Foreign{
			Principal: s.spell(a.grantee), Path: path, Privilege: a.priv, Columns: a.columns, Grantable: a.pass, Grantor: a.grantor,
		})
	}
	if s.book == nil {
		return out
	}
	for _, who := range accounts(s.book.umbrellas) {
		u := s.book.umbrellas[who]
		for _, of := range keys(s.joined[s.role(u)]) {
			if _, ours := s.book.roles[of]; !ours {
				out = append(out, platform.Foreign{Principal: s.spell(who), Path: []string{"*"}, Privilege: "MEMBER OF " + of})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b platform.Foreign) int {
		return cmp.Or(slices.Compare(a.Path, b.Path), cmp.Compare(a.Principal, b.Principal),
			cmp.Compare(a.Privilege, b.Privilege), cmp.Compare(a.Grantor, b.Grantor))
	})
	return out
}

// oursToHold reports whether what an account holds is our own doing, and is
// judged with the role: that of product roles and of our own accounts.
func (s *snapshot) oursToHold(a account) bool {
	if a == s.engine || a == viewsOwner || a == fuseOwner {
		return true
	}
	if s.book == nil || a != s.role(a.user) {
		return false
	}
	_, ours := s.book.roles[a.user]
	return ours
}

// builtIn reports whether a privilege is one that the server itself comes with.
func (s *snapshot) builtIn(a access) bool {
	return a.grantee.user == "mariadb.sys" || strings.HasPrefix(a.grantee.user, "mysql.") ||
		a.at.database == "mysql" || a.at.database == bookDatabase || a.at.database == "sys" || a.at.database == "performance_schema"
}

// residual is the first of the relations that the account can still read, by a
// privilege that is not one of our roles': its own, that of a role it can take
// on, or everybody's. Empty if there is none.
func (s *snapshot) residual(who account, rels []relName) string {
	holders := s.reach(who)
	for _, at := range rels {
		for _, a := range s.rights {
			if a.priv != "SELECT" || !holders(a.grantee) || s.oursToHold(a.grantee) {
				continue
			}
			if a.raw == "" && a.at.database == "" || a.at.name == "" && covers(a.raw, at.database) || a.at == at {
				return dotted(at.path())
			}
		}
	}
	return ""
}

// reach reports for a grantee whether what it holds counts for an account. The
// server matches privileges by user name and host pattern, not by account: a row
// of another host counts where that is a pattern.
func (s *snapshot) reach(who account) func(account) bool { return s.counts(who, keys(s.joined[who])) }

// counts is reach with these roles alone, and those that they are in.
func (s *snapshot) counts(who account, active []string) func(account) bool {
	roles := map[string]bool{publicRole: true}
	var walk func(a account)
	walk = func(a account) {
		for of := range s.joined[a] {
			if !roles[of] {
				roles[of] = true
				walk(s.role(of))
			}
		}
	}
	for _, of := range active {
		roles[of] = true
		walk(s.role(of))
	}
	walk(s.role(publicRole))
	return func(g account) bool {
		if g == s.role(g.user) && (s.logins[g] != nil && s.logins[g].role || s.oracle && roles[g.user]) {
			return roles[g.user]
		}
		return (g.user == who.user || g.user == "") && (g.host == who.host || g.host == "" || strings.ContainsAny(g.host, "%_/"))
	}
}
