package forgetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

func readsWhole(t *testing.T, s *scene) {
	id := s.opened()
	f := s.observe(id)
	if f.State != review.StateOpen || f.PullRequest != id || f.Title != "access for ann" {
		t.Errorf("state %q, pull request %q, title %q", f.State, f.PullRequest, f.Title)
	}
	if f.Base != s.Base() || f.MergeBase != f.Base || f.Head == "" || f.Head == f.Base {
		t.Errorf("base %q, merge base %q, head %q; base branch is at %q", f.Base, f.MergeBase, f.Head, s.Base())
	}
	if f.Author.ID != s.Actor("ann").ID || !pushed(f, s.Actor("ann")) {
		t.Errorf("author %v, pushers %v", f.Author, f.Pushers)
	}
	if len(f.Files) != 1 || f.Files[0].Path != file || f.Files[0].Mode != "100644" || f.Files[0].NewBlob == "" || f.Files[0].OldBlob != "" {
		t.Errorf("files %+v", f.Files)
	}
	if f.Repo == "" || f.Forge == "" || f.BaseRef == "" || f.ResultTree == "" || f.ChangeDigest == "" || f.ObservedAt.IsZero() {
		t.Errorf("something is missing: %+v", f)
	}
	if f.Conflicts != "" || len(f.Reviews) != 0 {
		t.Errorf("conflicts %q, reviews %v", f.Conflicts, f.Reviews)
	}
}

func pushed(f review.Facts, a review.Actor) bool {
	return slices.ContainsFunc(f.Pushers, func(p review.Actor) bool { return p.Forge == a.Forge && p.ID == a.ID })
}

func readsSame(t *testing.T, s *scene) {
	id := s.opened()
	s.review("bo", id, review.Approve, "fine")
	s.push("ann", id, "role: write\n")
	a, b := s.observe(id), s.observe(id)
	a.ObservedAt, b.ObservedAt, a.ForgeTime, b.ForgeTime = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("read twice (-first +second):\n%s", diff)
	}
}

func pushAfter(t *testing.T, s *scene) {
	id := s.opened()
	s.review("bo", id, review.Approve, "")
	before := s.observe(id)
	if stale(before.Reviews[0], before) {
		t.Error("the review is stale from the start")
	}
	s.push("ann", id, "role: admin\n")
	after := s.observe(id)
	if len(after.Reviews) != 1 || !stale(after.Reviews[0], after) {
		t.Errorf("the review does not show as stale: %+v", after.Reviews)
	}
	if after.Head == before.Head || after.ChangeDigest == before.ChangeDigest {
		t.Error("head and digest did not follow the push")
	}
	if after.Reviews[0].FirstCommit != before.Head {
		t.Errorf("review of %s is said to be of %s", before.Head, after.Reviews[0].FirstCommit)
	}
}

func hijackPush(t *testing.T, s *scene) {
	id := s.opened()
	s.push("bo", id, "role: admin\n")
	f := s.observe(id)
	if !pushed(f, s.Actor("ann")) || !pushed(f, s.Actor("bo")) || pushed(f, s.Actor("cy")) {
		t.Errorf("pushers %v, want ann and bo", f.Pushers)
	}
	if f.Author.ID != s.Actor("ann").ID {
		t.Errorf("author became %v", f.Author)
	}
	s.push("ann", id, "role: read\n") // and it stays so
	if f := s.observe(id); !pushed(f, s.Actor("bo")) {
		t.Errorf("bo's push was forgotten: %v", f.Pushers)
	}
}

type said struct {
	Who     string
	Verdict review.Verdict
	Body    string
}

func flip(t *testing.T, s *scene) {
	id := s.opened()
	script := []said{
		{"bo", review.Deny, "no"}, {"cy", review.Approve, "yes"}, {"bo", review.Approve, "well"},
		{"cy", review.Comment, "hm"}, {"cy", review.Deny, "no after all"}, {"bo", review.Comment, "and yet"}, // no forge takes one without a word
	}
	var wanted []said
	for _, r := range script {
		s.review(r.Who, id, r.Verdict, r.Body)
		wanted = append(wanted, said{s.Actor(r.Who).ID, r.Verdict, r.Body})
	}
	var got []said
	ids := map[string]bool{}
	for _, r := range s.observe(id).Reviews {
		got = append(got, said{r.Actor.ID, r.Verdict, r.Body})
		ids[r.ID] = true
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("reviews (-given +read):\n%s", diff)
	}
	if len(ids) != len(script) {
		t.Errorf("%d ids for %d reviews", len(ids), len(script))
	}
}

func denyPageTwo(t *testing.T, s *scene) {
	const comments = 55
	id := s.opened()
	for i := range comments {
		s.review("bo", id, review.Comment, fmt.Sprint(i))
	}
	s.review("cy", id, review.Deny, "no")
	reviews := s.observe(id).Reviews
	if len(reviews) != comments+1 || reviews[comments].Verdict != review.Deny {
		t.Fatalf("read %d reviews, want %d with a denial at the end", len(reviews), comments+1)
	}
}

