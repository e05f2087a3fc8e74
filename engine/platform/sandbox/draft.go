package sandbox

import (
	"context"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var _ platform.Drafter = (*Sandbox)(nil)

// Draft implements platform.Drafter: the statements of Preview on a sandbox in
// memory that holds the tables and accounts of the draft, and no rows.
func (*Sandbox) Draft(ctx context.Context, d platform.Draft) ([]platform.Statement, error) {
	s := &Sandbox{cfg: Config{Connection: d.Connection}}
	conn, err := dial(":memory:", sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenMemory)
	if err != nil {
		return nil, s.wrap(fmt.Errorf("draft changes: %w", err))
	}
	s.conn = conn
	defer func() { _ = s.Close() }()
	if err := s.write(ctx, initialise); err != nil {
		return nil, s.wrap(fmt.Errorf("draft changes: %w", err))
	}
	var out []platform.Statement
	for _, src := range d.Sources {
		columns := make([]resource.Column, len(src.Columns))
		for i, c := range src.Columns {
			columns[i] = resource.Column{Name: c.Name} // no mask here depends on a type
		}
		if err := s.CreateTable(ctx, src.Path, columns, nil); err != nil {
			out = append(out, platform.Remark(strings.Join(src.Path, ".")+" has no statement here: "+err.Error(), err.Error()))
		}
	}
	made := map[string]bool{}
	for _, name := range d.Principals() {
		if made[name] {
			continue
		}
		made[name] = true
		if err := s.CreateAccount(ctx, name); err != nil {
			out = append(out, platform.Remark(name+" is not let in: "+err.Error(), err.Error()))
		}
	}
	if _, err := s.Apply(ctx, platform.Batch{Changes: d.Held()}); err != nil {
		return nil, err
	}
	statements, err := s.Preview(ctx, d.Changes)
	return append(out, statements...), err
}
