package mysql

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

// Whichever statement the engine dies at, running the batch again converges:
// from the first statement ever, which makes the books, and from a first state.
func TestCrashAtEveryStatementConverges(t *testing.T) {
	died := errors.New("died")
	for name, fresh := range map[string]bool{"from nothing": true, "from a first state": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "bob", "cyd")
			first, second, roles, grants := f.crashStory()
			if fresh {
				second = []plan.Change{second[2], second[3], {Action: plan.Allow, Grant: grants[0]}, second[5], second[6]}
			}
			for at, done := 0, false; !done; at++ {
				f.p.before = nil
				switch {
				case fresh && at > 0:
					f.forgetAll()
				case !fresh:
					if at > 0 { // back to the first state, from wherever the last round ended
						f.ok(retire(f.maskedRole()), retire(f.clearRole()), retire(f.role("old")))
					}
					f.ok(first...)
				}
				n := 0
				f.p.before = func(context.Context, string) error {
					n++
					if n == at+1 {
						f.p.drop()
						return died
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

// forgetAll brings the server back to where no engine was yet.
func (f *fixture) forgetAll() {
	f.t.Helper()
	_ = f.p.Close()
	f.place = newPlace(f.t)
	f.reopen()
	f.people("ann", "bob", "cyd")
}

func (f *fixture) noLeftovers() {
	f.t.Helper()
	got := f.ask(`SELECT (SELECT COUNT(*) FROM assent.members WHERE ending), (SELECT COUNT(*) FROM assent.members),
		(SELECT COUNT(*) FROM assent.roles WHERE NOT settled), (SELECT COUNT(*) FROM assent.umbrellas),
		(SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA LIKE 'assent%'), (SELECT COUNT(*) FROM assent.views),
		(SELECT COUNT(*) FROM information_schema.EVENTS), (SELECT COUNT(*) FROM mysql.user WHERE is_role = 'Y' AND User LIKE 'assent%'),
		(SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'assent%'), (SELECT COUNT(*) FROM assent.homes)`)
	want := [][]string{{"0", "3", "0", "3", "2", "2", "3", "5", "3", "2"}}
	if d := cmp.Diff(want, got); d != "" {
		f.t.Fatalf("left over (-want +got):\n%s", d)
	}
}

// fingerprint is everything that we write.
func (f *fixture) fingerprint() string {
	f.t.Helper()
	var out strings.Builder
	for _, q := range []string{
		"SELECT * FROM mysql.roles_mapping ORDER BY 1, 2, 3", "SELECT * FROM mysql.columns_priv ORDER BY 1, 2, 3, 4, 5", "SELECT * FROM mysql.tables_priv ORDER BY 1, 2, 3, 4",
		"SELECT * FROM mysql.global_priv ORDER BY 1, 2", "SELECT * FROM assent.roles ORDER BY 1", "SELECT * FROM assent.members ORDER BY 1, 2, 3",
		"SELECT * FROM assent.views ORDER BY 1, 2", "SELECT * FROM assent.umbrellas ORDER BY 1, 2", "SELECT * FROM assent.meta", "SELECT * FROM assent.salt",
		"SELECT EVENT_NAME, EXECUTE_AT, LAST_ALTERED FROM information_schema.EVENTS ORDER BY 1",
		"SELECT TABLE_SCHEMA, TABLE_NAME, CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE 'assent%' ORDER BY 1, 2",
	} {
		for _, row := range f.ask(q) {
			out.WriteString(strings.Join(row, " | ") + "\n")
		}
	}
	return out.String()
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
		if made := f.ask("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'assent'"); i == 0 && made[0][0] != "0" {
			t.Fatal("the preview wrote")
		}
		var want, ran []string
		for _, s := range shown {
			want = append(want, s.Text)
			if s.Why == "" {
				t.Errorf("%s: no reason given", s.Text)
			}
		}
		f.p.before = func(_ context.Context, sql string) error {
			if !strings.HasPrefix(sql, "UPDATE assent.meta SET mark_seq") {
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
	f.p.before = func(ctx context.Context, sql string) error {
		if strings.HasPrefix(sql, "UPDATE assent.meta SET mark_seq") { // after the mark, before the grant
			f.must("UPDATE assent.meta SET epoch = epoch + 100")
		}
		return nil
	}
	out, err := f.try(t.Context(), allow(clear, "ann"))
	if platform.CodeOf(err) != platform.Busy {
		t.Fatalf("want busy, got %v, %v", err, statuses(out))
	}
	f.p.before = nil
	f.refused("ann", "shop.people", "id")
	f.ok(allow(clear, "ann"))
}

// A batch that is cut off by its context believes nothing, and converges later.
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
