package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// record appends what this round did and noticed, as one batch, and what an
// earlier round did but died before recording.
//
// A ledger that does not hold is left as it is, so that the true one can be put
// in its place; what was done is recorded once it is.
func (r *Reconciler) record(ctx context.Context, rd *round) error {
	if !rd.ledgerHolds {
		return nil
	}
	var drafts []ledger.Draft
	for _, t := range rd.targets {
		made, err := t.effects(rd)
		if err != nil {
			return err
		}
		drafts = append(drafts, made...)
	}
	noticed, err := r.observations(ctx, rd)
	if err != nil {
		return err
	}
	for _, d := range noticed {
		body, _ := d.Body.(ledger.ObservationBody)
		if !rd.custody.Observed[audit.ObservationKey(d.Subject, body.Code)] {
			drafts = append(drafts, d)
		}
	}
	if len(drafts) == 0 {
		return nil
	}
	appended, err := r.Ledger.Append(ctx, r.Key, r.Now(), drafts...)
	if err != nil {
		return fmt.Errorf("append to ledger: %w", err)
	}
	rd.report.Records = len(appended)
	last := appended[len(appended)-1]
	rd.report.Ledger = ledger.Mark{Seq: last.Seq, Digest: last.Digest}
	return nil
}

// effects are the records of a connection: one for each change that was read
// back, and one for each grant that stands or is gone without a record.
//
//	change ended      recorded as
//	applied, done     applied (grant, extend, provision) or revoked (revoke, retire)
//	residual          revoked, with the status, because our grant is gone
//	failed, pending   nothing: it is tried again
func (t *target) effects(rd *round) ([]ledger.Draft, error) {
	if t.err != nil && len(t.outcomes) == 0 {
		return nil, nil
	}
	var out []ledger.Draft
	touched := map[grant.Key]bool{}
	for _, o := range t.outcomes {
		if o.Change.Grant != nil {
			touched[o.Change.Grant.Key()] = true
		}
		if o.Status == platform.Failed || o.Status == platform.Pending {
			continue
		}
		made, err := t.effect(o, rd.lateness(o.Change))
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	if t.err != nil || rd.report.Frozen != "" {
		return out, nil //nolint:nilerr // the report tells of it
	}
	lost, err := t.unrecorded(rd, touched)
	return append(out, lost...), err
}

// unrecorded compares what was observed with what the ledger knows, for grants
// that no change of this round was about.
//
//	observed and wanted  in the ledger     recorded as
//	yes                  no                applied
//	yes                  otherwise         applied, as it is now
//	no                   yes               revoked
func (t *target) unrecorded(rd *round, touched map[grant.Key]bool) ([]ledger.Draft, error) {
	name := t.connection.Ref().Name
	wanted, there := map[grant.Key]bool{}, map[grant.Key]bool{}
	for _, g := range rd.wish.All().Grants {
		wanted[g.Key()] = true
	}
	var out []ledger.Draft
	add := func(action plan.Action, reason plan.Reason, g grant.Grant) error {
		made, err := t.effect(platform.Outcome{Status: platform.Done, Change: plan.Change{Action: action, Reason: reason, Grant: &g}}, 0)
		out = append(out, made...)
		return err
	}
	for _, g := range t.state.Ours.Grants {
		there[g.Key()] = true
		known, recorded := rd.custody.Applied[g.Key()]
		same := recorded && known.NotAfter.Equal(g.NotAfter) && slices.Equal(known.Requests, g.Requests)
		if wanted[g.Key()] && !same && !touched[g.Key()] {
			if err := add(plan.Allow, plan.ReasonApproved, g); err != nil {
				return nil, err
			}
		}
	}
	var gone []grant.Grant
	for key, g := range rd.custody.Applied {
		if key.Connection == name && !there[key] && !touched[key] {
			gone = append(gone, g)
		}
	}
	slices.SortFunc(gone, grant.Grant.Compare)
	for _, g := range gone {
		reason := plan.ReasonDrift
		if !g.NotAfter.IsZero() && !rd.report.At.Before(g.NotAfter) {
			reason = plan.ReasonExpired
		}
		if err := add(plan.Revoke, reason, g); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// maxChange is how large the change in one record may be, in bytes of JSON, so
// that a record stays well below ledger.MaxRecord.
const maxChange = 256 << 10

// effect is the record of an outcome: several, where a role is too large for one.
func (t *target) effect(o platform.Outcome, late int64) ([]ledger.Draft, error) {
	var out []ledger.Draft
	for i, part := range o.Change.Parts(maxChange) {
		d, err := t.draft(o, late, part, i)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (t *target) draft(o platform.Outcome, late int64, part plan.Change, number int) (ledger.Draft, error) {
	change, err := ledger.Canonical(part)
	if err != nil {
		return ledger.Draft{}, fmt.Errorf("encode change: %w", err)
	}
	body := ledger.EffectBody{
		Role: o.Change.RoleKey().RoleName(), Reason: string(o.Change.Reason), Status: string(o.Status),
		ServerID: t.state.ServerID, SessionsEnded: o.SessionsEnded, LateSeconds: late, Detail: o.Detail, Change: change, Part: number,
	}
	subject := ledger.Subject{Connection: string(t.connection.Ref().Name)}
	if g := o.Change.Grant; g != nil {
		body.Principal, body.NotAfter = g.Principal, g.NotAfter
		for _, ref := range g.Requests {
			if ref.Kind == resource.KindAccessRequest { // a product is no request: its birthright stands in the change
				body.Requests = append(body.Requests, string(ref.Name))
			}
		}
		if len(body.Requests) == 1 {
			subject.Request = body.Requests[0]
		}
	}
	kind := ledger.TypeApplied
	if o.Change.Action == plan.Revoke || o.Change.Action == plan.Retire {
		kind = ledger.TypeRevoked
	}
	return ledger.Draft{Type: kind, Subject: subject, Body: body}, nil
}

// observations are what people should know of: brakes, freezes, commits and
// requests without a determination. Each is recorded once.
func (r *Reconciler) observations(ctx context.Context, rd *round) ([]ledger.Draft, error) {
	var out []ledger.Draft
	add := func(s ledger.Subject, code, format string, args ...any) {
		out = append(out, ledger.Draft{Type: ledger.TypeObservation, Subject: s, Body: ledger.ObservationBody{Code: code, Detail: fmt.Sprintf(format, args...)}})
	}
	for _, c := range rd.report.Connections {
		if c.Held != nil {
			add(ledger.Subject{Connection: string(c.Name), PlanDigest: ledger.Digest(c.Held.Digest)}, audit.CodeMassRevocationHeld, "%s", c.Held.Error())
		}
	}
	for _, c := range rd.report.Connections {
		if c.Code == CodeAbandoned { // in a part there is none
			add(ledger.Subject{Connection: string(c.Name)}, string(c.Code), "%s", c.Unknown)
		}
	}
	for _, t := range rd.targets {
		for _, o := range t.outcomes {
			subject := ledger.Subject{Connection: string(t.connection.Ref().Name), PlanDigest: ledger.Digest(plan.Digest([]plan.Change{o.Change}))}
			if o.Change.Action == plan.Provision && lasts(o) {
				add(subject, string(o.Code), "%s", audit.Partly(o.Change.RoleKey(), o.Detail))
			}
			for _, name := range lasting(o) {
				subject.Request = string(name)
				add(subject, string(o.Code), "%s", audit.Failing(*o.Change.Grant, o.Detail))
			}
		}
	}
	if rd.part {
		return out, ctx.Err() // the round itself tells the rest
	}
	for _, f := range rd.custody.Findings {
		if f.Code != audit.CodeOtherRules {
			add(ledger.Subject{Request: string(f.Request), Blob: f.Commit}, string(f.Code), "record %d: %s", f.Seq, f.Detail)
		}
	}
	if rd.report.Frozen != "" {
		add(ledger.Subject{Blob: rd.report.Main}, "frozen", "%s", rd.report.Frozen)
		return out, nil // what follows rests on a main and a ledger that hold
	}
	commits, err := r.unrecordedCommits(rd)
	if err != nil {
		return nil, err
	}
	for _, oid := range commits {
		add(ledger.Subject{Blob: string(oid)}, "merged-unapproved", "commit %s is on %s without a determination", oid, r.Branch)
	}
	for req := range resource.Of[*resource.AccessRequest](rd.set) {
		name := req.Ref().Name
		_, dropped := rd.custody.Dropped[name]
		if _, ok := rd.custody.Approvals[name]; !ok && !dropped {
			add(ledger.Subject{Request: string(name), Blob: req.Source.OID}, string(audit.CodeNoRecord), "%s is on %s without a determination: it gives no access", req.Source.File, r.Branch)
		}
	}
	return out, ctx.Err()
}

// lasts reports whether a change did not come about, or not in full, for a reason
// that only people can remove.
func lasts(o platform.Outcome) bool {
	reasons := []platform.Code{platform.NoAccount, platform.NoObject, platform.NoColumn, platform.NotOurs, platform.NoRight, platform.Unsupported, platform.Ambiguous, platform.BadName}
	return (o.Status == platform.Failed || o.Status == platform.Pending) && slices.Contains(reasons, o.Code)
}

// lasting are the requests that an outcome leaves without a grant for a reason
// that only people can remove; what may pass by itself is tried again in silence.
func lasting(o platform.Outcome) []resource.Name {
	if o.Change.Action != plan.Allow || !lasts(o) {
		return nil
	}
	var out []resource.Name
	for _, r := range o.Change.Grant.Requests {
		if r.Kind == resource.KindAccessRequest {
			out = append(out, r.Name)
		}
	}
	return out
}

// unrecordedCommits are the commits on main since the high-water mark that no
// determination merged.
func (r *Reconciler) unrecordedCommits(rd *round) ([]gitdb.OID, error) {
	hw, known, err := r.highWater()
	if err != nil || !known {
		return nil, err // in the first round, what is on main is where trust begins
	}
	commits, _, err := r.DB.FirstParents(gitdb.OID(rd.report.Main), hw.Main)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", r.Branch, err)
	}
	var out []gitdb.OID
	for _, c := range slices.Backward(commits) {
		if !rd.custody.Merges[c.OID] {
			out = append(out, c.OID)
		}
	}
	return out, nil
}

// remember moves the high-water mark forward; a frozen round does not.
func (r *Reconciler) remember(ctx context.Context, rd *round) error {
	if r.HighWater == "" || rd.report.Frozen != "" {
		return nil
	}
	hw, err := r.Ledger.HighWater(ctx, r.mainRef())
	if err != nil {
		return fmt.Errorf("read ledger tip: %w", err)
	}
	hw.Main = gitdb.OID(rd.report.Main) // what this round saw; main may have moved since
	if err := ledger.SaveHighWater(r.HighWater, hw); err != nil {
		return fmt.Errorf("save high-water mark: %w", err)
	}
	return nil
}
