// Package reconcile makes the platforms as main and the ledger want them: it
// observes, plans, applies, reads back, records, and waits for the next expiry.
// It is the only home of goroutines and of the clock. It holds the reconciling
// key and never the determining one.
//
// The grant path fails closed: whatever cannot be proven gives nothing. The
// revoke path acts on positive evidence alone (an end that has passed, a
// request that is gone from a main it could read whole) and never gives up.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/signature"
)

// Custodian says what the ledger proves at a tip of main.
type Custodian interface {
	Custody(ctx context.Context, main gitdb.OID) (audit.Custody, error)
}

// Opener opens the platform of a connection.
type Opener func(ctx context.Context, connection *resource.Connection) (platform.Platform, error)

// Reconciler reconciles one governance repository.
type Reconciler struct {
	DB        *gitdb.DB
	Loader    *repo.Loader
	Branch    string // main
	Custodian Custodian
	Ledger    *ledger.Ledger
	Key       signature.Signer // the reconciling key
	Open      Opener
	Now       func() time.Time
	// HighWater is the file that remembers how far main and ledger had come.
	HighWater string
	// Patience is how long one platform may take to be read, and again to be
	// changed, before it is given up for the time; a minute unless stated.
	Patience time.Duration
	// Lag is how long a round of Run waits for one platform before it goes on
	// without it; two seconds unless stated.
	Lag time.Duration
	// OnRound is told of every round of Run.
	OnRound func(Report, error)
	// Wake makes Run look at once, whenever it can be received from; nil for never.
	Wake <-chan struct{}
	// Follow brings main here, where it is another repository's; nil where it is
	// our own. Where it fails, the round rests on what is here.
	Follow func(context.Context) error
}

// Step is one change as it was planned and, after Apply, as it ended.
type Step struct {
	plan.Change
	Status platform.Status `json:"status,omitempty"`
	Code   platform.Code   `json:"code,omitempty"`
	Detail string          `json:"detail,omitempty"`
	// LateSeconds is how long after its end an access still stood at the time of
	// the round; see Status for whether it still does.
	LateSeconds int64 `json:"lateSeconds,omitempty"`
}

// ended reports whether the change was read back.
func (s Step) ended() bool { return s.Status == platform.Applied || s.Status == platform.Done }

// Connection is what one round found and did on one connection.
type Connection struct {
	Name       resource.Name        `json:"name"`
	Platform   string               `json:"platform"`
	Mode       resource.Mode        `json:"mode,omitempty"`    // the furthest that any level of it goes
	Unknown    string               `json:"unknown,omitempty"` // why it could not be observed
	Code       platform.Code        `json:"code,omitempty"`
	Hint       string               `json:"hint,omitempty"` // the next step, for a person
	Busy       bool                 `json:"busy,omitempty"` // work on it goes on beside the rounds, and reports by itself
	Foreign    []platform.Foreign   `json:"foreign,omitempty"`
	Account    []platform.Finding   `json:"account,omitempty"`    // what is wrong with the engine's own account
	Statements []platform.Statement `json:"statements,omitempty"` // of a plan
	Steps      []Step               `json:"steps"`
	Held       *plan.LimitError     `json:"held,omitempty"`
	// Untouched are the changes that the mode leaves to people.
	Untouched []plan.Change `json:"untouched,omitempty"`
	// Standing counts the grants of ours that stand in roles that are only
	// observed: they end, and nothing else becomes of them.
	Standing int `json:"standing,omitempty"`
	// Discovered are the paths of what discovery found, no file declares, and an
	// approved request for a level opens; see resource.FutureDiscovered.
	Discovered [][]string `json:"discovered,omitempty"`
}

// Idle reports whether nothing is lost while the connection cannot be read: it is
// only observed, and nothing of ours has to end there.
func (c Connection) Idle() bool {
	return c.Mode == resource.ModeObserve && c.Standing == 0 && len(c.Steps) == 0 && c.Held == nil
}

// unknown keeps why the connection could not be read or written.
func (c *Connection) unknown(err error) {
	c.Unknown, c.Code = err.Error(), platform.CodeOf(err)
	var pe *platform.Error
	if errors.As(err, &pe) {
		c.Hint = pe.Hint
	}
}

// Report is what one round found and did.
type Report struct {
	At          time.Time         `json:"at"`
	Main        string            `json:"main"`
	Ledger      ledger.Mark       `json:"ledger"`
	Connections []Connection      `json:"connections"`
	Prevented   []grant.Prevented `json:"prevented,omitempty"`
	Findings    []audit.Finding   `json:"findings,omitempty"`
	Problems    diag.List         `json:"problems,omitempty"`
	// Frozen says why nothing but due expiries may change; empty when not.
	Frozen string `json:"frozen,omitempty"`
	// Stale says why main may have moved on without this round knowing.
	Stale   string    `json:"stale,omitempty"`
	Records int       `json:"records"` // appended to the ledger
	Next    time.Time `json:"next,omitzero"`
	// Took is how long Run had it take.
	Took time.Duration `json:"-"`
}

