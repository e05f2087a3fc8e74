// Package audit answers questions over main and the ledger: which approvals are
// in force and proven, and whether the whole chain holds. It needs git objects
// and public keys only, changes nothing and reaches no forge and no platform.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Code is a stable reason why a record gives no access.
type Code string

// The reasons.
const (
	CodeNotOnMain   Code = "not-on-main"   // the merge is not on main's first-parent chain
	CodeParent      Code = "parent"        // the merge's first parent is another commit
	CodeTree        Code = "tree"          // the merge holds another tree than what was reviewed gives
	CodeFile        Code = "file"          // the request file at head or merge is not the recorded blob
	CodeDigest      Code = "digest"        // a digest does not match the bytes
	CodeFacts       Code = "facts"         // the facts are not those that git has, or do not decode
	CodeSignature   Code = "signature"     // a review's own signature does not hold
	CodeOutcome     Code = "outcome"       // judged again, the outcome is another
	CodeUnreadable  Code = "unreadable"    // the record's body does not decode
	CodeOtherRules  Code = "other-rules"   // made by other built-in rules; today's come to the same, so it counts
	CodeReplayed    Code = "replayed"      // the merge was determined before
	CodeRemoved     Code = "removed"       // the request file was removed from main since
	CodeNoRecord    Code = "no-record"     // on main without a determination
	CodeUnjudgeable Code = "not-judgeable" // judging again ended in an error
)

// Finding is one thing that does not hold, or could not be checked.
type Finding struct {
	Seq     uint64        `json:"seq,omitempty"`
	Request resource.Name `json:"request,omitempty"`
	Commit  string        `json:"commit,omitempty"`
	Code    Code          `json:"code"`
	Detail  string        `json:"detail"`
}

// Custody is what the ledger proves at one tip of main.
type Custody struct {
	Main gitdb.OID
	Head ledger.Mark
	// Approvals are the determinations that passed every check and were not
	// ended since.
	Approvals grant.Determinations
	// Dropped are the approvals that an access review ended, and why.
	Dropped map[resource.Name]Dropped
	// Emergencies is the emergency access that still waits for its review, or was
	// found to be misuse.
	Emergencies review.Emergencies
	// Applied are the grants that were applied and not revoked since, as recorded.
	Applied map[grant.Key]grant.Grant
	// Roles are the roles that were provisioned and not retired since, as recorded.
	Roles map[grant.RoleKey]grant.Role
	// Servers is the server that each connection was last seen to be.
	Servers map[resource.Name]string
	// Merges are the merge commits that have a record.
	Merges map[gitdb.OID]bool
	// Observed are the codes that were observed already, by subject.
	Observed map[string]bool
	// Confirmed are the batches that people confirmed.
	Confirmed map[string]bool
	// Findings tell why a record counts for nothing.
	Findings []Finding
	// Records and Determinations count what was checked.
	Records, Determinations int
}

// Auditor checks a repository and its ledger. It remembers what it has checked,
// and may be used by several goroutines.
type Auditor struct {
	DB     *gitdb.DB
	Ledger *ledger.Ledger
	Judge  *determine.Judge

	mu       sync.Mutex
	line     mainline
	verdicts map[ledger.Digest]verdict // by record
}

// used is one request of one merge: it is determined once, and never again.
type used struct {
	merge   gitdb.OID
	request resource.Name
}

// replay is a Custody in the making.
type replay struct {
	*Custody
	line *mainline
	used map[used]uint64          // the record that was admitted for it
	from map[resource.Name]source // what an approval rests on
	// terms are those of each approval; duties of all records so far.
	terms  map[resource.Name]terms
	duties *determine.Duties
}

// source is the merge and the file that an approval rests on.
type source struct {
	merge gitdb.OID
	path  string
}

// verdict is what checking one record once came to.
type verdict struct {
	finding  *Finding // nil where everything holds
	holds    bool     // whether it counts
	approved *resource.AccessRequest
}

