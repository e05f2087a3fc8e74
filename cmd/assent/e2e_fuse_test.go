package main

import (
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/platform/mysql"
)

// TestFuseEndsAccessWithTheEngineDead: nobody runs Assent when an access ends.
// The server ends it to the second, by the event that was set before the access
// was given; a statement that runs already goes on, until the next round finds
// the session, ends it, and writes down that the access is over.
func TestFuseEndsAccessWithTheEngineDead(t *testing.T) {
	s := startMySQL(t)
	s.exec("CREATE DATABASE shop; CREATE TABLE shop.fine (id INT); INSERT INTO shop.fine VALUES (1)")
	s.setUp("LAKE_RIGHT", "shop")
	c := newCrowd(t, nil)
	person := c.people[0]
	if err := s.admin.CreateLogin(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	files := lakeProduct("", "fine", "shop", "fine", "id")
	files["connections/lake.yaml"], files["domains/lake.yaml"] = myLake(s.Port(), "tls: disable", "env://LAKE_RIGHT"), lakeDomain
	c.pushAll(files)

	// The access was decided for a minute, most of which is over.
	c.clock = time.Now().UTC().Add(-70 * time.Second)
	c.ask("fine", "1min", c.people[:1])
	end := time.Now().UTC().Truncate(time.Second).Add(15 * time.Second)
	c.clock = end.Add(-time.Minute)
	c.determine()
	holds(t, c.ok("reconcile", "--once"), "+ grant assent_fine_read to "+person+" until ")
	reads := func() bool {
		_, err := s.admin.Query(t.Context(), person, "SELECT id FROM shop.fine")
		if err != nil && !mysql.Denied(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !reads() || time.Now().After(end) {
		t.Fatalf("%s does not read before the end, or it came too soon", person)
	}
	running := make(chan error, 1)
	go func() {
		_, err := s.admin.Query(t.Context(), person, "SELECT id, SLEEP(600) FROM shop.fine")
		running <- err
	}()

	time.Sleep(time.Until(end.Add(-time.Second)))
	if !reads() {
		t.Error("the access ended too soon")
	}
	for reads() {
		if time.Now().After(end.Add(5 * time.Second)) {
			t.Fatal("the access has not ended")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if now := time.Now(); now.Before(end) {
		t.Errorf("the access ended at %s, %s too soon", now, end.Sub(now))
	}
	select {
	case err := <-running:
		t.Errorf("a statement that ran already has ended: %v", err)
	default:
	}
	holds(t, c.ok("status", "--all"), "expired", "applied on lake")

	holds(t, c.ok("reconcile", "--once"), "- revoke assent_fine_read from "+person+" (expired) [done]")
	select {
	case err := <-running:
		if err == nil {
			t.Error("the statement came to its end")
		}
	case <-time.After(5 * time.Second):
		t.Error("the session goes on")
	}
	holds(t, c.ok("explain", person+"-fine"), "**expired**", "revoked: `"+person+"` in `assent_fine_read` on `lake` (record ")
	holds(t, c.ok("reconcile", "--once"), "nothing to change")
	holds(t, c.ok("audit", "verify"), "ledger holds")
	made := records(t, c.dir)
	last := made[len(made)-1]
	if last.Type != "revoked" || last.Body.Principal != person || last.Body.Reason != "expired" {
		t.Errorf("the last record is %+v", last)
	}
}
