package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Determine judges a pull request: every request that it adds, changes or
// deletes, or the pull request as a whole where it touches anything else.
// base is the Set at facts.Base, and people, stewards, forms and flows come from
// it; head is read for the request files of the pull request alone. See
// DetermineIn for a form that was edited while the pull request was open.
//
//	paths touched                  class       judged by
//	none                           empty       nobody: skipped
//	requests/**.yaml only          request     the review flow of each request
//	reviews/*.yaml, and requests   request     the stewards of each request that the
//	that they drop or shorten                  review decides on
//	anything else only             governance  anyone with GOVERNANCE
//	both                           mixed       nobody: pending until it is split
//
//	state of a request                                outcome
//	a valid denial                                    denied
//	canceled by its author, no denial                 canceled
//	conflicts, unreadable, closed, base moved under it pending
//	rules cannot be evaluated, or answer oddly        pending
//	otherwise                                         what the rules say
//
// An error means that the facts themselves are unusable; then nothing is
// known, and nothing may be granted.
func Determine(ctx context.Context, d Decider, base, head *resource.Set, facts Facts) (Judgement, error) {
	return DetermineIn(ctx, d, Sets{Base: base, Head: head}, facts)
}

// DetermineIn is Determine with the repository as it was when the pull request
// was first seen: a form that the request pinned then still counts, with its own
// flow. Who the stewards are is asked at base.
func DetermineIn(ctx context.Context, d Decider, sets Sets, facts Facts) (Judgement, error) {
	if err := usable(facts); err != nil {
		return Judgement{}, err
	}
	c := &court{
		decider: d, base: sets.Base, head: sets.Head, opened: sets.Opened, notOpened: sets.NotOpened, facts: facts,
		dir: newDirectory(sets.Base), now: facts.ObservedAt.UTC().Truncate(time.Second),
	}
	j := Judgement{Class: classify(facts.Files)}
	switch j.Class {
	case ClassEmpty:
		j.Outcome, j.Reason, j.Determinations = Skipped, "the pull request changes nothing", []Determination{}
		return j, nil
	case ClassMixed:
		det := c.blank("")
		det.Reason = "the pull request touches requests and other files (" + otherPath(facts.Files) +
			"); split it: requests in one pull request, the rest in another"
		j.Determinations = []Determination{c.lifecycle(det)}
	case ClassGovernance:
		j.Determinations = []Determination{c.governance(ctx)}
	default:
		for _, file := range sortedFiles(facts.Files) {
			j.Determinations = append(j.Determinations, c.one(ctx, file))
		}
	}
	j.Outcome, j.Reason = overall(j.Determinations)
	return j, nil
}

// usable refuses facts that no judgement may rest on.
func usable(f Facts) error {
	if f.ObservedAt.IsZero() || f.Head == "" || f.Base == "" {
		return errors.New("judge pull request: the facts name no time, head or base")
	}
	seen := map[string]bool{}
	for _, r := range f.Reviews {
		if r.ID == "" || seen[r.ID] {
			return fmt.Errorf("judge pull request: review id %q is not unique", r.ID)
		}
		seen[r.ID] = true
	}
	paths := map[string]bool{}
	for _, file := range f.Files {
		if file.Path == "" || paths[file.Path] {
			return fmt.Errorf("judge pull request: path %q is not unique", file.Path)
		}
		paths[file.Path] = true
	}
	return nil
}

func isRequest(path string) bool {
	return strings.HasPrefix(path, "requests/") && strings.HasSuffix(path, ".yaml")
}

func classify(files []File) Class {
	requests := 0
	for _, f := range files {
		if isRequest(f.Path) || isReview(f.Path) {
			requests++
		}
	}
	switch {
	case len(files) == 0:
		return ClassEmpty
	case requests == len(files):
		return ClassRequest
	case requests == 0:
		return ClassGovernance
	default:
		return ClassMixed
	}
}

func otherPath(files []File) string {
	for _, f := range sortedFiles(files) {
		if !isRequest(f.Path) && !isReview(f.Path) {
			return f.Path
		}
	}
	return ""
}

func sortedFiles(files []File) []File {
	return slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// overall is how the pull request stands, by its worst determination.
//
//	any denied            denied
//	else any pending      pending
//	else any canceled     canceled
//	else any temporary    temporarily-approved
//	else                  approved
func overall(dets []Determination) (Outcome, string) {
	for _, o := range []Outcome{Denied, Pending, Canceled, TemporarilyApproved} {
		for _, d := range dets {
			if d.Outcome != o {
				continue
			}
			if d.Request != "" && len(dets) > 1 {
				return o, fmt.Sprintf("request %s: %s", d.Request, d.Reason)
			}
			return o, d.Reason
		}
	}
	return Approved, dets[0].Reason
}
