package forgetest

import (
	"errors"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// unreadable reports whether the facts no longer verify. Where statements are
// signed, that is how it shows that one was changed or taken away: nothing is read
// then, and nothing given, until somebody looks into it.
func (s *scene) unreadable(id string) bool {
	s.t.Helper()
	_, err := s.Forge().Observe(s.t.Context(), id)
	if s.signed() && errors.Is(err, forge.ErrIncomplete) {
		s.withheld(id, both, forAnn, review.Pending, "")
		return true
	}
	s.must(err)
	return false
}

// newest is the newest review of a pull request.
func (s *scene) newest(id string) string {
	s.t.Helper()
	reviews := s.observe(id).Reviews
	if len(reviews) == 0 {
		s.t.Fatal("there is no review")
	}
	return reviews[len(reviews)-1].ID
}

// The forge makes an approval name the head that somebody pushed after it, by
// force or not. The engine saw the approval before, or never did.
func reanchored(t *testing.T, s *scene) {
	for _, c := range []struct {
		name        string
		force, seen bool
	}{{"forced", true, false}, {"forced-seen", true, true}, {"pushed", false, false}, {"pushed-seen", false, true}} {
		id := s.openedWith(c.name, map[string]string{file: "role: read\n"})
		s.stay()
		s.see(id)
		s.review("bo", id, review.Approve, "fine")
		if c.seen {
			s.stands(s.decide(id, both, forAnn), granted, "approved by bo")
		}
		s.tick()
		if more := map[string]string{file: "role: admin\n"}; c.force {
			s.must(s.Harness.(Replacer).Replace(t.Context(), "ann", id, more))
		} else {
			s.must(s.Push(t.Context(), "ann", id, more))
		}
		s.must(s.Harness.(Reanchorer).Reanchor(t.Context(), id))
		s.withheldTwice(id)
	}
}

// withheldTwice is for the process that goes on and for one that begins anew.
func (s *scene) withheldTwice(id string) {
	s.t.Helper()
	s.withheld(id, both, forAnn, review.Pending, "")
	s.engine = nil
	s.withheld(id, both, forAnn, review.Pending, "")
}

// The same once more, and then bo agrees to what there is now.
func reanchoredThenReviewed(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.stands(s.decide(id, both, forAnn), granted, "approved by bo")
	s.tick()
	s.must(s.Harness.(Replacer).Replace(t.Context(), "ann", id, map[string]string{file: "role: admin\n"}))
	s.must(s.Harness.(Reanchorer).Reanchor(t.Context(), id))
	if s.unreadable(id) {
		return
	}
	s.withheld(id, both, forAnn, review.Pending, "")
	s.see(id)
	s.review("bo", id, review.Approve, "fine as well")
	s.gives(id, both, forAnn, "approved by bo", "role: admin\n")
}

// A commit that says it is a year old is not older than the approval before it,
// also where the forge makes that name it.
func backdated(t *testing.T, s *scene) {
	for _, moves := range []bool{true, false} {
		id := s.openedWith(map[bool]string{true: "moved", false: "one"}[moves], map[string]string{file: "role: read\n"})
		before := s.see(id)
		s.review("bo", id, review.Approve, "fine")
		s.tick()
		s.must(s.Harness.(Backdater).PushDated(t.Context(), "ann", id, map[string]string{file: "role: admin\n"}, before.ObservedAt.AddDate(-1, 0, 0)))
		if r, ok := s.Harness.(Reanchorer); ok && moves {
			s.must(r.Reanchor(t.Context(), id))
		}
		s.withheld(id, both, forAnn, review.Pending, "")
		if moves {
			continue
		}
		s.see(id)
		s.review("bo", id, review.Approve, "fine again")
		s.gives(id, both, forAnn, "approved by bo", "role: admin\n")
	}
}

// The same content on a newer base by force: an approval stands where it names
// what it agrees to, and nowhere else.
func rebased(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	before := s.observe(id)
	s.tick()
	s.Commit(map[string]string{"forms/other.yaml": "b: 2\n"})
	s.must(s.Harness.(Replacer).Replace(t.Context(), "ann", id, map[string]string{file: "role: read\n"}))
	if after := s.observe(id); after.ChangeDigest != before.ChangeDigest || after.Head == before.Head {
		t.Fatalf("digest %s then %s, head %s then %s", before.ChangeDigest, after.ChangeDigest, before.Head, after.Head)
	}
	if !s.signed() {
		s.withheld(id, both, forAnn, review.Pending, "review again")
		s.see(id)
		s.review("bo", id, review.Approve, "fine again")
	}
	s.gives(id, both, forAnn, "approved by bo", "role: read\n")
}

// A review of the commit before, given when there is a newer one already.
func oldCommit(t *testing.T, s *scene) {
	id := s.opened()
	old := s.see(id).Head
	s.push("ann", id, "role: admin\n")
	s.see(id)
	s.must(s.Harness.(LateReviewer).ReviewOf(t.Context(), "bo", id, old, review.Approve, "fine"))
	s.withheld(id, both, forAnn, review.Pending, "review again")
	s.review("cy", id, review.Approve, "fine")
	s.gives(id, both, forAnn, "approved by cy", "role: admin\n")
}

// bo approves, then denies; somebody without an interest dismisses the denial.
// That leaves bo without an opinion.
func dismissedRevivesNothing(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.review("bo", id, review.Deny, "no")
	s.stands(s.decide(id, both, forAnn), review.Denied, "denied by bo: no")
	s.must(s.Harness.(Dismisser).Dismiss(t.Context(), "di", id, s.newest(id)))
	if s.unreadable(id) {
		return
	}
	s.withheld(id, both, forAnn, review.Pending, "it was dismissed by")
	s.review("cy", id, review.Approve, "fine")
	s.gives(id, both, forAnn, "approved by cy", "role: read\n")
}

// ann, who asks, dismisses bo's denial and has cy approve.
func dismissedByInterest(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Deny, "no")
	s.must(s.Harness.(Dismisser).Dismiss(t.Context(), "ann", id, s.newest(id)))
	if s.unreadable(id) {
		return
	}
	s.withheld(id, both, forAnn, review.Denied, "denied by bo: no")
	s.review("cy", id, review.Approve, "fine")
	s.withheld(id, both, forAnn, review.Denied, "denied by bo: no")
}

