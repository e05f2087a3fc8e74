package github_test

import (
	"sync"
	"testing"

	"github.com/assent-dev/assent/engine/review"
)

const seenRef = "refs/assent/seen"

// again looks with a new process on an empty disk, as a runner of Actions does.
func (s *stage) again() review.Facts {
	s.t.Helper()
	s.g = s.open(s.config())
	return s.look()
}

// An approval of an old commit that GitHub lets name the head later, with no
// push in between that would show it.
func TestAnApprovalThatMovesWithoutAPushDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	old := s.look().Head
	s.must(s.Server.Push("ann", s.n, map[string]string{"requests/one.yaml": "role: admin\n"}, false))
	s.look()
	if _, err := s.Server.Review("bo", s.n, "APPROVE", "", old); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.Move(s.n)
	f := s.again()
	if f.Reviews[0].Commit != f.Head || f.Reviews[0].FirstCommit != old || counts(f, f.Reviews[0]) {
		t.Errorf("what it named first is forgotten: %+v", f.Reviews[0])
	}
	s.must(s.PutRef(seenRef, "", ""))
	if f := s.again(); counts(f, f.Reviews[0]) {
		t.Error("where the memory is lost, a moved approval counts")
	}
	s.says("bo", "APPROVE")
	if f := s.again(); !counts(f, f.Reviews[1]) {
		t.Errorf("a new approval does not count: %+v", f.Reviews[1])
	}
}

// What somebody changed in an approval voids it, also where nobody remembers.
func TestAnEditedApprovalIsTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id, err := s.Server.Review("bo", s.n, "APPROVE", "/approve for 7d", "")
	s.must(err)
	if f := s.look(); f.Reviews[0].Edited || !counts(f, f.Reviews[0]) {
		t.Fatalf("it is void from the start: %+v", f.Reviews[0])
	}
	s.Server.EditReview(s.n, id, "/approve for 90d")
	if f := s.again(); !f.Reviews[0].Edited {
		t.Errorf("the edit does not show: %+v", f.Reviews[0])
	}
	s.must(s.PutRef(seenRef, "", ""))
	if f := s.again(); !f.Reviews[0].Edited && counts(f, f.Reviews[0]) {
		t.Error("where the memory is lost, an edited approval counts")
	}
}

// Losing the memory costs an approval again, and grants nothing, however it is
// lost.
func TestAMemoryThatIsLostCostsAnApproval(t *testing.T) {
	t.Parallel()
	for what, content := range map[string][2]string{
		"deleted":            {"", ""},
		"no commit":          {"", "12 abc def\n"},
		"no beginning":       {"0/1", "garbage\n"},
		"a beginning of rot": {"since", "\x00yesterday\n"},
		"a folder in place":  {"since/since", "2026-01-01T00:00:00Z\n"},
	} {
		s := newStage(t)
		s.says("bo", "APPROVE")
		if f := s.look(); !counts(f, f.Reviews[0]) {
			t.Fatal("it does not count from the start")
		}
		s.must(s.PutRef(seenRef, content[0], content[1]))
		s.g = s.open(s.config())
		f, err := s.g.Observe(t.Context(), "1")
		if err == nil && counts(f, f.Reviews[0]) {
			t.Errorf("%s: an approval counts that nobody knows of", what)
		}
		if err != nil { // nobody can move it on: somebody has to delete it
			t.Logf("%s: %v", what, err)
			s.must(s.PutRef(seenRef, "", ""))
			s.again()
		}
		s.says("bo", "APPROVE")
		if f := s.again(); !counts(f, f.Reviews[1]) {
			t.Errorf("%s: a new approval does not count: %+v", what, f.Reviews[1])
		}
	}
}

// Who only looks leaves no trace.
func TestLookingRemembersNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.says("bo", "APPROVE")
	was := s.Ref(seenRef)
	cfg := s.config()
	cfg.Look, cfg.Engine = true, 99
	s.g = s.open(cfg)
	if f := s.look(); !counts(f, f.Reviews[0]) {
		t.Errorf("a looker does not see that it counts: %+v", f.Reviews[0])
	}
	if now := s.Ref(seenRef); now != was || was == "" {
		t.Errorf("the memory moved from %q to %q", was, now)
	}
}

// Several engines at once remember all of it.
func TestEnginesAtOnceRememberAll(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var ids []int
	for range 4 {
		name := string(rune('a' + len(ids)))
		n, err := s.Server.Open("ann", "request/"+name, name, map[string]string{"requests/" + name + ".yaml": "role: read\n"})
		s.must(err)
		s.n = n
		s.look()
		s.says("bo", "APPROVE")
		ids = append(ids, n)
	}
	var wg sync.WaitGroup
	for _, n := range ids {
		other := &stage{s.harness, s.open(s.config()), n}
		wg.Go(func() { _, _ = other.g.Observe(t.Context(), itoa(n)) })
	}
	wg.Wait()
	for _, n := range ids {
		s.n = n
		s.again()
		s.Move(n)
		s.must(s.Server.Push("ann", n, map[string]string{"requests/other.yaml": "a: 1\n"}, false))
		if f := s.again(); f.Reviews[0].FirstCommit == f.Head || f.Reviews[0].FirstCommit == "" {
			t.Errorf("#%d is forgotten: %+v", n, f.Reviews[0])
		}
	}
}