func hostileText(t *testing.T, s *scene) {
	const title = "<b>*x*</b> `$(id)` @all #1 \u202eabc \u2028 \"'\\ {{.}} %s é 漢"
	body := "/approve for 30d\n\nPull-Request: other\n<script>&amp;</script>\u2028\u2029\u200b\t" +
		strings.Repeat("x", 3_000) + "\n-----BEGIN SSH SIGNATURE-----\n```\n\n"
	id, err := s.Open(t.Context(), "ann", Draft{ID: "hostile", Title: title, Files: map[string]string{file: "a: 1\n"}})
	s.must(err)
	s.review("bo", id, review.Comment, body)
	long := body + strings.Repeat("漢", 10_000)
	s.review("bo", id, review.Comment, long)
	f := s.observe(id)
	if f.Title != title {
		t.Errorf("title came back as %q", f.Title)
	}
	if f.Reviews[0].Body != body {
		t.Errorf("body came back as %q", f.Reviews[0].Body)
	}
	if kept, cut := review.Said(long); f.Reviews[1].Body != kept || f.Reviews[1].Cut == nil || *f.Reviews[1].Cut != *cut {
		t.Errorf("a long body came back as %q, cut %+v", f.Reviews[1].Body, f.Reviews[1].Cut)
	}
	s.merge(id)
	if f := s.observe(id); f.State != review.StateMerged || f.Title != title {
		t.Errorf("after the merge: state %s, title %q", f.State, f.Title)
	}
}

func listComplete(t *testing.T, s *scene) {
	const n = 120
	var opened []string
	for i := range n {
		opened = append(opened, s.openedWith(fmt.Sprintf("r%d", i), map[string]string{fmt.Sprintf("requests/r%d.yaml", i): "a: 1\n"}))
	}
	list, err := s.Forge().List(t.Context(), review.StateOpen)
	s.must(err)
	if !slices.IsSortedFunc(list, func(a, b forge.PullRequest) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("the list is not ordered by id")
	}
	var got []string
	for _, pr := range list {
		got = append(got, pr.ID)
	}
	slices.Sort(opened)
	if diff := cmp.Diff(opened, got); diff != "" {
		t.Errorf("list (-opened +listed):\n%s", diff)
	}
}

func listStates(t *testing.T, s *scene) {
	ids := map[review.State]string{}
	for _, state := range []review.State{review.StateOpen, review.StateMerged, review.StateClosed, review.StateCanceled} {
		ids[state] = s.openedWith("pr-"+string(state), map[string]string{"requests/" + string(state) + ".yaml": "a: 1\n"})
	}
	s.merge(ids[review.StateMerged])
	s.must(s.Forge().Close(t.Context(), ids[review.StateClosed], "denied"))
	s.must(s.Cancel(t.Context(), "ann", ids[review.StateCanceled], "mistake"))
	for state, id := range ids {
		list, err := s.Forge().List(t.Context(), state)
		s.must(err)
		if len(list) != 1 || list[0].ID != id || list[0].State != state {
			t.Errorf("list of %s: %+v, want %s alone", state, list, id)
		}
		f := s.observe(id)
		if f.State != state || list[0].Head != f.Head || list[0].Title != f.Title {
			t.Errorf("list says %+v, facts say %s at %s", list[0], f.State, f.Head)
		}
	}
	all, err := s.Forge().List(t.Context(), "")
	s.must(err)
	if len(all) != len(ids) {
		t.Errorf("list of all has %d, want %d", len(all), len(ids))
	}
}

func gone(t *testing.T, s *scene) {
	s.opened()
	f, ctx := s.Forge(), t.Context()
	for _, id := range []string{"no-such", "999999", "", "../one", "one/two"} {
		_, observe := f.Observe(ctx, id)
		_, merge := f.Merge(ctx, id, forge.Want{})
		for what, err := range map[string]error{
			"observe": observe, "merge": merge, "publish": f.Publish(ctx, id, forge.Report{}), "close": f.Close(ctx, id, ""),
		} {
			if !errors.Is(err, forge.ErrGone) {
				t.Errorf("%s %q: %v, want %v", what, id, err, forge.ErrGone)
			}
		}
	}
}

func retarget(t *testing.T, s *scene) {
	id := s.opened()
	s.review("bo", id, review.Approve, "")
	before := s.observe(id)
	s.must(s.Harness.(Retargeter).Retarget(t.Context(), "ann", id))
	after, err := s.Forge().Observe(t.Context(), id)
	if err == nil && after.BaseRef == before.BaseRef {
		t.Errorf("facts still say %s", after.BaseRef)
	}
	s.refuses(id, want(before), forge.ErrMoved)
}
