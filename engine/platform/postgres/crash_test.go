package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// The story of the crash tests: a first state, and a batch with one change of
// every action that leads to a second one.
func (f *fixture) crashStory() (first, second []plan.Change, roles []*grant.Role, grants []*grant.Grant) {
	old := f.role("old", f.object("people", seen("id"), starred("name")))
	clear, masked := f.clearRole(), f.maskedRole()
	narrowed := f.role("clear", f.object("people", seen("id"), starred("name")))
	longer := member(clear, "bob")
	longer.NotAfter = longer.NotAfter.Add(time.Hour)
	first = []plan.Change{provision(old), provision(clear), allow(old, "ann"), allow(clear, "ann"), allow(clear, "bob")}
	second = []plan.Change{
		revoke(clear, "ann"), retire(old), provision(narrowed), provision(masked),
		{Action: plan.Extend, Reason: plan.ReasonApproved, Grant: longer}, allow(masked, "ann"), allow(masked, "cyd"),
	}
	return first, second, []*grant.Role{narrowed, masked}, []*grant.Grant{longer, member(masked, "ann"), member(masked, "cyd")}
}

// Whichever statement the engine dies at, running the batch again converges.
func TestCrashAtEveryStatementConverges(t *testing.T) {
	died := errors.New("died")
	ways := map[string]func(f *fixture) error{
		"error":     func(*fixture) error { return died },
		"lost line": func(f *fixture) error { return errors.Join(died, f.p.conn.PgConn().Conn().Close()) },
	}
	for name, die := range ways {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "bob", "cyd")
			for at, done := 0, false; !done; at++ {
				first, second, roles, grants := f.crashStory()
				f.p.before = nil
				if at > 0 { // back to the first state, from wherever the last round ended
					f.ok(retire(f.maskedRole()), retire(f.clearRole()), retire(f.role("old")))
				}
				f.ok(first...)
				n := 0
				f.p.before = func(context.Context, string) error {
					n++
					if n == at+1 {
						return die(f)
					}
					return nil
				}
				_, err := f.try(t.Context(), second...)
				done = n <= at
				if done && err != nil {
					t.Fatalf("undisturbed: %v", err)
				}
				_ = f.p.Close()
				f.reopen()
				f.ok(second...)
				if d := f.diff(roles, grants); d != "" {
					t.Fatalf("died at statement %d (-want +got):\n%s", at, d)
				}
				f.noLeftovers()
			}
		})
	}
}

func (f *fixture) noLeftovers() {
	f.t.Helper()
	var ending, views, extra int
	err := f.admin.QueryRow(f.t.Context(), `SELECT (SELECT count(*) FROM assent.member WHERE ending),
		(SELECT count(*) FROM pg_class WHERE relkind = 'v' AND relowner = 'assent_views'::regrole),
		(SELECT count(*) FROM pg_namespace WHERE nspname = 'assent_old')`).Scan(&ending, &views, &extra)
	if err != nil || ending != 0 || views != 2 || extra != 0 {
		f.t.Fatalf("left over: %d ending, %d views, %d schemas, %v", ending, views, extra, err)
	}
}

// fingerprint changes with every write to a catalog or book that we use.
func (f *fixture) fingerprint() string {
	f.t.Helper()
	var parts []string
	for _, table := range []string{
		"pg_class", "pg_attribute", "pg_authid", "pg_auth_members", "pg_namespace", "pg_shdescription", "pg_description",
		"assent.meta", "assent.role", "assent.view", "assent.member", "assent.salt",
	} {
		var part string
		if err := f.admin.QueryRow(f.t.Context(), "SELECT coalesce(md5(string_agg(x.xmin::text || x.ctid::text, ',' ORDER BY x.ctid)), '') FROM "+
			table+" x").Scan(&part); err != nil {
			f.t.Fatal(err)
		}
		parts = append(parts, table+" "+part)
	}
	return strings.Join(parts, "\n")
}

