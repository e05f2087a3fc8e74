package main

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

// A process that makes a round a minute says what it leaves to people once, and
// again when that changes.
func TestWhatTheModeLeavesIsToldOnce(t *testing.T) {
	leaves := func(people ...string) reconcile.Connection {
		c := reconcile.Connection{Name: "archive", Mode: resource.ModeObserve}
		for _, p := range people {
			c.Untouched = append(c.Untouched, plan.Change{Action: plan.Allow, Reason: plan.ReasonApproved, Grant: &grant.Grant{Principal: p}})
		}
		return c
	}
	told := modeTeller{}
	for i, round := range []struct {
		c    reconcile.Connection
		says int // lines
	}{{leaves(), 0}, {leaves("ann"), 1}, {leaves("ann"), 0}, {leaves("ann", "bob"), 2}, {leaves("ann", "bob"), 0}, {leaves(), 0}, {leaves("ann"), 1}} {
		var b strings.Builder
		told.write(&b, round.c)
		if got := strings.Count(b.String(), "archive: its mode leaves this to people: "); got != round.says {
			t.Errorf("round %d: %d lines, not %d: %s", i, got, round.says, b.String())
		}
	}
}
