package sandbox

import (
	"context"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Releaser = (*Sandbox)(nil)

// Release implements platform.Releaser: it drops the masked views of a table.
// What is open in the clear is no hindrance to its owner, and stays open.
func (s *Sandbox) Release(ctx context.Context, path []string, dry bool) ([]platform.Statement, error) {
	var out []platform.Statement
	release := func(conn *sqlite.Conn) error {
		roles, err := readRoles(conn, s.cfg.Connection, "")
		if err != nil {
			return err
		}
		for _, r := range roles {
			for i, o := range r.role.Objects {
				if !r.ours || !o.Masked() || !slices.Equal(o.Path, path) {
					continue
				}
				st := closeObject(r.role.RoleKey, o, r.tables[i])
				out = append(out, platform.Statement{Text: st.text, Why: "the owner is about to change the table"})
				if dry {
					continue
				}
				if err := st.run(conn); err != nil {
					return fmt.Errorf("run %s: %w", st.text, err)
				}
			}
		}
		return nil
	}
	use := s.write
	if dry {
		use = s.read
	}
	if err := use(ctx, release); err != nil {
		return nil, s.wrap(fmt.Errorf("release %s: %w", relation(path), err))
	}
	return out, nil
}
