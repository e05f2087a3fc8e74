package github_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/review"
)

// sweep looks at every open pull request and publishes how it stands, as the
// engine does, and counts the requests.
func (h *harness) sweep(t *testing.T, f *github.GitHub) swept {
	t.Helper()
	before, begin := h.Calls(), time.Now()
	list, err := f.List(t.Context(), review.StateOpen)
	if err != nil {
		t.Fatal(err)
	}
	for _, pr := range list {
		facts, err := f.Observe(t.Context(), pr.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Commands(t.Context(), pr.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.Publish(t.Context(), pr.ID, report(facts)); err != nil {
			t.Fatal(err)
		}
	}
	after := h.Calls()
	return swept{githubtest.Calls{All: after.All - before.All, Unchanged: after.Unchanged - before.Unchanged}, time.Since(begin)}
}

type swept struct {
	githubtest.Calls
	took time.Duration
}

func report(f review.Facts) forge.Report {
	return forge.Report{
		Head: f.Head, Markdown: "waiting\n", State: "waiting", Line: "waits for bo", Ask: []review.Actor{{Forge: github.Name, ID: "12", Login: "bo"}}, Judgement: review.Judgement{Outcome: review.Pending, Reason: fmt.Sprintf("%d reviews", len(f.Reviews))},
	}
}

// TestASweepOfWhatIsUnchangedCostsNothing counts what GitHub would count. What it
// costs grows with the pull requests and with nothing else; make bench-forge shows it
// for 2,000, which takes minutes.
func TestASweepOfWhatIsUnchangedCostsNothing(t *testing.T) {
	t.Parallel()
	n := 120
	if many := os.Getenv("ASSENT_TEST_SWEEP"); many != "" {
		var err error
		if n, err = strconv.Atoi(many); err != nil {
			t.Fatal(err)
		}
	}
	h := newHarness(t)
	for i := range n {
		if _, err := h.Server.Open("ann", fmt.Sprintf("request/r%d", i), "access", map[string]string{fmt.Sprintf("requests/r%d.yaml", i): "a: 1\n"}); err != nil {
			t.Fatal(err)
		}
	}
	f := h.open(h.config())
	cold := h.sweep(t, f)
	h.Wait(h.Now().Add(time.Minute))
	settled := h.sweep(t, f) // the engine's own comments are news
	h.Wait(h.Now().Add(time.Minute))
	quiet := h.sweep(t, f)
	h.Wait(h.Now().Add(time.Minute))
	restarted := h.sweep(t, h.open(h.config()))
	each := func(c swept) string {
		return fmt.Sprintf("%d calls (%.2f each), %d of them paid for (%.2f each), in %s",
			c.All, float64(c.All)/float64(n), c.All-c.Unchanged, float64(c.All-c.Unchanged)/float64(n), c.took.Round(time.Second/10))
	}
	t.Logf("%d open pull requests\n  first sight:  %s\n  after it:     %s\n  unchanged:    %s\n  new process:  %s", n, each(cold), each(settled), each(quiet), each(restarted))
	if paid := cold.All - cold.Unchanged; paid > 11*n+n/20+8 {
		t.Errorf("the first sight pays for %d calls, want at most 11 for each of %d", paid, n)
	}
	if quiet.All > 2*n+n/100+2 { // and the list, read until an empty page
		t.Errorf("an unchanged sweep makes %d calls, want at most 2 for each of %d", quiet.All, n)
	}
	if paid := quiet.All - quiet.Unchanged; paid != 0 {
		t.Errorf("an unchanged sweep pays for %d calls", paid)
	}
	if most := 10*n + n/20 + 8; restarted.All-restarted.Unchanged > most {
		t.Errorf("a new process pays for %d calls, want at most %d", restarted.All-restarted.Unchanged, most)
	}
	// And what does happen is seen: one pull request of them all is reviewed.
	if _, err := h.Server.Review("bo", n/2, "APPROVE", "", ""); err != nil {
		t.Fatal(err)
	}
	some := h.sweep(t, f)
	facts, err := f.Observe(t.Context(), strconv.Itoa(n/2))
	if err != nil || len(facts.Reviews) != 1 || !counts(facts, facts.Reviews[0]) {
		t.Errorf("the review is not seen: %v, %+v", err, facts.Reviews)
	}
	const most = 40
	if paid := some.All - some.Unchanged; paid == 0 || paid > most {
		t.Errorf("a sweep that finds one review pays for %d calls, want 1 to %d", paid, most)
	}
}
