package postgres

import (
	"cmp"
	"slices"

	"github.com/assent-dev/assent/engine/platform"
)

// foreign is every privilege on a table that the engine did not give, and
// every way into the owner of the views, but for what owners hold anyway.
func (s *snapshot) foreign() []platform.Foreign {
	var out []platform.Foreign
	for _, at := range s.ordered {
		for _, a := range at.acl {
			if a.ours && s.ourGrantee(a.grantee) {
				continue
			}
			out = append(out, platform.Foreign{
				Principal: a.grantee, Path: []string{s.database, at.schema, at.name}, Privilege: a.priv, Columns: a.columns,
				Grantable: a.grantable, Grantor: a.grantor,
			})
		}
	}
	for _, name := range keys(s.roles) {
		_, ours := s.owned(name)
		if !ours && name != viewsRole {
			continue
		}
		for _, m := range s.roles[name].members {
			if ours && !m.privileged && !m.grantorOK && m.account != s.engine {
				out = append(out, platform.Foreign{
					Principal: m.account, Path: []string{s.database}, Privilege: "MEMBER OF " + name, Grantor: m.grantor,
				})
			}
		}
		for _, of := range s.roles[name].joined {
			out = append(out, platform.Foreign{Principal: name, Path: []string{s.database}, Privilege: "MEMBER OF " + of})
		}
	}
	if v := s.roles[viewsRole]; v != nil {
		for _, m := range v.members {
			if m.account != s.engine {
				out = append(out, platform.Foreign{
					Principal: m.account, Path: []string{s.database}, Privilege: "MEMBER OF " + viewsRole, Grantor: m.grantor,
				})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b platform.Foreign) int {
		return cmp.Or(slices.Compare(a.Path, b.Path), cmp.Compare(a.Principal, b.Principal),
			cmp.Compare(a.Privilege, b.Privilege), slices.Compare(a.Columns, b.Columns), cmp.Compare(a.Grantor, b.Grantor))
	})
	return out
}

func (s *snapshot) ourGrantee(name string) bool {
	_, ok := s.owned(name)
	return ok || name == viewsRole
}
