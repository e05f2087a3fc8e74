package gitea

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// makers finds who had a hand in a pull request: who pushed, as the server saw
// it, and everybody whom its commits name. Identities in commits are their
// author's word; they keep people out and let nobody in.
//
// Of what was on the branch before the pull request was opened, the server names
// who opened it. A commit that is in no push which the timeline tells of is not
// taken in yet, or its push is hidden: either way it is not known who pushed.
func (g *Gitea) makers(mergeBase, base gitdb.OID, events []event, facts *review.Facts) error {
	pushers := []review.Actor{facts.Author}
	came := map[string]bool{}
	for _, e := range events {
		p, ok := e.push()
		if !ok {
			continue
		}
		pushers = append(pushers, e.User.actor())
		if p.Force && len(p.Commits) > 0 {
			p.Commits = p.Commits[len(p.Commits)-1:]
		}
		for _, oid := range p.Commits {
			came[oid] = true
		}
	}
	facts.Pushers = distinct(pushers)
	commits, err := change.Commits(g.cfg.DB, base, mergeBase, gitdb.OID(facts.Head))
	if err != nil {
		return err
	}
	var named []review.Actor
	for _, c := range commits {
		if !came[string(c.OID)] {
			return fmt.Errorf("the timeline does not say who pushed commit %s: %w", c.OID, change.ErrNotYet)
		}
		for _, p := range []gitdb.Person{c.Author, c.Committer} {
			named = append(named, review.Actor{Forge: Name, Login: p.Name + " <" + p.Email + ">"})
		}
		for _, t := range change.Trailers(c.Message, "co-authored-by") {
			named = append(named, review.Actor{Forge: Name, Login: t})
		}
	}
	facts.CoAuthors = distinct(named)
	return nil
}

func distinct(actors []review.Actor) []review.Actor {
	slices.SortFunc(actors, func(a, b review.Actor) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Login, b.Login))
	})
	return slices.Compact(actors)
}