// Custody replays the ledger and checks every determination against main. An
// error means that nothing is proven: the caller may revoke what expires and
// grant nothing.
func (a *Auditor) Custody(ctx context.Context, main gitdb.OID) (Custody, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := Custody{
		Main: main, Approvals: grant.Determinations{}, Applied: map[grant.Key]grant.Grant{}, Roles: map[grant.RoleKey]grant.Role{},
		Dropped: map[resource.Name]Dropped{},
		Servers: map[resource.Name]string{}, Merges: map[gitdb.OID]bool{}, Observed: map[string]bool{}, Confirmed: map[string]bool{},
	}
	if err := a.line.follow(a.DB, main); err != nil {
		return c, fmt.Errorf("list main: %w", err)
	}
	r := replay{&c, &a.line, map[used]uint64{}, map[resource.Name]source{}, map[resource.Name]terms{}, &determine.Duties{}}
	for v, err := range a.Ledger.Replay(ctx) {
		if err != nil {
			return c, fmt.Errorf("replay ledger: %w", err)
		}
		c.Records++
		c.Head = ledger.Mark{Seq: v.Seq, Digest: v.Digest}
		if err := a.apply(ctx, r, v); err != nil {
			return c, err
		}
	}
	r.dropRemoved()
	c.Emergencies = r.duties.At(c.Head.Seq)
	return c, nil
}

// dropRemoved takes back the approvals whose request file main has removed since,
// by whomever. A later commit that puts the same bytes back does not bring the
// approval back. What an edit does to an approval is for package grant to say.
func (r replay) dropRemoved() {
	for _, name := range slices.Sorted(maps.Keys(r.Approvals)) {
		from := r.from[name]
		by, ok := r.line.removedAfter(from.path, from.merge)
		if !ok {
			continue
		}
		if _, back := r.line.there(from.path); back {
			r.Findings = append(r.Findings, Finding{
				Seq: r.Approvals[name].Seq, Request: name, Commit: string(by), Code: CodeRemoved,
				Detail: from.path + " was removed by commit " + string(by) + " and put back; only a new request can bring its approval back",
			})
		}
		delete(r.Approvals, name)
	}
}

