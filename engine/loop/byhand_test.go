package loop_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const stewardsFile = "directory/groups/finance-stewards.yaml"

// byHands are the ways in which somebody else than the engine merges.
var byHands = map[string]func(h *hub, n int) error{
	"merge":        func(h *hub, n int) error { return h.MergeByHand(n, nil) },
	"squash":       func(h *hub, n int) error { return h.SquashByHand(n) },
	"rebase":       func(h *hub, n int) error { return h.RebaseByHand(n) },
	"fast-forward": func(h *hub, n int) error { return h.ForwardByHand(n) },
}

// newOpenHub is a hub where di, whom nobody knows, may merge, and where a round
// was made before anything happens.
func newOpenHub(t *testing.T) *hub {
	t.Helper()
	h := newHub(t)
	h.Add(githubtest.User{ID: 98, Login: "di", Type: "User"}, "token-di")
	h.reconcile()
	return h
}

// unapproved checks that a merge by hand is recorded as no approval, is told of
// and gives nothing.
func (h *hub) unapproved(n int, names ...string) {
	h.t.Helper()
	for range 2 {
		if r, err := h.det.One(h.t.Context(), strconv.Itoa(n)); len(r.Records) > 0 {
			h.t.Errorf("recorded %v: %s %v", r.Records, r.Judgement.Outcome, err)
		}
	}
	h.follow()
	c := h.custody()
	for _, name := range names {
		if _, ok := c.Approvals[resource.Name(name)]; ok {
			h.t.Errorf("%s is approved", name)
		}
	}
	h.clock = h.Now()
	h.reconcile()
	h.want("ana", pipeline, false)
	if told := strings.Join(h.observations(), " "); !strings.Contains(told, "merged-unapproved") {
		h.t.Errorf("nobody is told of it: %q", told)
	}
}

// Attacks 26, 35: people merge by hand. What was approved is recorded as if the
// engine had merged it. Several commits that are put on main one by one are
// judged on the commit before the last: what was in force there already gets no
// record, and has to be asked for again.
func TestAMergeByHandOfWhatWasApprovedIsRecorded(t *testing.T) {
	t.Parallel()
	all := []string{"one", "two"}
	for _, c := range []struct {
		method, commits string
		want            []string
	}{
		{"merge", "one", all[:1]}, {"squash", "one", all[:1]}, {"rebase", "one", all[:1]}, {"fast-forward", "one", all[:1]},
		{"merge", "two", all}, {"squash", "two", all}, {"rebase", "two", nil}, {"fast-forward", "two", all[1:]},
		{"merge", "two of one file", all[:1]}, {"squash", "two of one file", all[:1]},
		{"rebase", "two of one file", nil}, {"fast-forward", "two of one file", all[:1]},
	} {
		t.Run(c.method+", commits: "+c.commits, func(t *testing.T) {
			t.Parallel()
			h := newOpenHub(t)
			n := h.asks("one", pipeline, "30d")
			switch c.commits {
			case "two":
				must(t, h.Push("ana", n, h.files("two", orders, "30d"), false))
			case "two of one file":
				must(t, h.Push("ana", n, h.files("one", pipeline, "60d"), false))
			}
			h.looks(n)
			h.says(n, "kim", "APPROVE", "")
			h.says(n, "lea", "APPROVE", "")
			must(t, byHands[c.method](h, n))
			r, err := h.det.One(t.Context(), strconv.Itoa(n))
			if len(r.Records) != len(c.want) || (err == nil) != (len(c.want) > 0) {
				t.Errorf("%d records, want %d: %v", len(r.Records), len(c.want), err)
			}
			h.admitted(c.want...)
			if got := len(h.custody().Approvals); got != len(c.want) {
				t.Errorf("%d requests are approved, want %d", got, len(c.want))
			}
		})
	}
}

// Attack 35: what nobody approved, somebody merges by hand all the same.
func TestAMergeByHandOfWhatNobodyApprovedGivesNothing(t *testing.T) {
	t.Parallel()
	for method, merge := range byHands {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := newOpenHub(t)
			n := h.asks("one", pipeline, "30d")
			h.looks(n)
			h.says(n, "ben", "APPROVE", "") // who is no steward
			must(t, merge(h, n))
			h.unapproved(n, "one")
		})
	}
}

// Attacks 22, 26: the commits of a pull request make ben a steward and unmake
// him again, so that its change shows nothing of it. Put on main one by one, the
// commit before the last has him.
func TestCommitsInBetweenMakeNoSteward(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"request", "stewards"} {
		for _, method := range []string{"rebase", "fast-forward"} {
			t.Run(method+", "+last+" last", func(t *testing.T) {
				t.Parallel()
				h := newOpenHub(t)
				was := string(h.quickFile(stewardsFile))
				more := strings.Replace(was, "    - user: raj\n", "    - user: raj\n    - user: ben\n", 1)
				n, err := h.Open("ana", "request/one", "one", map[string]string{stewardsFile: more})
				must(t, err)
				if last == "request" {
					both := h.files("one", pipeline, "30d")
					both[stewardsFile] = was
					must(t, h.Push("ana", n, both, false))
				} else {
					must(t, h.Push("ana", n, h.files("one", pipeline, "30d"), false))
					must(t, h.Push("ana", n, map[string]string{stewardsFile: was}, false))
				}
				if r := h.looks(n); r.Judgement.Class != review.ClassRequest {
					t.Fatalf("its change is %s", r.Judgement.Class)
				}
				h.says(n, "ben", "APPROVE", "")
				h.looks(n)
				must(t, byHands[method](h, n))
				h.unapproved(n, "one")
			})
		}
	}
}
