package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// panel judges the reviews of one request: which are valid, and why the others
// are not. It does not ask whether they are enough.
type panel struct {
	dir           directory
	facts         Facts
	interests     interests
	stewards      []resource.Name // of every stage, sorted
	requireReason bool
	now           time.Time
}

// verdict is a review that was judged.
type verdict struct {
	ReviewResult
	valid bool
}

// Valid, in the order in which reasons are looked for:
//
//	review                                  approve  deny
//	actor is a bot, unknown, not a person   no       no
//	person left, or is past validUntil      no       no
//	person has an interest                  no       no
//	person is not a steward of the request  no       no
//	dismissed                               no       no, where somebody without an interest did it
//	a newer opinion of the same person      no       yes: a denial is final
//	not proven to be of this head           no       yes: a push does not clear it
//	edited                                  no       yes
//	more than MaxSaid bytes                 no       yes
//	directive that cannot be read           no       yes
//	no reason where the flow asks for one   no       yes
//	otherwise                               yes      yes
//
// A comment decides nothing and replaces nothing. Any other review replaces
// the earlier approvals of its person, also where it is not valid itself: what
// they last said is not what they said before.
func (p panel) judge() []verdict {
	latest := p.latestOpinions()
	out := make([]verdict, len(p.facts.Reviews))
	for i, r := range p.facts.Reviews {
		v := verdict{ReviewResult: ReviewResult{ID: r.ID, Actor: r.Actor, Verdict: r.Verdict, Reason: strings.TrimSpace(r.Body)}}
		if said, err := ParseDirective(r.Body, r.Verdict, p.now); err == nil {
			v.Reason = said.Reason
		}
		name, why := p.identify(r.Actor)
		v.Person = name
		if why == "" {
			why = p.standing(name)
		}
		switch {
		case r.Verdict == Comment:
			v.Why = commentWhy(r)
		case why != "":
			v.Why = why
		case r.Verdict == Deny:
			v.Why = p.denial(r)
		case r.Verdict == Approve:
			v.Why = p.approval(r, &v, p.facts.Reviews[latest[name]])
		case r.Verdict == Dismissed:
			v.Why = "it was dismissed"
		default:
			v.Why = fmt.Sprintf("%q is no verdict", r.Verdict)
		}
		v.valid = v.Why == ""
		out[i] = v
	}
	return out
}

func commentWhy(r Review) string {
	if isDirective(strings.TrimSpace(r.Body)) {
		return "a comment decides nothing; submit the directive with an approving review, or request changes"
	}
	return "a comment decides nothing"
}

// latestOpinions is the index of each person's newest review that is no comment.
func (p panel) latestOpinions() map[resource.Name]int {
	latest := map[resource.Name]int{}
	for i, r := range p.facts.Reviews {
		if r.Verdict == Comment {
			continue
		}
		for _, name := range p.dir.claimants(r.Actor) {
			latest[name] = i
		}
	}
	return latest
}

func (p panel) identify(a Actor) (resource.Name, string) {
	name, why := p.dir.person(a)
	if a.Bot {
		return name, a.String() + " is a bot; only people decide"
	}
	return name, why
}

// standing says why a person may not decide on this change; empty if they may.
func (p panel) standing(name resource.Name) string {
	u, ok := resource.UserOf(p.dir.base, name)
	switch {
	case !ok:
		return string(name) + " is not in the directory"
	case u.IsService():
		return string(name) + " is a service account; only people decide"
	case !resource.Active(u, p.now):
		return string(name) + " has left or is no longer valid"
	case p.interests[name] != "":
		return string(name) + " " + p.interests[name]
	case !slices.Contains(p.stewards, name):
		return string(name) + " is not a steward of this request"
	default:
		return ""
	}
}

func (p panel) denial(r Review) string {
	if r.DismissedBy != nil && p.neutral(*r.DismissedBy) {
		return "it was dismissed by " + r.DismissedBy.String()
	}
	// What is written with it takes no denial back: others can edit that later.
	return ""
}

// neutral reports whether an actor is one active person without an interest,
// whose dismissal of a denial can be taken for more than getting rid of it.
func (p panel) neutral(a Actor) bool {
	name, why := p.identify(a)
	u, ok := resource.UserOf(p.dir.base, name)
	return why == "" && ok && !u.IsService() && resource.Active(u, p.now) && p.interests[name] == ""
}

func (p panel) approval(r Review, v *verdict, newest Review) string {
	switch {
	case r.DismissedBy != nil:
		return "it was dismissed by " + r.DismissedBy.String()
	case newest.ID != r.ID && newest.Actor != r.Actor:
		return fmt.Sprintf("%s spoke again in review %s, from another account; a person counts once", v.Person, newest.ID)
	case newest.ID != r.ID:
		return fmt.Sprintf("%s spoke again in review %s", v.Person, newest.ID)
	}
	if why := p.ofThisHead(r); why != "" {
		return why
	}
	if r.Edited {
		return "it was edited after it was submitted; submit a new review"
	}
	if r.Cut != nil { // an end further down would be overlooked
		return fmt.Sprintf("it says more than %d bytes, which is more than is read: approve again in fewer words", MaxSaid)
	}
	d, err := ParseDirective(r.Body, Approve, p.now)
	if err != nil {
		return err.Error()
	}
	v.Until, v.Reason = d.Until, d.Reason
	if p.requireReason && d.Reason == "" {
		return "the review flow asks for a reason: approve again and say why"
	}
	return ""
}

// ofThisHead says why a review is not proven to be of what would be merged. A
// forge may move the commit that a review names, so that alone proves nothing.
func (p panel) ofThisHead(r Review) string {
	f := p.facts
	switch {
	case r.Signed != nil && r.Signed.ChangeDigest == "":
		return "its signed statement names no change"
	case r.Signed != nil && r.Signed.ChangeDigest != f.ChangeDigest:
		return fmt.Sprintf("it agrees to another change (%s, not %s); review again", r.Signed.ChangeDigest, f.ChangeDigest)
	case r.Signed != nil:
		return ""
	case r.Commit != f.Head:
		return fmt.Sprintf("it is of commit %s, not of %s; review again", r.Commit, f.Head)
	case r.FirstCommit == "":
		return "it is not known which commit it named when it was submitted; review again"
	case r.FirstCommit != r.Commit:
		return fmt.Sprintf("it was submitted on commit %q and moved to %s by the forge; review again", r.FirstCommit, r.Commit)
	case f.HeadFirstSeen.IsZero():
		return "it is not known since when this head exists, so nothing shows that the review is of it"
	case !r.SubmittedAt.After(f.HeadFirstSeen):
		return "it is not later than this head; review again"
	case r.SubmittedAt.After(f.forgeTime()):
		return "its time lies in the future"
	default:
		return ""
	}
}

// forgeTime is when the facts were read, by the clock that dates the reviews.
func (f Facts) forgeTime() time.Time {
	if f.ForgeTime.IsZero() {
		return f.ObservedAt
	}
	return f.ForgeTime
}
