// Package ledger keeps what was decided and what was done: signed, chained
// records on an ordinary branch. It knows bytes, signatures and records, and
// nothing of products or platforms; whether a determination was right is for
// package audit to say.
package ledger

import (
	"encoding/json"
	"time"
)

// Schema is the version of the record format.
const Schema = "assent.record/v1"

// Type is the kind of a record. Each has a signature namespace of its own.
type Type string

// The record types.
const (
	TypeDetermination Type = "determination"
	TypeRevocation    Type = "revocation"
	TypeApplied       Type = "applied"
	TypeRevoked       Type = "revoked"
	TypeObservation   Type = "observation"
	TypeOverride      Type = "override"
	TypeSeal          Type = "seal"
	TypeCheckpoint    Type = "checkpoint"
)

// Namespace is the sshsig namespace that signs records of the type.
func (t Type) Namespace() string { return "assent." + string(t) + ".v1" }

// Role is who may sign which types.
type Role string

// The roles. Neither of the two engine keys may sign the other's types.
const (
	Root        Role = "root"        // seals
	Determining Role = "determining" // determination, revocation, override
	Reconciling Role = "reconciling" // applied, revoked, observation, checkpoint
)

// Digest is "sha256:" and 64 hexadecimal digits.
type Digest string

// Record is one entry. Its bytes are JSON with this field order, two spaces of
// indent, no floats and one final newline; a verifier re-encodes and compares.
type Record struct {
	Schema     string          `json:"schema"`
	Type       Type            `json:"type"`
	Repo       string          `json:"repo"`       // Repository spec.id
	Seq        uint64          `json:"seq,string"` // dense, from 1
	Prev       Digest          `json:"prev"`       // of the bytes of the record before; empty for the first
	RecordedAt time.Time       `json:"recordedAt"` // for people; never used for validity
	Subject    Subject         `json:"subject"`
	Body       json.RawMessage `json:"body"` // one of the body types below
}

// Subject is what a record is about.
type Subject struct {
	Request       string `json:"request,omitempty"`
	Review        string `json:"review,omitempty"` // the AccessReview, where the record is about one
	Path          string `json:"path,omitempty"`
	Blob          string `json:"blob,omitempty"`
	ContentDigest Digest `json:"contentDigest,omitempty"`
	PlanDigest    Digest `json:"planDigest,omitempty"`
	Connection    string `json:"connection,omitempty"`
}

// DeterminationBody says how a request was decided, on which facts.
type DeterminationBody struct {
	Outcome   string    `json:"outcome"` // approved, temporarily-approved, denied, canceled
	Reason    string    `json:"reason,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	Until     time.Time `json:"until,omitzero"` // exclusive; absent means no end
	DecidedAt time.Time `json:"decidedAt"`
	Change    Merged    `json:"change"`
	Policy    PolicyRef `json:"policy"`
	// Facts is everything that was known of the pull request, reviews with
	// their signatures included, so that the decision can be made again.
	Facts json.RawMessage `json:"facts"`
	// Stages is who counted, who did not and why.
	Stages json.RawMessage `json:"stages"`
	// Plan is the resolved plan that PlanDigest covers.
	Plan json.RawMessage `json:"plan"`
}

// Merged is the merge that brought a request into force; Commit is empty for a
// determination that merged nothing, such as a denial.
type Merged struct {
	Forge       string `json:"forge"`
	PullRequest string `json:"pullRequest"`
	Base        string `json:"base"`   // the commit that reviews were judged at
	Head        string `json:"head"`   // the commit that was reviewed
	Parent      string `json:"parent"` // first parent of Commit
	Commit      string `json:"commit,omitempty"`
	Tree        string `json:"tree,omitempty"`
}

// PolicyRef says by which rules a decision was made.
type PolicyRef struct {
	Engine   string `json:"engine"`   // name and version of what evaluated
	Builtin  Digest `json:"builtin"`  // of the built-in rules
	Custom   Digest `json:"custom"`   // of the organisation's rules at the base commit
	Input    Digest `json:"input"`    // of what was evaluated
	Decision Digest `json:"decision"` // of what came out
}

// RevocationBody ends an approval before its time.
type RevocationBody struct {
	Determination string `json:"determination"` // seq of the record it ends
	By            string `json:"by"`
	Reason        string `json:"reason"`
}

// EffectBody says what was done on a platform and read back: the body of
// applied and revoked records.
type EffectBody struct {
	Role          string          `json:"role"`
	Principal     string          `json:"principal,omitempty"`
	NotAfter      time.Time       `json:"notAfter,omitzero"`
	Requests      []string        `json:"requests,omitempty"`
	Reason        string          `json:"reason"`
	Status        string          `json:"status"` // applied, done, residual
	ServerID      string          `json:"serverId"`
	SessionsEnded int             `json:"sessionsEnded,omitempty"`
	LateSeconds   int64           `json:"lateSeconds,omitempty"` // how long after its end an access still stood
	Detail        string          `json:"detail,omitempty"`
	Change        json.RawMessage `json:"change,omitempty"`
	// Part counts the records of one change that is too large for one, from 0.
	Part int `json:"part,omitempty"`
}

// ObservationBody is something the engine noticed: drift, a merge without a
// determination, a freeze.
type ObservationBody struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// OverrideBody is people's word over a brake, such as a held batch.
type OverrideBody struct {
	Code   string   `json:"code"`
	Batch  Digest   `json:"batch,omitempty"`
	By     []string `json:"by"`
	Reason string   `json:"reason"`
}

// SealBody names the engine's keys from a sequence number on.
type SealBody struct {
	From        uint64 `json:"from,string"`
	Determining string `json:"determining"` // public key, authorized_keys form
	Reconciling string `json:"reconciling"`
	// DistrustFrom voids what earlier keys that this seal does not name again
	// signed from that sequence number on.
	DistrustFrom uint64 `json:"distrustFrom,string,omitempty"`
	Reason       string `json:"reason"`
}

// CheckpointBody repeats a position of the ledger, so that a witness who keeps
// the record can later prove that history was changed.
type CheckpointBody struct {
	Mark Mark   `json:"mark"`
	Main string `json:"main,omitempty"` // tip of the main branch
}

// Mark is a position in the ledger: the last record that was seen.
type Mark struct {
	Seq    uint64 `json:"seq,string"`
	Digest Digest `json:"digest"`
}
