package forgetest

import (
	"errors"
	"strconv"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// The forge shows a push and a review late, one after the other. What is read is
// of the new head, or nothing is; and in the end all of it is there.
func lagging(t *testing.T, s *scene) {
	slow := s.Harness.(Laggard)
	for _, reads := range []int{1, 3, 20} {
		content := "role: admin\n# " + strconv.Itoa(reads) + "\n"
		id := s.openedWith("lag-"+strconv.Itoa(reads), map[string]string{file: "role: read\n"})
		if reads > 1 {
			s.stay()
		}
		first := s.see(id)
		s.review("bo", id, review.Approve, "fine")
		s.stands(s.decide(id, both, forAnn), granted, "approved by bo")
		s.tick()
		slow.Lag(reads)
		s.push("ann", id, content)
		s.settles(id, func(f review.Facts) bool {
			if f.Head == first.Head {
				t.Errorf("%d reads late: facts are of the head before", reads)
			}
			return f.Head != first.Head
		})
		slow.Lag(0)
		s.see(id)
		slow.Lag(reads)
		s.review("cy", id, review.Approve, "fine")
		s.settles(id, func(f review.Facts) bool { return len(f.Reviews) > 1 })
		slow.Lag(0)
		s.engine = nil
		if reads > 3 {
			s.gives(id, both, forAnn, "approved by cy", content)
		}
	}
}

// settles reads until what is read is as it has to be at last. Until then nothing
// would be given.
func (s *scene) settles(id string, done func(review.Facts) bool) {
	s.t.Helper()
	const most = 60
	for range most {
		f, err := s.Forge().Observe(s.t.Context(), id)
		if errors.Is(err, forge.ErrIncomplete) {
			continue
		}
		s.must(err)
		if done(f) {
			return
		}
		s.stands(s.judge(f, both, forAnn), review.Pending, "")
	}
	s.t.Errorf("%s is not there after %d readings", id, most)
}

// A forge that refuses to answer gives no facts, no list and no merge, says why,
// and is as before when that is over.
func throttled(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	f := s.observe(id)
	base := s.Base()
	limit := s.Harness.(Throttler)
	limit.Throttle(true)
	ctx := t.Context()
	_, observe := s.Forge().Observe(ctx, id)
	_, list := s.Forge().List(ctx, review.StateOpen)
	_, merge := s.Forge().Merge(ctx, id, want(f))
	for what, err := range map[string]error{
		"observe": observe, "list": list, "merge": merge,
		"publish": s.Forge().Publish(ctx, id, report(f, "waiting\n")), "close": s.Forge().Close(ctx, id, "denied"),
	} {
		if !errors.Is(err, forge.ErrThrottled) {
			t.Errorf("%s: %v, want %v", what, err, forge.ErrThrottled)
		}
	}
	limit.Throttle(false)
	if s.Base() != base {
		t.Error("the base branch moved")
	}
	s.gives(id, both, forAnn, "approved by bo", "role: read\n")
}

// Every way of merging, while the base moves, gives what was approved, and the
// same facts say so afterwards.
func eachMethod(t *testing.T, s *scene) {
	m := s.Harness.(Methodical)
	for _, method := range m.Methods() {
		path, content := requests+method+".yaml", "role: read\n# "+method+"\n"
		id := s.openedWith(method, map[string]string{path: "role: none\n"})
		s.must(s.Push(t.Context(), "ann", id, map[string]string{path: content}))
		s.Commit(map[string]string{"forms/" + method + ".yaml": "b: 2\n"})
		s.see(id)
		s.review("bo", id, review.Approve, "fine")
		before := s.observe(id)
		s.stands(s.judge(before, both, forAnn), granted, "approved by bo")
		done, err := m.ForgeBy(method).Merge(t.Context(), id, want(before))
		s.must(err)
		if done.Parent != before.Base || done.Tree != before.ResultTree || done.Commit != s.Base() {
			t.Errorf("%s: merged %+v, wanted %+v; main is at %s", method, done, want(before), s.Base())
		}
		if got, _ := s.File(path); got != content {
			t.Errorf("%s: main holds %q, want %q", method, got, content)
		}
		after := s.observe(id)
		if after.State != review.StateMerged || after.Base != before.Base || after.Head != before.Head ||
			after.ChangeDigest != before.ChangeDigest || after.ResultTree != before.ResultTree {
			t.Errorf("%s: after the merge %+v", method, after)
		}
		s.stands(s.judge(after, both, forAnn), granted, "approved by bo")
	}
}
