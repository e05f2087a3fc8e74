package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/plan"
)

// A job that fails, and an access that outlives its timer, are findings; the
// engine ends the access itself, and then there are none.
func TestTimersThatDidNotEndAccess(t *testing.T) {
	if testing.Short() {
		t.Skip("a real job is waited for: it takes a minute")
	}
	f := newFixtureOn(t, cronServer(t))
	mustExec(t, f.admin, "CREATE EXTENSION pg_cron")
	f.letUseCron()
	f.people("ann", "bob")
	r := f.clearRole()
	end := time.Now().UTC().Truncate(time.Second).Add(2 * time.Second)
	f.ok(provision(r), until(allow(r, "ann"), plan.Allow, end), allow(r, "bob"))
	late := func() []string {
		return slices.DeleteFunc(f.findings(), func(code string) bool { return !strings.HasPrefix(code, "timer-") })
	}
	if got := late(); len(got) != 0 {
		t.Fatalf("before its time: %v", got)
	}
	// The job cannot do what it should: somebody took its role's name away.
	mustExec(t, f.admin, "ALTER ROLE assent_clear_read RENAME TO mislaid")
	for !slices.Contains(late(), "timer-failed") {
		if time.Now().After(end.Add(100 * time.Second)) {
			t.Fatalf("no finding of a job that fails: %v", late())
		}
		time.Sleep(time.Second)
	}
	found, err := f.p.SelfAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text := found[len(found)-1].Text; !strings.HasSuffix(text, `1 of our jobs failed, the last with: ERROR: role "assent_clear_read" does not exist`) {
		t.Errorf("it says: %s", text)
	}
	mustExec(t, f.admin, "ALTER ROLE mislaid RENAME TO assent_clear_read", "UPDATE assent.member SET not_after = now() - interval '1 hour' WHERE account = 'ann'")
	if got := late(); !slices.Equal(got, []string{"timer-failed", "timer-missed"}) {
		t.Errorf("an hour later: %v", got)
	}
	f.reads("ann", r, "id")
	f.ok(revoke(r, "ann"))
	f.refused("ann", f.p.Address(r.RoleKey, r.Objects[0]), "id")
	f.reads("bob", r, "id")
	if got := late(); len(got) != 0 {
		t.Errorf("once the engine ended it: %v", got)
	}
}