// apply takes one verified record into the custody.
func (a *Auditor) apply(ctx context.Context, r replay, v ledger.Verified) error {
	switch v.Type {
	case ledger.TypeDetermination:
		return a.applyDetermination(ctx, r, v)
	case ledger.TypeRevocation:
		delete(r.Approvals, resource.Name(v.Subject.Request))
	case ledger.TypeApplied, ledger.TypeRevoked:
		return applyEffect(r.Custody, v)
	case ledger.TypeObservation:
		body, err := v.Observation()
		if err != nil {
			return fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		r.Observed[ObservationKey(v.Subject, body.Code)] = true
	case ledger.TypeOverride:
		body, err := v.Override()
		if err != nil {
			return fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		if body.Code == CodeMassRevocation && body.Batch != "" {
			r.Confirmed[string(body.Batch)] = true
		}
	}
	return nil
}

// The codes of the brake: people confirm a batch with an override of the first,
// and that it was held is an observation of the second.
const (
	CodeMassRevocation     = "mass-revocation"
	CodeMassRevocationHeld = "mass-revocation-held"
)

// ObservationKey tells observations apart, so that each is made once.
func ObservationKey(s ledger.Subject, code string) string {
	return code + "\x00" + s.Request + "\x00" + s.Connection + "\x00" + s.Blob + "\x00" + string(s.PlanDigest)
}

func applyEffect(c *Custody, v ledger.Verified) error {
	body, err := v.Effect()
	if err != nil {
		return fmt.Errorf("read record %d: %w", v.Seq, err)
	}
	connection := resource.Name(v.Subject.Connection)
	if body.ServerID != "" {
		c.Servers[connection] = body.ServerID
	}
	var change plan.Change
	if err := json.Unmarshal(body.Change, &change); err != nil {
		return fmt.Errorf("read record %d: change: %w", v.Seq, err)
	}
	if v.Type == ledger.TypeRevoked && change.Reason != plan.ReasonExpired || change.PriorRole != nil {
		c.useConfirmations()
	}
	switch {
	case change.Role != nil && v.Type == ledger.TypeApplied:
		c.Roles[change.Role.RoleKey] = change.Made(c.Roles[change.Role.RoleKey], body.Part)
	case change.Role != nil:
		delete(c.Roles, change.Role.RoleKey)
	}
	if change.Grant == nil {
		return nil
	}
	if v.Type == ledger.TypeApplied {
		c.Applied[change.Grant.Key()] = *change.Grant
	} else {
		delete(c.Applied, change.Grant.Key())
	}
	return nil
}

// useConfirmations ends every confirmation so far, because something was taken
// away: a confirmed batch passes once, and the same batch later is held again.
func (c *Custody) useConfirmations() {
	clear(c.Confirmed)
	maps.DeleteFunc(c.Observed, func(key string, _ bool) bool { return strings.HasPrefix(key, CodeMassRevocationHeld+"\x00") })
}

func (a *Auditor) applyDetermination(ctx context.Context, r replay, v ledger.Verified) error {
	r.Determinations++
	body, err := v.Determination()
	if err != nil {
		r.Findings = append(r.Findings, Finding{Seq: v.Seq, Code: CodeUnreadable, Detail: err.Error()})
		return nil //nolint:nilerr // what cannot be read counts for nothing
	}
	request := resource.Name(v.Subject.Request)
	if body.Change.Commit != "" {
		r.Merges[gitdb.OID(body.Change.Commit)] = true
	}
	ruling, err := determine.RulingOf(body)
	if err != nil {
		r.Findings = append(r.Findings, Finding{Seq: v.Seq, Request: request, Code: CodeUnreadable, Detail: err.Error()})
		return nil //nolint:nilerr // the finding tells of it
	}
	if !review.Outcome(body.Outcome).Grants() || v.Subject.Blob == "" || subjectOf(v) == "" {
		return nil
	}
	checked, err := a.admit(ctx, r, v, body)
	if err != nil {
		return fmt.Errorf("check record %d: %w", v.Seq, err)
	}
	if f := checkDuties(*r.duties, v, body, ruling); f != nil && checked.holds {
		checked = verdict{finding: f}
	}
	if f := checked.finding; f != nil {
		told := *f
		told.Seq, told.Request, told.Commit = v.Seq, request, body.Change.Commit
		r.Findings = append(r.Findings, told)
	}
	if err := r.duties.Take(v, body); err != nil {
		return err
	}
	if checked.holds {
		r.used[used{gitdb.OID(body.Change.Commit), subjectOf(v)}] = v.Seq
	}
	if v.Subject.Review != "" {
		r.answer(v, body, ruling.Reviewed, checked.holds)
	}
	if checked.approved == nil {
		return nil
	}
	begins := body.NotBefore
	if body.DecidedAt.After(begins) {
		begins = body.DecidedAt // what is decided in the future is not in force yet
	}
	r.begin(grant.Approval{
		Request: request, ContentDigest: checked.approved.Digest(), PlanDigest: string(v.Subject.PlanDigest),
		NotBefore: begins, Until: body.Until, Seq: v.Seq, DecidedAt: body.DecidedAt, Approved: checked.approved,
	}, ruling.Recertify)
	r.from[request] = source{gitdb.OID(body.Change.Commit), v.Subject.Path}
	return nil
}

// subjectOf names what a record is about: a request, or reviews/NAME, which no
// request is called.
func subjectOf(v ledger.Verified) resource.Name {
	if v.Subject.Request == "" && v.Subject.Review != "" {
		return resource.Name("reviews/" + v.Subject.Review)
	}
	return resource.Name(v.Subject.Request)
}

const maxRequestBytes = 32 << 10
