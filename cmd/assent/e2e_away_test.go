package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// An expiry does not wait for a forge that is away, not even in a process that
// was started after it went.
func TestReconcileEndsAccessWhileTheForgeIsAway(t *testing.T) {
	ends := time.Now().Add(20 * time.Second).Truncate(time.Second)
	w := newServeWorld(t, ends.AddDate(0, 0, -demoDays).Add(-time.Minute))
	w.asksFor()
	if _, err := w.determineAll(t.Context()); err != nil { // it sees the head
		t.Fatal(err)
	}
	for who, until := range map[string]resource.Duration{"kim": "", "lea": demoDuration()} {
		if got, err := w.demoScript.review(t.Context(), who, until, "fine"); err != nil || got != "counts" {
			t.Fatalf("%s: %s %v", who, got, err)
		}
	}
	w.hub.Wait(ends.AddDate(0, 0, -demoDays))
	results, err := w.determineAll(t.Context())
	if err != nil || results[0].Merged == "" {
		t.Fatalf("%+v %v", results, err)
	}
	until := results[0].Judgement.Determinations[0].Until
	c := &commandOf{w, w.repoDir, w.env()}
	if out, err := c.run("reconcile", "--once"); err != nil || !w.reads() {
		t.Fatalf("Ana does not read: %v\n%s", err, out)
	}
	w.hub.Close()
	time.Sleep(time.Until(until))
	out, err := c.run("reconcile", "--once")
	if w.reads() {
		t.Errorf("Ana reads after the end: %v\n%s", err, out)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != int(exitPartial) || !strings.Contains(out, "the forge cannot be reached") || !strings.Contains(out, "(expired)") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("\n%s", out)
}
