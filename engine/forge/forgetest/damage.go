package forgetest

import (
	"errors"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

func adminBypass(t *testing.T, s *scene) {
	for name, more := range map[string]map[string]string{"plain": nil, "evil": {"requests/extra.yaml": "role: admin\n"}} {
		id := s.openedWith(name, map[string]string{"requests/" + name + ".yaml": "a: 1\n"})
		decided := want(s.observe(id))
		s.MergeByHand(id, more)
		if h, ok := s.Harness.(HandMerger); ok && more == nil && h.CountsMergesByHand() {
			if f := s.observe(id); f.State != review.StateMerged {
				t.Errorf("a clean merge by hand leaves it %s", f.State)
			}
			continue
		}
		if f, err := s.Forge().Observe(t.Context(), id); err == nil && f.State == review.StateMerged {
			t.Errorf("%s merge by hand counts as a merge", name)
		}
		s.refuses(id, decided, forge.ErrMoved)
	}
}

func directPush(t *testing.T, s *scene) {
	id := s.opened()
	s.Commit(map[string]string{file: "role: read\n"})
	f := s.observe(id)
	if f.State != review.StateOpen {
		t.Errorf("state %s after a direct push of the same file, want open", f.State)
	}
}

func rewind(t *testing.T, s *scene) {
	before := s.Base()
	id := s.opened()
	decided := want(s.observe(id))
	s.merge(id)
	s.Rewind(before)
	if f, err := s.Forge().Observe(t.Context(), id); err == nil && f.State != review.StateClosed {
		t.Errorf("state %s after the merge was taken off the base branch", f.State)
	} else if err != nil && !errors.Is(err, forge.ErrIncomplete) {
		t.Errorf("observe: %v, want %v", err, forge.ErrIncomplete)
	}
	if _, err := s.Forge().Merge(t.Context(), id, decided); err == nil {
		t.Error("what was rewound was merged again")
	}
	if s.Base() != before {
		t.Error("the base branch moved")
	}
}

// maxWrites bounds the writes of one call.
const maxWrites = 20

// crashes runs a call against a forge that dies after its first write, its
// second and so on, until it gets through; check comes after each death.
func crashes(t *testing.T, s *scene, call func(f forge.Forge, round int) error, check func(round int)) {
	t.Helper()
	for n := 1; n <= maxWrites; n++ {
		err := call(s.Crashing(n), n)
		check(n)
		if err == nil {
			if n == 1 {
				t.Error("the call wrote nothing")
			}
			return
		}
	}
	t.Fatalf("still dying after %d writes", maxWrites)
}

func crashMerge(t *testing.T, s *scene) {
	var id, path string
	var facts review.Facts
	crashes(t, s, func(f forge.Forge, n int) error {
		path = "requests/r" + string(rune('a'+n)) + ".yaml"
		id = s.openedWith("r"+string(rune('a'+n)), map[string]string{path: "a: 1\n"})
		facts = s.observe(id)
		_, err := f.Merge(t.Context(), id, want(facts))
		return err
	}, func(n int) {
		between := s.observe(id) // what the next process would see
		if want(between) != want(facts) || between.ChangeDigest != facts.ChangeDigest {
			t.Errorf("after write %d: the facts became %+v", n, between)
		}
		done, err := s.Forge().Merge(t.Context(), id, want(facts))
		if err != nil {
			t.Errorf("after write %d: %v", n, err)
			return
		}
		if s.Base() != done.Commit || done.Parent != facts.Base || done.Tree != facts.ResultTree {
			t.Errorf("after write %d: merged %+v, base at %s", n, done, s.Base())
		}
		if _, ok := s.File(path); !ok || s.observe(id).State != review.StateMerged {
			t.Errorf("after write %d: not merged", n)
		}
	})
}

func crashPublish(t *testing.T, s *scene) {
	id := s.opened()
	facts := s.observe(id)
	var text string
	crashes(t, s, func(f forge.Forge, n int) error {
		text = "report " + string(rune('a'+n))
		return f.Publish(t.Context(), id, report(facts, text))
	}, func(n int) {
		s.must(s.Forge().Publish(t.Context(), id, report(facts, text)))
		shown := s.Published(id)
		if len(shown) != n || shown[n-1] != text {
			t.Errorf("after write %d: shown %q", n, shown)
		}
	})
}

func crashClose(t *testing.T, s *scene) {
	var id string
	crashes(t, s, func(f forge.Forge, n int) error {
		name := "r" + string(rune('a'+n))
		id = s.openedWith(name, map[string]string{"requests/" + name + ".yaml": "a: 1\n"})
		return f.Close(t.Context(), id, "denied")
	}, func(n int) {
		s.must(s.Forge().Close(t.Context(), id, "denied"))
		if f := s.observe(id); f.State != review.StateClosed {
			t.Errorf("after write %d: state %s", n, f.State)
		}
	})
}
