package mysql

import (
	"context"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
)

// Survey implements platform.Surveyor. It tells who is in the roles of others.
// Privileges on a database or on everything are foreign access already, so that
// nothing stands beside them.
func (m *MySQL) Survey(ctx context.Context) (platform.Survey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.read(ctx, wantedBy(nil))
	if err != nil {
		return platform.Survey{}, err
	}
	out := platform.Survey{Members: map[string][]string{}, Standing: []platform.Standing{}}
	for a, l := range s.logins {
		if l.role && !s.isUmbrella(a.user) && !s.oursToHold(a) {
			out.Members[s.spell(a)] = s.accountsIn(a.user)
		}
	}
	for name := range s.members { // on MySQL any account may be a role
		a := s.role(name)
		if l := s.logins[a]; l != nil && !l.role && !s.isUmbrella(name) && !s.oursToHold(a) {
			out.Members[s.spell(a)] = append([]string{s.spell(a)}, s.accountsIn(name)...)
		}
	}
	return out, nil
}

// accountsIn are the accounts in a role, also through other roles.
func (s *snapshot) accountsIn(role string) []string {
	var out []string
	seen := map[string]bool{role: true}
	for queue := []string{role}; len(queue) > 0; queue = queue[1:] {
		for _, a := range accounts(s.members[queue[0]]) {
			l := s.logins[a]
			switch {
			case l == nil || a == s.engine:
			case l.role && !seen[a.user]:
				seen[a.user] = true
				queue = append(queue, a.user)
			case !l.role:
				out = append(out, s.spell(a))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Undo implements platform.Advisor. A principal without a host is a role, or an
// account of one name alone: the server takes both without a host, the latter as
// one of any host, so that the statement may have to name the host.
func (m *MySQL) Undo(f platform.Foreign) string {
	from := literal(f.Principal)
	if i := strings.LastIndex(f.Principal, "@"); i > 0 {
		from = literal(f.Principal[:i]) + "@" + literal(f.Principal[i+1:])
	}
	if role, ok := strings.CutPrefix(f.Privilege, "MEMBER OF "); ok {
		return "REVOKE " + literal(role) + " FROM " + from
	}
	if len(f.Path) != 2 {
		return ""
	}
	privilege := f.Privilege
	if len(f.Columns) > 0 {
		privilege += " (" + idents(f.Columns) + ")"
	}
	return "REVOKE " + privilege + " ON TABLE " + ident(f.Path...) + " FROM " + from
}

var (
	_ platform.Surveyor = (*MySQL)(nil)
	_ platform.Advisor  = (*MySQL)(nil)
)
