package sandbox

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Effective implements platform.Inspector. A sandbox has roles of ours and
// privileges that the owner gave to accounts, and nothing else.
func (s *Sandbox) Effective(ctx context.Context, q platform.Question) (platform.Effective, error) {
	var out platform.Effective
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		roles, err := readRoles(conn, s.cfg.Connection, "")
		if err != nil {
			return err
		}
		byName := map[string]*role{}
		for _, r := range roles {
			byName[r.name] = r
		}
		err = readMembers(conn, "", q.Principal, func(name string, g grant.Grant) error {
			if r := byName[name]; r != nil {
				out.Access = append(out.Access, r.effective(q, g.Principal)...)
			}
			return nil
		})
		if err != nil {
			return err
		}
		foreign, err := readForeign(conn, q.Principal)
		for _, f := range foreign {
			if q.Below(f.Path) {
				out.Access = append(out.Access, platform.Access{
					Principal: f.Principal, Path: f.Path, Privileges: []string{f.Privilege}, Origin: platform.ByOthers, Grantor: f.Grantor,
				})
			}
		}
		return err
	})
	if err != nil {
		return platform.Effective{}, s.wrap(fmt.Errorf("read access: %w", err))
	}
	out.Sort()
	return out, nil
}

// effective is what a member of the role has.
func (r *role) effective(q platform.Question, account string) []platform.Access {
	origin := platform.ByOthers
	if r.ours {
		origin = platform.ByUs
	}
	var out []platform.Access
	for _, o := range r.role.Objects {
		if !q.Below(o.Path) {
			continue
		}
		a := platform.Access{Principal: account, Path: o.Path, Privileges: []string{"SELECT"}, Origin: origin, Via: []string{r.name}}
		if r.role.Access == resource.Write && r.role.Writes(o) {
			a.Privileges = []string{"DELETE", "INSERT", "SELECT", "UPDATE"}
		}
		for _, c := range o.Columns {
			a.Columns = append(a.Columns, c.Name)
			if c.Mask != nil {
				a.Masked = append(a.Masked, c.Name)
			}
		}
		out = append(out, a)
	}
	return out
}
