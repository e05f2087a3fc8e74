package local

import (
	"context"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

func TestTheOpenedBaseIsTheFirstThatTheEngineSigned(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, true)
	pr := w.open("one")
	if got := w.observe("one").OpenedBase; got != "" {
		t.Errorf("before the engine saw it: %s", got)
	}
	first := w.observe("one").Base
	publish := func(reason string) {
		t.Helper()
		j := review.Judgement{Outcome: review.Pending, Reason: reason}
		if err := w.forge().Publish(ctx, "one", forge.Report{Head: pr.Head, Judgement: j}); err != nil {
			t.Fatal(err)
		}
	}
	publish("waits")
	w.direct(gitdb.OID(first), map[string]string{"forms/standard.yaml": "kind: RequestForm\n# edited\n"})
	publish("still waits")
	facts := w.observe("one")
	if facts.OpenedBase != first || facts.Base == first {
		t.Errorf("opened base %s, base %s, want %s and a later one", facts.OpenedBase, facts.Base, first)
	}
	merged, err := w.forge().Merge(ctx, "one", wantOf(facts))
	if err != nil {
		t.Fatal(err)
	}
	if after := w.observe("one"); after.OpenedBase != first || after.Base != merged.Parent {
		t.Errorf("merged: opened base %s, base %s", after.OpenedBase, after.Base)
	}
}

func TestNobodyAttestsAnOpenedBaseWhereNoEngineKeyIsKnown(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t, true)
	pr := w.open("one")
	if err := w.forge().Publish(ctx, "one", forge.Report{Head: pr.Head}); err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string][]signature.Public{"none": nil, "the engine's": {w.engine.Public()}} {
		f := New(w.db, Config{Repo: repoID, Branch: "main", Now: clock, Engines: keys})
		facts, err := f.Observe(ctx, "one")
		if err != nil {
			t.Fatal(err)
		}
		if (facts.OpenedBase != "") != (keys != nil) {
			t.Errorf("%s: opened base %q", name, facts.OpenedBase)
		}
	}
}
