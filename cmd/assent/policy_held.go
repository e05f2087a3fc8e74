package main

import (
	"context"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// approvals are the proven approvals at whatever main and the ledger are when
// they are asked for; they are proven again only after one of the two moved.
func approvals(w *workspace, a *audit.Auditor) func(context.Context) (grant.Determinations, error) {
	var (
		main gitdb.OID
		head ledger.Mark
		last grant.Determinations
	)
	return func(ctx context.Context) (grant.Determinations, error) {
		tip, err := w.db.Resolve("refs/heads/" + w.settings.Spec.MainBranch())
		if err != nil {
			return nil, err
		}
		mark, err := a.Ledger.Head(ctx)
		if err != nil {
			return nil, err
		}
		if last != nil && tip == main && mark == head {
			return last, nil
		}
		c, err := a.Custody(ctx, tip)
		if err != nil {
			return nil, err
		}
		main, head, last = tip, mark, c.Approvals
		return last, nil
	}
}

// withHeld adds what the beneficiaries hold, where a rule asks for it and the
// ledger can be read here.
func (w *workspace) withHeld(ctx context.Context, judge *determine.Judge, f forge.Forge, facts review.Facts) (review.Facts, error) {
	if w.approved == nil {
		a, err := w.auditor()
		if err != nil {
			return facts, nil //nolint:nilerr // no ledger is pinned here; the judgement says what it misses
		}
		w.approved = approvals(w, a)
	}
	return judge.Held(ctx, facts, w.approved, func(ctx context.Context) ([]*resource.AccessRequest, error) {
		return determine.Open(ctx, judge, w.db, f, facts)
	})
}
