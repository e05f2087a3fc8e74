package determine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// queue judges what the forge's merge queue would put on the base branch for a
// pull request, and says so there. A queue that gets no word waits, so a success
// is only ever said of the very commit that was judged:
//
//	the commit                                          what is said of it
//	is the merge of its parent and the reviewed head,
//	approved at its parent, which is on the base branch
//	or a group that is approved itself                  that it is approved
//	the same, and not approved there                    denied: it goes back
//	approved, and its parent is another group that is
//	not approved, or a commit that nobody judged        pending
//	holds anything else                                 denied: it goes back
func (d *Determiner) queue(ctx context.Context, known book, facts review.Facts) error {
	q, ok := d.Forge.(forge.Queue)
	if !ok {
		return nil
	}
	groups, err := q.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.PullRequest != facts.PullRequest {
			continue
		}
		j, err := d.group(ctx, known, facts, g, groups, len(groups))
		if err != nil {
			return fmt.Errorf("judge the group of %s: %w", g.PullRequest, err)
		}
		report := forge.Report{}
		if d.Render != nil {
			report = d.Render(ctx, facts, j)
		}
		report.Head, report.Judgement = g.Commit, j
		if err := q.PublishGroup(ctx, g, report); err != nil {
			return err
		}
	}
	return nil
}

// group judges one group; at most so many others are looked at on the way to the
// base branch.
func (d *Determiner) group(ctx context.Context, known book, facts review.Facts, g forge.Group, all []forge.Group, most int) (review.Judgement, error) {
	at, err := AtMerge(d.DB, facts, gitdb.OID(g.Commit))
	if errors.Is(err, ErrNotMerged) {
		return refused("the merge queue made something else than the merge of what was reviewed"), nil
	}
	if err != nil {
		return review.Judgement{}, err
	}
	judged, err := d.Judge.Judge(ctx, at)
	if err != nil {
		return review.Judgement{}, err
	}
	if !judged.Outcome.Grants() {
		if judged.Outcome == review.Pending {
			return refused(judged.Reason), nil
		}
		return judged.Judgement, nil
	}
	on, err := d.DB.IsAncestor(gitdb.OID(at.Base), gitdb.OID(facts.Base))
	if err != nil || on {
		return judged.Judgement, err
	}
	i := slices.IndexFunc(all, func(o forge.Group) bool { return o.Commit == at.Base })
	if i < 0 || most == 0 {
		return pending("the merge queue puts it on a commit that nobody judged"), nil
	}
	before, err := d.Forge.Observe(ctx, all[i].PullRequest)
	if err != nil {
		return review.Judgement{}, fmt.Errorf("observe %s: %w", all[i].PullRequest, err)
	}
	if before, err = d.complete(ctx, known, before); err != nil {
		return review.Judgement{}, err
	}
	j, err := d.group(ctx, known, before, all[i], all, most-1)
	if err != nil || j.Outcome.Grants() {
		return judged.Judgement, err
	}
	return pending("it waits in the merge queue for pull request " + all[i].PullRequest + ", which is not approved there: " + j.Reason), nil
}

// complete adds to the facts of a pull request what the ledger says.
func (d *Determiner) complete(ctx context.Context, known book, facts review.Facts) (review.Facts, error) {
	facts, err := d.Judge.Recall(ctx, facts, known.duties.At(known.head.Seq))
	if err != nil {
		return facts, err
	}
	return d.withHeld(ctx, facts)
}

// refused sends a group back to its pull request, which tells what is missing.
func refused(why string) review.Judgement {
	return review.Judgement{Class: review.ClassRequest, Outcome: review.Denied, Reason: why}
}