// di sets the engine's status to success on a head that the engine has not seen,
// and again when it has: it proves no date and approves nothing, and people are
// shown the engine's own word again.
func forgedStatus(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.push("ann", id, "role: admin\n")
	f := s.Harness.(StatusForger)
	s.must(f.ForgeStatus(t.Context(), "di", id))
	s.tick()
	s.review("bo", id, review.Approve, "fine")
	s.withheld(id, both, forAnn, review.Pending, "it is not later than this head")
	for range 2 {
		s.must(f.ForgeStatus(t.Context(), "di", id))
		s.must(s.Forge().Publish(t.Context(), id, report(s.see(id), "waiting\n")))
		if shown := f.Status(id); shown != "pending" {
			t.Errorf("people are shown %q, want pending", shown)
		}
	}
	s.withheld(id, both, forAnn, review.Pending, "it is not later than this head")
	s.review("bo", id, review.Approve, "fine again")
	s.gives(id, both, forAnn, "approved by bo", "role: admin\n")
}

// bo is renamed, and a stranger takes the name that the directory still shows.
func loginChangesHands(t *testing.T, s *scene) {
	s.must(s.Harness.(Renamer).GiveAway(t.Context(), "bo", "eve"))
	id := s.opened()
	s.see(id)
	s.review("eve", id, review.Approve, "fine")
	s.withheld(id, both, forAnn, review.Pending, "nobody in the directory is")
	s.review("bo", id, review.Approve, "fine")
	s.gives(id, both, forAnn, "approved by bo", "role: read\n")
}

// Somebody makes a week of bo's approval ninety days. The week stands, or nothing.
func editedLater(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "/approve for 7d")
	before := s.decide(id, both, forAnn)
	s.stands(before, granted, "approved by bo")
	s.must(s.Harness.(Editor).EditReview(t.Context(), "di", id, s.newest(id), "/approve for 90d"))
	if s.unreadable(id) {
		return
	}
	s.withheld(id, both, forAnn, review.Pending, "it was edited")
	s.tick()
	s.review("bo", id, review.Approve, "/approve for 7d\nagain")
	after := s.decide(id, both, forAnn)
	if until, most := after.Determinations[0].Until, before.Determinations[0].Until.Add(time.Hour); until.IsZero() || until.After(most) {
		t.Errorf("until %s, want a week: %s", until, before.Determinations[0].Until)
	}
	s.gives(id, both, forAnn, "approved by bo", "role: read\n")
}
