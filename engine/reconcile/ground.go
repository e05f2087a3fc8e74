package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

func (r *Reconciler) mainRef() string { return "refs/heads/" + r.Branch }

// maxReads bounds how often main may move while it and the ledger are read.
const maxReads = 5

// ground reads what a round rests on: main, and what the ledger proves there.
// Main must not move meanwhile: a merge comes before its record, so a record
// that was read then is of a merge that was read too.
func (r *Reconciler) ground(ctx context.Context) (rd *round, settings *resource.Repository, err error) {
	for range maxReads {
		rd = &round{ledgerHolds: true}
		r.follow(ctx, rd)
		rd.report.At = r.Now().UTC().Truncate(time.Second)
		if settings, err = r.stand(ctx, rd); err != nil {
			return nil, nil, err
		}
		if rd.report.Stale == "" {
			r.follow(ctx, rd) // the ledger may have been read from there after main
		}
		if now, err := r.DB.Resolve(r.mainRef()); err != nil || string(now) == rd.report.Main {
			break
		}
	}
	return rd, settings, nil //nolint:nilerr // a main that cannot be read again is judged by what was read
}

// follow brings main here. It has a limit: an expiry does not wait for a forge.
func (r *Reconciler) follow(ctx context.Context, rd *round) {
	if r.Follow == nil {
		return
	}
	const most = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := r.Follow(ctx); err != nil {
		rd.report.Stale = err.Error()
	}
}

// stand decides what the round rests on, and whether it is frozen.
//
//	main                                      rests on                  frozen
//	descends from the last, every file read   main                      no
//	descends, but a file cannot be read       files of the last main    yes
//	does not descend from it, or is gone      the last main             yes
//
// Without a last main, one with an unreadable file is all there is; one without
// settings is an error, because then no connection is known either.
func (r *Reconciler) stand(ctx context.Context, rd *round) (*resource.Repository, error) {
	hw, known, err := r.highWater()
	if err != nil {
		rd.freeze("%v", err)
	}
	tip, err := r.tip(rd, hw, known)
	if err != nil {
		return nil, err
	}
	snapshot, settings, err := r.files(ctx, tip)
	switch {
	case err != nil && !known:
		return nil, err
	case err != nil:
		rd.freeze("%v", err)
	case snapshot.Problems.HasErrors():
		rd.report.Problems = snapshot.Problems
		rd.freeze("%s has files that cannot be read: mend them, or the requests in them would look deleted", r.Branch)
	}
	if known && rd.report.Frozen != "" {
		if snapshot, settings, err = r.files(ctx, hw.Main); err != nil {
			return nil, err
		}
	}
	rd.set = snapshot.Set
	if known {
		if err := r.Ledger.CheckHighWater(ctx, ledger.HighWater{Ledger: hw.Ledger, Tip: hw.Tip}); err != nil {
			rd.ledgerHolds = false
			rd.freeze("%v", err)
		}
	}
	if rd.custody, err = r.Custodian.Custody(ctx, tip); err != nil {
		rd.ledgerHolds = false
		rd.freeze("%v", err)
	}
	return settings, ctx.Err()
}

// tip is the commit of main to rest on.
func (r *Reconciler) tip(rd *round, hw ledger.HighWater, known bool) (gitdb.OID, error) {
	tip, err := r.DB.Resolve(r.mainRef())
	if err != nil && !known {
		return "", fmt.Errorf("read %s: %w", r.Branch, err)
	}
	rd.report.Main = string(tip)
	switch {
	case err != nil:
		rd.freeze("read %s: %v", r.Branch, err)
		return hw.Main, nil
	case !known || r.descends(tip, hw.Main):
		return tip, nil
	default:
		rd.freeze("%s was rewritten: %s does not descend from %s, where it was before", r.Branch, tip, hw.Main)
		return hw.Main, nil
	}
}

func (r *Reconciler) descends(tip, from gitdb.OID) bool {
	_, found, err := r.DB.FirstParents(tip, from)
	if err == nil && !found {
		found, err = r.DB.IsAncestor(from, tip)
	}
	return err == nil && found
}

func (r *Reconciler) files(ctx context.Context, commit gitdb.OID) (*repo.Snapshot, *resource.Repository, error) {
	snapshot, err := r.Loader.At(ctx, commit)
	if err != nil {
		return nil, nil, fmt.Errorf("load %s: %w", r.Branch, err)
	}
	settings, ok := snapshot.Set.Repository()
	if !ok {
		return nil, nil, fmt.Errorf("load %s: no readable assent.yaml: nothing is granted and nothing revoked but what ends", r.Branch)
	}
	return snapshot, settings, nil
}

// highWater is how far main and the ledger had come in the last round that was
// not frozen; known is false in the first round, where trust begins.
func (r *Reconciler) highWater() (hw ledger.HighWater, known bool, err error) {
	if r.HighWater == "" {
		return hw, false, nil
	}
	hw, err = ledger.LoadHighWater(r.HighWater)
	if errors.Is(err, fs.ErrNotExist) {
		return hw, false, nil
	}
	if err != nil {
		return hw, false, fmt.Errorf("read high-water mark: %w", err)
	}
	return hw, hw.Main != "", nil
}

var _ Custodian = (*audit.Auditor)(nil)
