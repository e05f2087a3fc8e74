package loop_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/forge/github"
)

const check = "assent: main"

// newQueue is a hub that merges by GitHub's merge queue.
func newQueue(t *testing.T) *hub {
	t.Helper()
	h := newHub(t)
	h.method, h.said = github.MergeQueue, map[int]int64{}
	h.start()
	return h
}

// approved opens a pull request and has it approved.
func (h *hub) approved(name string) int {
	h.t.Helper()
	n := h.asks(name, pipeline, "30d")
	h.looks(n)
	h.said[n] = h.says(n, "kim", "APPROVE", "")
	r := h.looks(n)
	if !r.Judgement.Outcome.Grants() || r.Merged != "" || len(r.Records) > 0 {
		h.t.Fatalf("with a queue, an approval merges nothing itself: %+v", r)
	}
	return n
}

// A group of two is merged as one push, and verified as one step for each.
func TestMergeQueueIsVerifiedStepByStep(t *testing.T) {
	t.Parallel()
	h := newQueue(t)
	one, two := h.approved("one"), h.approved("two")
	must(t, h.Enqueue(nil, one, two))
	if err := h.MergeQueue(check); err == nil {
		t.Fatal("a group that nobody judged was merged")
	}
	h.looks(two)
	h.looks(one)
	for i, commit := range h.Queued() {
		if got := h.Shown(commit, check); got != "success" {
			t.Fatalf("group %d shows %q", i, got)
		}
	}
	must(t, h.MergeQueue(check))
	for _, n := range []int{two, one} { // in any order
		if r := h.looks(n); len(r.Records) == 0 || !r.Judgement.Outcome.Grants() {
			t.Errorf("#%d: %+v", n, r)
		}
	}
	h.admitted("one", "two")
}

// No group gets a success that it did not earn.
func TestMergeQueueGetsNoUnconditionalSuccess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		play func(h *hub, one, two int) // two is queued behind one
		want [2]string                  // what each group shows
	}{
		"nothing happens": {func(*hub, int, int) {}, [2]string{"success", "success"}},
		"the first is denied in the queue": {
			func(h *hub, one, _ int) { h.says(one, "raj", "REQUEST_CHANGES", "no") }, [2]string{"failure", "pending"},
		},
		"the second is pushed to in the queue": {
			func(h *hub, _, two int) { must(h.t, h.Push("ana", two, h.files("two", pipeline, "90d"), false)) }, [2]string{"success", "failure"},
		},
		"its approval is dismissed": {
			func(h *hub, _, two int) { must(h.t, h.Dismiss("omar", two, h.said[two])) }, [2]string{"success", "failure"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newQueue(t)
			one, two := h.approved("one"), h.approved("two")
			must(t, h.Enqueue(nil, one, two))
			groups := h.Queued()
			c.play(h, one, two)
			for _, n := range []int{one, two, one, two} {
				_, _ = h.det.One(t.Context(), strconv.Itoa(n))
			}
			for i, commit := range groups {
				if got := h.Shown(commit, check); got != c.want[i] {
					t.Errorf("group %d shows %q, want %q", i, got, c.want[i])
				}
			}
			if err := h.MergeQueue(check); (err == nil) != (c.want == [2]string{"success", "success"}) {
				t.Errorf("merged: %v", err)
			}
		})
	}
}

// A queue that slips something in is refused, before the merge and after it.
func TestMergeQueueThatSlipsSomethingIn(t *testing.T) {
	t.Parallel()
	h := newQueue(t)
	n := h.approved("one")
	must(t, h.Enqueue(map[string]string{requestFile("more", pipeline): string(h.request("more", "ana", pipeline, "90d"))}, n))
	h.looks(n)
	group := h.Queued()[0]
	if got := h.Shown(group, check); got != "failure" {
		t.Errorf("the group shows %q", got)
	}
	must(t, h.Status("omar", group, "success", check, "")) // whoever may write can say so
	must(t, h.MergeQueue(check))
	r, err := h.det.One(t.Context(), strconv.Itoa(n))
	if err == nil || len(r.Records) > 0 || !strings.Contains(err.Error(), "something else") {
		t.Errorf("recorded %v: %v", r.Records, err)
	}
	h.follow()
	if c := h.custody(); len(c.Approvals) > 0 {
		t.Errorf("it is approved: %v", c.Approvals)
	}
}
