package review

import (
	"context"
	"encoding/json"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Outcome is how a request stands.
type Outcome string

// The outcomes. Skipped is not approved: it means that there was nothing to judge.
const (
	Skipped             Outcome = "skipped"
	Pending             Outcome = "pending"
	Approved            Outcome = "approved"
	TemporarilyApproved Outcome = "temporarily-approved"
	Denied              Outcome = "denied"
	Canceled            Outcome = "canceled"
)

// Grants reports whether the outcome gives access.
func (o Outcome) Grants() bool { return o == Approved || o == TemporarilyApproved }

// Class says what a pull request touches.
type Class string

// The classes. A request pull request touches request files only, and reviews of
// requests; anything else is governance and has a quorum of its own; a mix of
// both is refused.
const (
	ClassRequest    Class = "request"
	ClassGovernance Class = "governance"
	ClassMixed      Class = "mixed"
	ClassEmpty      Class = "empty"
)

// Decider evaluates the rules: one input, one decision, both JSON. It is asked
// at an instant, so that the same question gets the same answer later.
type Decider interface {
	Decide(ctx context.Context, input any, at time.Time) (json.RawMessage, error)
}

// Determination is how one request of a pull request stands, and why. For a
// governance pull request there is one, without Request.
type Determination struct {
	Request       resource.Name `json:"request,omitempty"`
	Review        resource.Name `json:"review,omitempty"` // the AccessReview, where it is about one
	File          string        `json:"file,omitempty"`
	Blob          string        `json:"blob,omitempty"`
	ContentDigest string        `json:"contentDigest,omitempty"` // of the request file's raw bytes: resource.Origin.Digest

	Outcome   Outcome   `json:"outcome"`
	Reason    string    `json:"reason"` // one sentence for people
	DecidedAt time.Time `json:"decidedAt"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	Until     time.Time `json:"until,omitzero"` // exclusive; zero means no end

	Flow        FlowRef        `json:"flow"`
	Stages      []StageResult  `json:"stages"`
	Reviews     []ReviewResult `json:"reviews"`
	Missing     []Need         `json:"missing,omitempty"`   // what would move it on, and who can do it
	Deadlines   *Deadlines     `json:"deadlines,omitempty"` // of a pending request
	Constraints []string       `json:"constraints,omitempty"`

	// Emergency marks approved emergency access, Reviewed is what an approved
	// access review says, Recertify the rule that bounds an approval from now on.
	Emergency *EmergencyUse       `json:"emergency,omitempty"`
	Reviewed  []Reviewed          `json:"reviewed,omitempty"`
	Recertify *resource.Recertify `json:"recertify,omitempty"`

	// Input and Decision are what was asked and answered, canonical JSON.
	Input    json.RawMessage `json:"input,omitempty"`
	Decision json.RawMessage `json:"decision,omitempty"`
}

// FlowRef says which review flow counted and where it is written.
type FlowRef struct {
	Mode resource.ReviewMode `json:"mode"`
	From string              `json:"from"` // what holds the flow: RequestForm/pii, Connection/warehouse level shop, or default
	At   string              `json:"at,omitempty"`
	Rule string              `json:"rule,omitempty"` // index of the conditional rule that matched
	// Inactive are the flows that lost to this one, each with its place.
	Inactive []string `json:"inactive,omitempty"`
}

// StageState is how a stage stands.
type StageState string

// The stage states; a blocked stage waits for the one before it.
const (
	StageApproved StageState = "approved"
	StageWaiting  StageState = "waiting"
	StageBlocked  StageState = "blocked"
)

// StageResult is how one stage stands, source by source.
type StageResult struct {
	State   StageState     `json:"state"`
	Mode    string         `json:"mode"` // any or all
	Count   int            `json:"count,omitempty"`
	Sources []SourceResult `json:"sources"`
	At      string         `json:"at,omitempty"`    // file:line:col of the stage
	Files   []string       `json:"files,omitempty"` // of a governance pull request: what this stage is about
}

// SourceResult is one steward source of a stage.
type SourceResult struct {
	Source   string          `json:"source"` // group finance-stewards
	People   []resource.Name `json:"people"` // who may answer for it
	Answered []resource.Name `json:"answered"`
	At       string          `json:"at,omitempty"`
}

// ReviewResult says for one review whose it is, whether it counted, and why not.
type ReviewResult struct {
	ID      string        `json:"id"`
	Person  resource.Name `json:"person,omitempty"`
	Actor   Actor         `json:"actor"`
	Verdict Verdict       `json:"verdict"`
	Until   time.Time     `json:"until,omitzero"`
	Reason  string        `json:"reason,omitempty"` // the reviewer's words
	Counted bool          `json:"counted"`
	Why     string        `json:"why,omitempty"` // why it did not count
}

// Need is one thing that is missing, and who can provide it.
type Need struct {
	What   string          `json:"what"`
	People []resource.Name `json:"people,omitempty"`
	At     string          `json:"at,omitempty"`
}

// Judgement is how a pull request stands as a whole: it may be merged when its
// Outcome grants, and is closed when that is denied.
type Judgement struct {
	Class          Class           `json:"class"`
	Outcome        Outcome         `json:"outcome"`
	Reason         string          `json:"reason"`
	Determinations []Determination `json:"determinations"`
	// Impact is what a change of governance would have made of past requests,
	// where that was looked at.
	Impact *Impact `json:"impact,omitempty"`
}