// Changes counts what was planned or done.
func (r Report) Changes() int {
	n := 0
	for _, c := range r.Connections {
		n += len(c.Steps)
	}
	return n
}

// Settled reports whether every change ended well and nothing was left out.
func (r Report) Settled() bool {
	for _, c := range r.Connections {
		if c.Unknown != "" && !c.Idle() || c.Held != nil {
			return false
		}
		for _, s := range c.Steps {
			if !s.ended() {
				return false
			}
		}
	}
	return r.Frozen == "" && r.Stale == ""
}

// round is one round in the making.
type round struct {
	report   Report
	set      *resource.Set
	custody  audit.Custody
	wish     grant.Wish
	targets  []*target
	plan     plan.Plan
	observed []plan.Observed
	// part says that the round is the rest of an earlier one, for one connection.
	part bool
	// ledgerHolds says that the ledger verifies and has only grown. Where it does
	// not, nothing is appended to it.
	ledgerHolds bool
}

// freeze adds a reason to change nothing but due expiries.
func (rd *round) freeze(format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	if rd.report.Frozen != "" {
		reason = rd.report.Frozen + "\n" + reason
	}
	rd.report.Frozen = reason
}

// target is one connection of main.
type target struct {
	connection *resource.Connection
	platform   platform.Platform
	state      platform.State
	found      []*resource.DataSource // what no file declares, to be opened all the same
	account    []platform.Finding     // of the engine's own account
	err        error
	read       work          // opening and reading; what is above is its own until it is over
	applied    work          // changing, and the outcomes likewise
	took       time.Duration // of reading
	ahead      string        // why the platform knows another ledger than ours
	busy       bool          // an earlier round's work on it is not over
	outcomes   []platform.Outcome
	applyErr   error
	survey     platform.Survey // for drift, where the platform can tell
	surveyed   bool
}

// Plan works out what a round would do and the statements it would run, and
// changes nothing.
func (r *Reconciler) Plan(ctx context.Context) (Report, error) {
	rd, err := r.prepare(ctx, nil)
	if err != nil {
		return Report{}, err
	}
	defer rd.close()
	for i, t := range rd.targets {
		changes := rd.plan.For(t.connection.Ref().Name)
		c := &rd.report.Connections[i]
		for _, ch := range changes {
			c.Steps = append(c.Steps, Step{Change: ch})
		}
		if t.err == nil && len(changes) > 0 {
			if c.Statements, err = t.platform.Preview(ctx, changes); err != nil {
				return rd.report, fmt.Errorf("preview %s: %w", c.Name, err)
			}
		}
	}
	return rd.report, nil
}

// Once makes one round, and waits for every platform. The report tells what was
// done even when the error is not nil; what failed is tried again in the next round.
func (r *Reconciler) Once(ctx context.Context) (Report, error) {
	return r.once(ctx, nil)
}

func (r *Reconciler) once(ctx context.Context, l *lanes) (Report, error) {
	rd, err := r.prepare(ctx, l)
	if err != nil {
		return Report{}, err
	}
	defer rd.close()
	r.apply(ctx, rd, l)
	if err := ctx.Err(); err != nil {
		return rd.report, err
	}
	if err := r.record(ctx, rd); err != nil {
		return rd.report, err
	}
	return rd.report, r.remember(ctx, rd)
}

func (rd *round) close() {
	for _, t := range rd.targets {
		if t.platform != nil {
			_ = t.platform.Close()
		}
	}
}

// prepare reads everything, then works out the plan.
func (r *Reconciler) prepare(ctx context.Context, l *lanes) (*round, error) {
	rd, settings, err := r.ground(ctx)
	if err != nil {
		return nil, err
	}
	for c := range resource.Of[*resource.Connection](rd.set) {
		rd.targets = append(rd.targets, l.target(c))
	}
	r.read(ctx, rd, l)
	r.judge(ctx, rd, settings, l)
	return rd, nil
}

// judge works out the plan from what was read.
func (r *Reconciler) judge(ctx context.Context, rd *round, settings *resource.Repository, l *lanes) {
	l.remind(rd)
	for _, t := range rd.targets {
		t.refuseAccount()
		r.checkTarget(ctx, rd, t)
		rd.observed = append(rd.observed, observedOf(rd, t))
		c := Connection{Name: t.connection.Ref().Name, Platform: t.connection.Spec.Platform, Mode: t.connection.Furthest(), Discovered: t.discovered(), Foreign: t.state.Foreign, Account: t.account}
		switch {
		case t.busy:
			l.tell(&c)
		case t.err != nil:
			c.unknown(t.err)
		}
		rd.report.Connections = append(rd.report.Connections, c)
	}
	if !rd.part {
		rd.report.Connections = append(rd.report.Connections, abandoned(rd)...)
	}
	rd.set = rd.withFound()
	rd.wish = grant.Desired(rd.set, rd.custody.Approvals, rd.report.At)
	rd.report.Prevented, rd.report.Findings = rd.wish.Prevented, rd.custody.Findings
	rd.report.Ledger = rd.custody.Head
	if next, ok := grant.Next(rd.set, rd.custody.Approvals, rd.report.At); ok {
		rd.report.Next = next
	}
	r.compute(rd, settings.Spec.Limits.MassRevocation)
}

