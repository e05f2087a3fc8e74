package review_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

var flowsToTry = []string{anyFinance, twoOfTwo, bothGroup, inOrder, automatic, `{mode: delegated}`,
	`{mode: stewards, stages: [{all: [{group: finance}, {group: legal}], distinct: false}]}`,
	`{mode: stewards, requireReason: true, stages: [{any: [{group: finance}]}, {all: [{group: legal}, {permission: GOVERNANCE}]}]}`}

// drawReview draws a review by anybody, often valid, sometimes not.
func drawReview(t *rapid.T, s *scene, label string) review.Review {
	id := rapid.IntRange(1, 10).Draw(t, label+" by") // 10 is nobody
	r := review.Review{
		ID: label, Actor: github(id), Commit: s.facts.Head, FirstCommit: s.facts.Head,
		Verdict:     rapid.SampledFrom([]review.Verdict{approve, approve, approve, approve, comment, dismissed, deny}).Draw(t, label+" verdict"),
		Body:        rapid.SampledFrom([]string{"", "fine", "fine", "/approve for 7d\nfine", "/approve for x", "/deny"}).Draw(t, label+" body"),
		SubmittedAt: noon.Add(-time.Minute),
	}
	switch rapid.IntRange(0, 9).Draw(t, label+" oddity") {
	case 0:
		r.Commit = "old"
	case 1:
		r.Edited = true
	case 2:
		r.Actor.Bot = true
	case 3:
		r.SubmittedAt = noon.Add(-24 * time.Hour)
	}
	return r
}

func drawScene(t *rapid.T, tb testing.TB) *scene {
	s := newScene(tb, rapid.SampledFrom(flowsToTry).Draw(t, "flow"), rapid.SampledFrom([]string{
		forAnn, `beneficiaries: [{group: legal}], duration: indefinite`, `beneficiaries: [{serviceAccount: etl}], duration: 1mo`,
	}).Draw(t, "request"))
	for i := range rapid.IntRange(0, 6).Draw(t, "reviews") {
		s.facts.Reviews = append(s.facts.Reviews, drawReview(t, s, "r"+strconv.Itoa(i)))
	}
	return s
}

func with(s *scene, i int, r review.Review) *scene {
	out := *s
	out.facts.Reviews = slices.Insert(slices.Clone(s.facts.Reviews), i, r)
	return &out
}

func without(s *scene, i int) *scene {
	out := *s
	out.facts.Reviews = slices.Delete(slices.Clone(s.facts.Reviews), i, i+1)
	return &out
}

// stewards are the people who may decide on the first determination of j.
func stewards(j review.Judgement) []resource.Name {
	var out []resource.Name
	for _, stage := range j.Determinations[0].Stages {
		for _, src := range stage.Sources {
			out = append(out, src.People...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func idOf(name resource.Name) int {
	return map[resource.Name]int{"ann": ann, "bo": bo, "cy": cy, "dee": dee, "eve": eve, "gov": gov, "di": di, "lee": lee}[name]
}

func TestADenialByAStewardNeverLeadsToApproval(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, t)
		people := stewards(s.judge(t, theRules(t)))
		if len(people) == 0 {
			return
		}
		r := drawReview(rt, s, "denial")
		r.Actor, r.Verdict = github(idOf(rapid.SampledFrom(people).Draw(rt, "steward"))), deny
		r.Body = rapid.SampledFrom([]string{"", "no", "/deny"}).Draw(rt, "words")
		at := rapid.IntRange(0, len(s.facts.Reviews)).Draw(rt, "at")
		if j := with(s, at, r).judge(t, theRules(t)); j.Outcome != denied {
			rt.Fatalf("%s", show(t, j))
		}
	})
}

func TestTakingAReviewAwayNeverApproves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, t)
		before := s.judge(t, theRules(t))
		if before.Outcome != pending || len(s.facts.Reviews) == 0 {
			return
		}
		for i, r := range before.Determinations[0].Reviews {
			if !r.Counted {
				continue
			}
			if after := without(s, i).judge(t, theRules(t)); after.Outcome.Grants() {
				rt.Fatalf("without %s: %s", r.ID, show(t, after))
			}
		}
	})
}

func TestCommentsChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, t)
		before := s.judge(t, theRules(t)).Determinations[0]
		more := s
		for i := range rapid.IntRange(1, 4).Draw(rt, "comments") {
			r := drawReview(rt, s, "c"+strconv.Itoa(i))
			r.Verdict = comment
			more = with(more, rapid.IntRange(0, len(more.facts.Reviews)).Draw(rt, "at"), r)
		}
		after := more.judge(t, theRules(t)).Determinations[0]
		if before.Outcome != after.Outcome || !before.Until.Equal(after.Until) || before.Reason != after.Reason {
			rt.Fatalf("before %s\nafter %s", show(t, before), show(t, after))
		}
	})
}

func TestReviewsOfAnExcludedPersonChangeNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, t)
		who := rapid.SampledFrom([]int{ann, bo, cy, dee, eve, gov, lee, etl, 10}).Draw(rt, "who")
		switch rapid.IntRange(0, 2).Draw(rt, "how") {
		case 0:
			s.facts.Author = github(who)
		case 1:
			s.facts.Pushers = append(slices.Clone(s.facts.Pushers), github(who))
		default:
			s.facts.CoAuthors = []review.Actor{github(who)}
		}
		before := s.judge(t, theRules(t)).Determinations[0]
		r := drawReview(rt, s, "theirs")
		r.Actor = github(who)
		after := with(s, rapid.IntRange(0, len(s.facts.Reviews)).Draw(rt, "at"), r).judge(t, theRules(t)).Determinations[0]
		if before.Outcome != after.Outcome || !before.Until.Equal(after.Until) || before.Reason != after.Reason {
			rt.Fatalf("before %s\nafter %s", show(t, before), show(t, after))
		}
	})
}

// Whatever else is the matter, an approval has at least one counted review by
// somebody without an interest, or is automatic.
func TestEveryApprovalHasSomebodyBehindIt(t *testing.T) {
	granted := 0
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt, t)
		j := s.judge(t, theRules(t))
		if !j.Outcome.Grants() {
			return
		}
		granted++
		d := j.Determinations[0]
		counted := slices.ContainsFunc(d.Reviews, func(r review.ReviewResult) bool {
			return r.Counted && r.Verdict == approve && r.Person != "" && r.Person != "ann" && r.Person != "lee" && r.Person != "etl"
		})
		if !counted && d.Flow.Mode != resource.ReviewAutomatic {
			rt.Fatalf("%s", show(t, d))
		}
	})
	if granted == 0 {
		t.Error("no approval was drawn: the test shows nothing")
	}
}
