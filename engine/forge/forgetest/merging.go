package forgetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

func mergeMakes(t *testing.T, s *scene) {
	id := s.opened()
	s.review("bo", id, review.Approve, "fine")
	s.Commit(map[string]string{"forms/other.yaml": "b: 2\n"}) // base moves on before anyone judges
	before := s.observe(id)
	if stale(before.Reviews[0], before) {
		t.Error("a move of the base that touches nothing made the review stale")
	}
	done := s.merge(id)
	if s.Base() != done.Commit || done.Parent != before.Base || done.Tree != before.ResultTree {
		t.Errorf("merged %+v, wanted parent %s, tree %s; base is at %s", done, before.Base, before.ResultTree, s.Base())
	}
	for path, content := range map[string]string{file: "role: read\n", "forms/other.yaml": "b: 2\n"} {
		if got, _ := s.File(path); got != content {
			t.Errorf("%s holds %q, want %q", path, got, content)
		}
	}
	after := s.observe(id)
	if after.State != review.StateMerged || after.Head != before.Head || after.ChangeDigest != before.ChangeDigest {
		t.Errorf("after the merge: %s, head %s, digest %s", after.State, after.Head, after.ChangeDigest)
	}
	if diff := cmp.Diff(before.Reviews, after.Reviews); diff != "" {
		t.Errorf("the merge changed the reviews:\n%s", diff)
	}
}

func mergeRaceHead(t *testing.T, s *scene) {
	id := s.opened()
	decided := want(s.observe(id))
	s.push("ann", id, "role: admin\n")
	s.refuses(id, decided, forge.ErrMoved)
	if f := s.observe(id); f.State != review.StateOpen {
		t.Errorf("state %s, want open", f.State)
	}
	s.merge(id)
}

func mergeRaceBase(_ *testing.T, s *scene) {
	id := s.opened()
	decided := want(s.observe(id))
	s.Commit(map[string]string{"forms/other.yaml": "b: 2\n"})
	s.refuses(id, decided, forge.ErrMoved)
	s.merge(id)
}

func mergeOtherTree(_ *testing.T, s *scene) {
	id := s.opened()
	f := s.observe(id)
	for _, tree := range []string{"", "4b825dc642cb6eb9a060e54bf8d69288fbee4904", f.Head} {
		s.refuses(id, forge.Want{Base: f.Base, Head: f.Head, Tree: tree}, forge.ErrMoved)
	}
}

func mergeAgain(t *testing.T, s *scene) {
	id := s.opened()
	wanted := want(s.observe(id))
	first, err := s.Forge().Merge(t.Context(), id, wanted)
	s.must(err)
	s.Commit(map[string]string{"forms/other.yaml": "b: 2\n"})
	base := s.Base()
	second, err := s.Forge().Merge(t.Context(), id, wanted)
	s.must(err)
	if first != second {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if s.Base() != base {
		t.Error("merging again moved the base branch")
	}
	wanted.Head = wanted.Base
	s.refuses(id, wanted, forge.ErrMoved)
	if err := s.Forge().Close(t.Context(), id, "denied"); err == nil {
		t.Error("a merged pull request was closed")
	}
	if f := s.observe(id); f.State != review.StateMerged {
		t.Errorf("state %s, want merged", f.State)
	}
}

func twins(t *testing.T, s *scene) {
	s.Commit(map[string]string{file: "role: read\nuntil: 30d\n"})
	one := s.openedWith("one", map[string]string{file: "role: admin\nuntil: 30d\n"})
	two := s.openedWith("two", map[string]string{file: "role: read\nuntil: never\n"})
	decided := want(s.observe(two))
	s.merge(one)
	f := s.observe(two)
	if f.ResultTree != "" || !strings.Contains(f.Conflicts, file) {
		t.Errorf("result tree %q, conflicts %q: want a conflict in %s", f.ResultTree, f.Conflicts, file)
	}
	s.refuses(two, decided, forge.ErrMoved)
	s.refuses(two, want(f), forge.ErrMoved)
	if got, _ := s.File(file); got != "role: admin\nuntil: 30d\n" {
		t.Errorf("base holds %q", got)
	}
}

func sideBySide(t *testing.T, s *scene) {
	one := s.openedWith("one", map[string]string{"requests/one.yaml": "a: 1\n"})
	two := s.openedWith("two", map[string]string{"requests/two.yaml": "b: 2\n"})
	before := s.observe(two)
	s.merge(one)
	after := s.observe(two)
	if after.ChangeDigest != before.ChangeDigest || after.ResultTree == before.ResultTree || after.ResultTree == "" {
		t.Errorf("digest %s then %s, tree %s then %s", before.ChangeDigest, after.ChangeDigest, before.ResultTree, after.ResultTree)
	}
	s.merge(two)
	for _, path := range []string{"requests/one.yaml", "requests/two.yaml"} {
		if _, ok := s.File(path); !ok {
			t.Errorf("%s is not in force", path)
		}
	}
}

func canceled(t *testing.T, s *scene) {
	id := s.opened()
	decided := want(s.observe(id))
	if err := s.Cancel(t.Context(), "di", id, "not mine"); err == nil {
		t.Error("somebody else canceled it")
	}
	s.must(s.Cancel(t.Context(), "ann", id, "mistake"))
	s.must(s.Cancel(t.Context(), "ann", id, "mistake"))
	s.over(id, review.StateCanceled, decided)
}

func closed(t *testing.T, s *scene) {
	id := s.opened()
	s.review("bo", id, review.Deny, "no")
	decided := want(s.observe(id))
	s.must(s.Forge().Close(t.Context(), id, "denied"))
	s.must(s.Forge().Close(t.Context(), id, "denied"))
	s.over(id, review.StateClosed, decided)
	if reviews := s.observe(id).Reviews; len(reviews) != 1 || reviews[0].Verdict != review.Deny {
		t.Errorf("reviews %+v, want the denial", reviews)
	}
}

// over checks that a pull request stays ended.
func (s *scene) over(id string, state review.State, decided forge.Want) {
	s.t.Helper()
	s.must(s.Forge().Close(s.t.Context(), id, "again"))
	if f := s.observe(id); f.State != state {
		s.t.Errorf("state %s, want %s", f.State, state)
	}
	s.refuses(id, decided, forge.ErrMoved)
	if f := s.observe(id); f.State != state {
		s.t.Errorf("state %s after a merge was tried, want %s", f.State, state)
	}
}

func report(f review.Facts, text string) forge.Report {
	return forge.Report{Head: f.Head, Markdown: text, Judgement: review.Judgement{Class: review.ClassRequest, Outcome: review.Pending, Reason: text}}
}

func publishAgain(t *testing.T, s *scene) {
	id := s.opened()
	f := s.observe(id)
	for _, text := range []string{"waiting\n", "waiting\n", "<b>& approved\n", "<b>& approved\n"} {
		s.must(s.Forge().Publish(t.Context(), id, report(f, text)))
	}
	if diff := cmp.Diff([]string{"waiting\n", "<b>& approved\n"}, s.Published(id)); diff != "" {
		t.Errorf("published (-wanted +shown):\n%s", diff)
	}
	after := s.observe(id)
	if after.Head != f.Head || after.ChangeDigest != f.ChangeDigest || len(after.Reviews) != 0 {
		t.Error("publishing changed the facts")
	}
	s.push("ann", id, "role: admin\n")
	if err := s.Forge().Publish(t.Context(), id, report(f, "late\n")); !errors.Is(err, forge.ErrMoved) {
		t.Errorf("publish for an older head: %v, want %v", err, forge.ErrMoved)
	}
}
