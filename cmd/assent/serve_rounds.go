package main

import (
	"errors"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	edge "github.com/assent-dev/assent/engine/server"
)

// roundLog tells of the rounds of the reconciler.
type roundLog struct {
	*serving
	first bool   // a round was made
	last  string // what was left undone, as it was last told
	told  time.Time
}

// repeat is how long the same trouble is not told of again.
const repeat = 5 * time.Minute

// made hears of a round.
func (l *roundLog) made(rep reconcile.Report, err error) {
	round := edge.Round{Settled: err == nil && rep.Settled(), Err: err, Late: rep.Late(), Changes: map[[2]string]int{}, Took: rep.Took}
	trouble := ""
	note := func(text string) { trouble += text + "\n" }
	if err != nil {
		note("the round failed: " + err.Error())
	}
	if rep.Frozen != "" {
		note("frozen: only due expiries are carried out: " + rep.Frozen)
	}
	if rep.Stale != "" {
		note("main may have moved on: " + rep.Stale)
	}
	for _, c := range rep.Connections {
		l.connection(c, &round, note)
	}
	l.metrics.Round(round)
	l.health.Tell("rounds", err)
	var frozen error
	if rep.Frozen != "" {
		frozen = errors.New(rep.Frozen)
	}
	if !l.determines() {
		l.health.Tell("ledger", errors.Join(err, frozen))
	}
	if late := rep.Late(); late > 0 {
		l.log.Error("LATE: access that is over still stands", "for", late.String())
	}
	switch {
	case trouble != "" && (trouble != l.last || time.Since(l.told) > repeat):
		l.log.Warn("a round left something undone; it is tried again", "trouble", trouble)
		l.told = time.Now()
	case trouble == "" && l.last != "":
		l.log.Info("what was left undone is done")
	}
	busy := slices.ContainsFunc(rep.Connections, func(c reconcile.Connection) bool { return c.Busy })
	if !l.first && trouble == "" && !busy {
		l.log.Info("the first round ended well", "connections", len(rep.Connections), "changes", rep.Changes(), "took", rep.Took.Round(time.Millisecond).String())
	}
	l.first, l.last = l.first || !busy, trouble
}

// connection tells of one connection.
func (l *roundLog) connection(c reconcile.Connection, round *edge.Round, note func(string)) {
	name := string(c.Name)
	undone := false
	for _, s := range c.Steps {
		round.Changes[[2]string{string(s.Action), string(s.Status)}]++
		ended := s.Status == platform.Applied || s.Status == platform.Done
		if s.Action == plan.Revoke && s.LateSeconds > 0 && !ended {
			round.LateSteps++
		}
		if !ended {
			undone = true
			note(name + ": " + changeText(s.Change) + ": " + string(s.Status) + " " + string(s.Code) + " " + s.Detail)
			continue
		}
		if s.Status == platform.Applied {
			l.log.Info("changed", "connection", name, "action", s.Action, "change", changeText(s.Change))
		}
	}
	if c.Unknown != "" && !c.Idle() {
		undone = true
		note(name + ": " + c.Unknown + "; " + c.Hint)
	}
	if c.Held != nil {
		undone = true
		note(name + ": held: " + c.Held.Error() + "; look at it, then `assent confirm " + c.Held.Digest + " --reason …`")
	}
	if undone {
		round.Unsettled++
	}
}
