package determine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// readsAccess is the field of input that tells rules what people hold.
const readsAccess = "access"

// maxHeld bounds what is recorded of it, in bytes of JSON: half a record.
const maxHeld = 512 << 10

// notRead is why a request is held where a rule asks what people hold and that is
// not among the facts: a rule that sees nothing would object to nothing.
const notRead = "a rule of the organisation asks what the beneficiaries hold already, and that was not read"

// Others are the requests of the other open pull requests, for the facts of one.
type Others func(ctx context.Context) ([]*resource.AccessRequest, error)

// Held adds to the facts what the beneficiaries hold, where a rule of the
// organisation at the base asks for it: by the approvals in force, by birthright
// and, marked as pending, by the requests of others. It is a fact like any other:
// recorded, and not read again when the record is judged again.
func (j *Judge) Held(ctx context.Context, facts review.Facts, approvals func(context.Context) (grant.Determinations, error), others Others) (review.Facts, error) {
	base, err := j.loader.At(ctx, gitdb.OID(facts.Base))
	if err != nil {
		return facts, fmt.Errorf("load base: %w", err)
	}
	engine, err := j.engine(ctx, base.Policies)
	if err != nil || !engine.Reads(readsAccess) || approvals == nil {
		return facts, nil //nolint:nilerr // rules that do not compile are told of when they judge
	}
	head, err := j.loader.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return facts, fmt.Errorf("load head: %w", err)
	}
	held := map[resource.Name][]review.HeldAccess{}
	for _, req := range requestsIn(head.Set, facts.Files) {
		for _, p := range resource.People(base.Set, req.Spec.Beneficiaries) {
			held[p] = []review.HeldAccess{}
		}
	}
	if len(held) > 0 {
		approved, err := approvals(ctx)
		if err != nil {
			return facts, fmt.Errorf("read what people hold: %w", err)
		}
		addApproved(held, base.Set, approved, facts.ObservedAt)
		addBirthrights(held, base.Set, facts.ObservedAt)
		if others != nil {
			pending, err := others(ctx)
			if err != nil {
				return facts, fmt.Errorf("read what people ask for: %w", err)
			}
			for _, req := range pending {
				addHeld(held, resource.People(base.Set, req.Spec.Beneficiaries), review.HeldBy(base.Set, req, time.Time{}, true))
			}
		}
	}
	sortHeld(held)
	raw, err := json.Marshal(held)
	if err != nil {
		return facts, fmt.Errorf("encode what people hold: %w", err)
	}
	if len(raw) > maxHeld {
		return facts, fmt.Errorf("read what people hold: it is %d bytes, more than the %d that a record can keep; ask for fewer people at once", len(raw), maxHeld)
	}
	facts.Held = held
	return facts, nil
}

func requestsIn(set *resource.Set, files []review.File) []*resource.AccessRequest {
	var out []*resource.AccessRequest
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.Path] = f.NewBlob != ""
	}
	for req := range resource.Of[*resource.AccessRequest](set) {
		if wanted[req.Origin().File] {
			out = append(out, req)
		}
	}
	return out
}

func addHeld(held map[resource.Name][]review.HeldAccess, people []resource.Name, access review.HeldAccess) {
	for _, p := range people {
		if _, wanted := held[p]; wanted {
			held[p] = append(held[p], access)
		}
	}
}

// addApproved: an approval counts until its end, from the moment it is made.
func addApproved(held map[resource.Name][]review.HeldAccess, base *resource.Set, approved grant.Determinations, at time.Time) {
	for name, approval := range approved {
		req, ok := resource.Get[*resource.AccessRequest](base, resource.KindAccessRequest, name)
		if !ok || !approval.Until.IsZero() && !at.Before(approval.Until) {
			continue
		}
		addHeld(held, resource.People(base, req.Spec.Beneficiaries), review.HeldBy(base, req, approval.Until, false))
	}
}

func addBirthrights(held map[resource.Name][]review.HeldAccess, base *resource.Set, at time.Time) {
	for p := range resource.Of[*resource.DataProduct](base) {
		for _, entry := range p.Spec.Birthright {
			req := &resource.AccessRequest{Spec: resource.AccessRequestSpec{
				Target: resource.Target{Product: p.Ref().Name}, AccessLevel: entry.Level(),
			}}
			addHeld(held, resource.BirthrightOf(base, entry, at), review.HeldBy(base, req, time.Time{}, false))
		}
	}
}

func sortHeld(held map[resource.Name][]review.HeldAccess) {
	for _, list := range held {
		slices.SortFunc(list, func(a, b review.HeldAccess) int {
			return strings.Compare(heldKey(a), heldKey(b))
		})
	}
}

func heldKey(a review.HeldAccess) string {
	return fmt.Sprintf("%v\x00%s\x00%s\x00%s", a.Pending, a.Target, a.Request, a.AccessLevel)
}

// Open are the requests of the open pull requests but for one, read from git
// where it has their heads, and from the forge where it does not yet.
func Open(ctx context.Context, j *Judge, db *gitdb.DB, f forge.Forge, facts review.Facts) ([]*resource.AccessRequest, error) {
	list, err := f.List(ctx, review.StateOpen)
	if err != nil {
		return nil, fmt.Errorf("list pull requests: %w", err)
	}
	var out []*resource.AccessRequest
	for _, pr := range list {
		if pr.ID == facts.PullRequest {
			continue
		}
		files, err := changedBy(ctx, db, f, facts, pr)
		if errors.Is(err, forge.ErrGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", pr.ID, err)
		}
		head, err := j.loader.At(ctx, gitdb.OID(pr.Head))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", pr.ID, err)
		}
		out = append(out, requestsIn(head.Set, files)...)
	}
	return out, nil
}

func changedBy(ctx context.Context, db *gitdb.DB, f forge.Forge, facts review.Facts, pr forge.PullRequest) ([]review.File, error) {
	if _, err := db.Commit(gitdb.OID(pr.Head)); errors.Is(err, gitdb.ErrNotFound) {
		other, err := f.Observe(ctx, pr.ID)
		return other.Files, err
	}
	base, err := db.MergeBase(gitdb.OID(facts.Base), gitdb.OID(pr.Head))
	if err != nil {
		return nil, err
	}
	files, _, err := readChange(db, facts.Repo, base, gitdb.OID(pr.Head))
	return files, err
}

// withHeld is Held with what the determiner knows.
func (d *Determiner) withHeld(ctx context.Context, facts review.Facts) (review.Facts, error) {
	return d.Judge.Held(ctx, facts, d.Approvals, func(ctx context.Context) ([]*resource.AccessRequest, error) {
		return Open(ctx, d.Judge, d.DB, d.Forge, facts)
	})
}

// holdUnread keeps what a blind rule let through pending.
func holdUnread(out *Judged, facts review.Facts, reads func(field string) bool) {
	if facts.Held != nil || !reads(readsAccess) || !out.Outcome.Grants() {
		return
	}
	held := false
	for i := range out.Determinations {
		if d := &out.Determinations[i]; d.Outcome.Grants() && d.Request != "" && d.Blob != "" {
			d.Outcome, d.Reason, d.Until, held = review.Pending, notRead, time.Time{}, true
		}
	}
	if held {
		out.Outcome, out.Reason = review.Pending, notRead
	}
}