// Applying what is so already writes nothing and says "done".
func TestSecondApplyWritesNothing(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	clear, masked := f.clearRole(), f.maskedRole()
	batch := []plan.Change{
		provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "bob"), revoke(clear, "bob"), retire(f.role("never")),
	}
	f.apply(batch...)
	mark := platform.Mark{Seq: f.seq, Digest: f.observe().Mark.Digest}
	before := f.fingerprint()
	out, err := f.p.Apply(t.Context(), platform.Batch{Changes: batch, Mark: mark})
	if err != nil {
		t.Fatal(err)
	}
	f.want(out, "done", "done", "done", "done", "done", "done")
	if d := cmp.Diff(before, f.fingerprint()); d != "" {
		t.Errorf("the second apply wrote:\n%s", d)
	}
}

// Preview shows what Apply runs, to the letter and in order, and runs none of it.
func TestPreviewIsWhatApplyRuns(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob", "cyd")
	first, second, _, _ := f.crashStory()
	for i, batch := range [][]plan.Change{first, second} {
		shown, err := f.p.Preview(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			var made bool
			err := f.admin.QueryRow(t.Context(), `SELECT to_regnamespace('assent') IS NOT NULL`).Scan(&made)
			if err != nil || made {
				t.Fatalf("the preview wrote: %v", err)
			}
		}
		var want, ran []string
		for _, s := range shown {
			want = append(want, s.Text)
			if s.Why == "" {
				t.Errorf("%s: no reason given", s.Text)
			}
		}
		f.p.before = func(_ context.Context, sql string) error {
			if sql != "BEGIN" && sql != "COMMIT" && !strings.HasPrefix(sql, "UPDATE assent.meta SET mark_seq") {
				ran = append(ran, sql)
			}
			return nil
		}
		f.ok(batch...)
		if d := cmp.Diff(want, ran); d != "" {
			t.Errorf("batch %d: preview and apply differ (-preview +apply):\n%s", i, d)
		}
	}
}

// An engine that was thought dead and comes back cannot write any more.
func TestFenceStopsAnEngineThatWasTakenOver(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear := f.clearRole()
	f.ok(provision(clear))
	begun := 0
	f.p.before = func(ctx context.Context, sql string) error {
		if sql != "BEGIN" {
			return nil
		}
		if begun++; begun != 2 { // after the mark, before the grant
			return nil
		}
		_, err := f.admin.Exec(ctx, `UPDATE assent.meta SET epoch = epoch + 100`)
		return err
	}
	out, err := f.try(t.Context(), allow(clear, "ann"))
	if platform.CodeOf(err) != platform.Busy {
		t.Fatalf("want busy, got %v, %v", err, statuses(out))
	}
	f.p.before = nil
	f.refused("ann", "shop.people", "id")
	f.ok(allow(clear, "ann"))
}

// A table that somebody is altering holds the change up, or fails it as busy;
// once the other is done, the change goes through.
func TestConcurrentAlterTable(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	clear, masked := f.clearRole(), f.maskedRole()
	tx, err := f.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `ALTER TABLE shop.people ADD COLUMN extra text`); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(700*time.Millisecond, func() { _ = tx.Commit(context.Background()) })
	defer timer.Stop()
	f.ok(provision(clear), provision(masked), allow(clear, "ann"))
	if rows := f.reads("ann", clear, "id", "name"); len(rows) != 2 {
		t.Fatalf("ann reads %v", rows)
	}
	f.refused("ann", "shop.people", "extra")
}

// A batch that is cut off by its context leaves nothing half done.
func TestCanceledApplyConverges(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob", "cyd")
	first, second, roles, grants := f.crashStory()
	f.ok(first...)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	f.p.before = func(context.Context, string) error {
		if n++; n == 9 {
			cancel()
		}
		return nil
	}
	out, err := f.try(ctx, second...)
	if err == nil || len(out) != len(second) {
		t.Fatalf("canceled: %d outcomes, %v", len(out), err)
	}
	for _, o := range out {
		if o.Status == platform.Applied || o.Status == platform.Done {
			t.Errorf("%s says %s without a read-back", o.Change.Action, o.Status)
		}
	}
	f.p.before = nil
	f.ok(second...)
	if d := f.diff(roles, grants); d != "" {
		t.Fatal(d)
	}
}