// abandoned are the connections with grants of ours that main does not let us
// reach any more: nothing ends those grants, so nobody may overlook them.
func abandoned(rd *round) []Connection {
	count := map[resource.Name]int{}
	for key := range rd.custody.Applied {
		count[key.Connection]++
	}
	for _, t := range rd.targets {
		delete(count, t.connection.Ref().Name)
	}
	var out []Connection
	for _, name := range slices.Sorted(maps.Keys(count)) {
		out = append(out, Connection{Name: name, Code: CodeAbandoned, Unknown: fmt.Sprintf(
			"connection %s is gone, but %d grants stand there and will not end: put its file back until they are revoked", name, count[name])})
	}
	return out
}

// CodeAbandoned is the reason code of a connection that main gave up while
// grants still stand there.
const CodeAbandoned platform.Code = "abandoned"

// checkTarget refuses a connection that reaches another server than before, and
// freezes when the platform has seen another ledger than ours, or a later one.
func (r *Reconciler) checkTarget(ctx context.Context, rd *round, t *target) {
	if t.err != nil {
		return
	}
	name := t.connection.Ref().Name
	if known := rd.custody.Servers[name]; known != "" && known != t.state.ServerID {
		t.err = &platform.Error{
			Connection: name, Code: platform.NotOurs,
			Err:  fmt.Errorf("it reaches server %s, but grants were made on %s", t.state.ServerID, known),
			Hint: "point the connection back, or register the new server under a new connection",
		}
		return
	}
	if t.state.Mark.Seq == 0 || !rd.ledgerHolds {
		return
	}
	seen := ledger.Mark{Seq: t.state.Mark.Seq, Digest: ledger.Digest(t.state.Mark.Digest)}
	if err := r.Ledger.CheckHighWater(ctx, ledger.HighWater{Ledger: seen}); err != nil {
		t.ahead = fmt.Sprintf("%s has seen another ledger, up to record %d: fetch it, or find out who rolled it back: %v", name, seen.Seq, err)
		rd.ledgerHolds = false
		rd.freeze("%s", t.ahead)
	}
}

// observedOf is what the plan may rest on: the platform's word, or for one that
// cannot be read the ledger's, which is good for due expiries only.
func observedOf(rd *round, t *target) plan.Observed {
	name := t.connection.Ref().Name
	o := plan.Observed{Connection: name, State: t.state.Ours, Err: t.err}
	if t.err != nil {
		o.State = grant.State{}
		for key, g := range rd.custody.Applied {
			if key.Connection == name {
				o.State.Grants = append(o.State.Grants, g)
			}
		}
		slices.SortFunc(o.State.Grants, grant.Grant.Compare)
	}
	return o
}

func (r *Reconciler) compute(rd *round, limits resource.MassRevocation) {
	due := takeDue(rd)
	if rd.report.Frozen != "" {
		rd.plan.Changes = due
		return
	}
	desired := rd.desired()
	bounds := plan.DefaultLimits
	if limits.Count != nil {
		bounds.Count = *limits.Count
	}
	if limits.Percent != nil {
		bounds.Percent = *limits.Percent
	}
	bounds.Confirmed = rd.custody.Confirmed
	p, held := plan.Compute(desired, rd.observed, bounds)
	p.Changes = append(due, p.Changes...) // revocations come first anyway
	rd.plan = p
	for i := range rd.report.Connections {
		c := &rd.report.Connections[i]
		c.Untouched = plan.Plan{Changes: p.Untouched}.For(c.Name)
	}
	for i, o := range rd.observed {
		for _, g := range o.State.Grants {
			if rd.wish.ModeOf(g.RoleKey) == resource.ModeObserve {
				rd.report.Connections[i].Standing++
			}
		}
	}
	for _, e := range held {
		for i := range rd.report.Connections {
			if rd.report.Connections[i].Name == e.Connection {
				rd.report.Connections[i].Held = e
			}
		}
	}
}

// desired is what should be, with what the ledger knows of it.
func (rd *round) desired() plan.Desired {
	d := plan.Desired{
		State: rd.wish.All(), Ended: ended(rd.custody.Approvals, rd.report.At), Left: grant.LeftAccounts(rd.set, rd.report.At),
		Applied: map[grant.Key]bool{}, Mode: rd.wish.ModeOf, AppliedRoles: rd.custody.Roles,
	}
	for key := range rd.custody.Applied {
		d.Applied[key] = true
	}
	return d
}
