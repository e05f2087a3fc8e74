package sandbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// Preview implements platform.Platform.
func (s *Sandbox) Preview(ctx context.Context, changes []plan.Change) ([]platform.Statement, error) {
	var out []platform.Statement
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		b := newBuilder(conn, s.cfg.Connection)
		for _, c := range changes {
			statements, _, err := b.build(c)
			if err != nil {
				return err
			}
			for _, st := range statements {
				out = append(out, platform.Statement{Text: st.text, Why: st.why})
			}
		}
		return nil
	})
	if err != nil {
		return nil, s.wrap(fmt.Errorf("preview changes: %w", err))
	}
	return out, nil
}

// Apply implements platform.Platform. Each change is one transaction, which
// also writes the mark. An error of the file ends the batch: what is left of
// it has failed, and comes again in the next round.
func (s *Sandbox) Apply(ctx context.Context, batch platform.Batch) ([]platform.Outcome, error) {
	out := make([]platform.Outcome, len(batch.Changes))
	takes := takesAway(batch.Changes)
	closedRoles := map[string]verdict{}
	if len(batch.Changes) == 0 {
		return out, s.wrap(s.write(ctx, func(conn *sqlite.Conn) error {
			_, err := advance(conn, batch.Mark, takes)
			return err
		}))
	}
	var whole error
	for i, c := range batch.Changes {
		name := c.RoleKey().RoleName()
		if whole != nil {
			out[i] = unreached(c, whole)
			continue
		}
		if v, refused := closedRoles[name]; refused && (c.Action == plan.Allow || c.Action == plan.Extend) {
			out[i] = outcome(c, failed(v.code, "the role was not provisioned: %s", v.detail))
			continue
		}
		v, err := s.change(ctx, c, batch.Mark, takes)
		if err != nil {
			whole = s.wrap(fmt.Errorf("apply %s of %s: %w", c.Action, name, err))
			out[i] = unreached(c, whole)
			continue
		}
		if v.status == platform.Failed && c.Action == plan.Provision {
			closedRoles[name] = v
		}
		out[i] = outcome(c, v)
	}
	return out, whole
}

func outcome(c plan.Change, v verdict) platform.Outcome {
	return platform.Outcome{Change: c, Status: v.status, Code: v.code, Detail: v.detail}
}

func unreached(c plan.Change, err error) platform.Outcome {
	return outcome(c, failed(platform.CodeOf(err), "the sandbox could not be written; it is tried again in the next round"))
}

// takesAway reports whether every change takes access away.
func takesAway(changes []plan.Change) bool {
	return !slices.ContainsFunc(changes, func(c plan.Change) bool { return c.Action != plan.Revoke && c.Action != plan.Retire })
}

// advance moves the mark forward. behind is set where it would go backwards.
func advance(conn *sqlite.Conn, to platform.Mark, takes bool) (behind bool, err error) {
	held, err := readMark(conn)
	switch {
	case err != nil:
		return false, err
	case to.Seq < held.Seq:
		return !takes, nil
	case to == held:
		return false, nil
	default:
		return false, writeMark(conn, to)
	}
}

// change carries out one change and reads it back.
func (s *Sandbox) change(ctx context.Context, c plan.Change, mark platform.Mark, takes bool) (verdict, error) {
	var v verdict
	var want *builder
	err := s.write(ctx, func(conn *sqlite.Conn) error {
		behind, err := advance(conn, mark, takes)
		if err != nil {
			return err
		}
		if behind {
			v = failed(platform.Behind, "the platform has seen a later position of the ledger; find out who restored an older one")
			return nil
		}
		want = newBuilder(conn, s.cfg.Connection)
		statements, verdict, err := want.build(c)
		if err != nil {
			return err
		}
		v = verdict
		for _, st := range statements {
			if err := st.run(conn); err != nil {
				return fmt.Errorf("run %s: %w", st.text, err)
			}
			if s.afterStatement != nil {
				if err := s.afterStatement(st.text); err != nil {
					return err
				}
			}
		}
		if v.status == "" {
			v.status = platform.Done
			if len(statements) > 0 {
				v.status = platform.Applied
			}
		}
		return nil
	})
	if err != nil || v.status == platform.Failed {
		return v, err
	}
	return s.readBack(ctx, c, want, v)
}

// readBack compares the file with what the statements were to lead to.
func (s *Sandbox) readBack(ctx context.Context, c plan.Change, want *builder, v verdict) (verdict, error) {
	same := true
	err := s.read(ctx, func(conn *sqlite.Conn) error {
		got := newBuilder(conn, s.cfg.Connection)
		for name, w := range want.roles {
			g, err := got.role(name)
			if err != nil {
				return err
			}
			same = same && sameRole(w, g)
		}
		for m, w := range want.members {
			g, err := got.member(m)
			if err != nil {
				return err
			}
			same = same && sameMember(w, g)
		}
		return nil
	})
	if err != nil {
		return v, err
	}
	if !same {
		return failed(platform.NotReadBack, "%s was written but reads back differently; another writer changed it meanwhile", c.Action), nil
	}
	return v, nil
}

func sameRole(w, g *role) bool {
	if w == nil || g == nil {
		return w == nil && g == nil
	}
	return w.ours == g.ours && cmp.Equal(w.role, g.role, cmpopts.EquateEmpty()) && slices.Equal(w.tables, g.tables)
}

func sameMember(w, g *grant.Grant) bool {
	if w == nil || g == nil {
		return w == nil && g == nil
	}
	return w.NotAfter.Equal(g.NotAfter) && slices.Equal(w.Requests, g.Requests)
}
