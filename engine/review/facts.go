// Package review turns facts about a pull request into determinations. All
// facts are read before it is called; it judges and does nothing else: no I/O,
// no clock, no memory. Which reviews are valid and who they come from is fixed
// here in Go; whether they are enough is a question for the rules in Rego,
// asked through a Decider. Forms, flows, stewards and people are taken from the
// base commit only.
package review

import (
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Actor is who did something, as the forge knows them: a numeric user id, or
// the fingerprint of a signing key. Login is for display only.
type Actor struct {
	Forge string `json:"forge"` // local, github …
	ID    string `json:"id"`
	Login string `json:"login,omitempty"`
	Bot   bool   `json:"bot,omitempty"`
}

// Verdict is what a review says.
type Verdict string

// The verdicts.
const (
	Approve   Verdict = "approve"
	Deny      Verdict = "deny"
	Comment   Verdict = "comment"
	Dismissed Verdict = "dismissed"
)

// Review is one review, in the order in which the forge took them.
type Review struct {
	ID      string  `json:"id"`
	Actor   Actor   `json:"actor"`
	Verdict Verdict `json:"verdict"`
	Body    string  `json:"body"`          // as Said keeps it
	Cut     *Cut    `json:"cut,omitempty"` // nil where Body is all that was said
	// Commit is the head that the review names now, FirstCommit the one it
	// named when it was first seen. A forge may move the former.
	Commit      string    `json:"commit"`
	FirstCommit string    `json:"firstCommit"`
	SubmittedAt time.Time `json:"submittedAt"`
	Edited      bool      `json:"edited,omitempty"`
	DismissedBy *Actor    `json:"dismissedBy,omitempty"`
	// Signed is set where the review is a signed statement of its own that
	// names head and digest; then no clock is needed to tell what was reviewed.
	Signed *Signed `json:"signed,omitempty"`
}

// Signed is a statement and its signature, kept so that anybody can check it
// again. ChangeDigest is the ChangeDigest of the Facts that the reviewer saw.
type Signed struct {
	Namespace    string `json:"namespace"`
	Payload      string `json:"payload"`
	Signature    string `json:"signature"`
	ChangeDigest string `json:"changeDigest"`
}

// File is one file that the pull request changes, from merge base to head.
type File struct {
	Path    string `json:"path"`
	Mode    string `json:"mode"` // octal, of the new file
	OldBlob string `json:"oldBlob,omitempty"`
	NewBlob string `json:"newBlob,omitempty"`
}

// State is where a pull request is in its life.
type State string

// The states of a pull request.
const (
	StateOpen     State = "open"
	StateMerged   State = "merged"
	StateClosed   State = "closed"
	StateCanceled State = "canceled" // withdrawn by its author
)

// Facts is everything that counts about a pull request, read at one time.
type Facts struct {
	Repo        string `json:"repo"` // Repository spec.id
	Forge       string `json:"forge"`
	PullRequest string `json:"pullRequest"`
	Title       string `json:"title,omitempty"`
	State       State  `json:"state"`
	BaseRef     string `json:"baseRef"`
	Base        string `json:"base"` // tip of BaseRef
	// OpenedBase is the tip of BaseRef when the engine first saw the pull
	// request, which its own signature attests; empty where it does not.
	OpenedBase string `json:"openedBase,omitempty"`
	Head       string `json:"head"`
	MergeBase  string `json:"mergeBase"`
	ResultTree string `json:"resultTree"` // of merging Head into Base; empty when they conflict
	Conflicts  string `json:"conflicts,omitempty"`
	// Author is who opened the pull request or, where the engine opened it for an
	// issue, the author of that Issue, as the forge says.
	Author    Actor   `json:"author"`
	Issue     string  `json:"issue,omitempty"`
	Pushers   []Actor `json:"pushers"`
	CoAuthors []Actor `json:"coAuthors"`
	Files     []File  `json:"files"`
	// Held is what the beneficiaries hold and ask for besides this pull request;
	// nil where it was not read, because no rule of the organisation asks for it.
	Held map[resource.Name][]HeldAccess `json:"held,omitzero"`
	// ChangeDigest covers the repository, every changed path and its new bytes;
	// it is what reviewers agree to, and survives a rebase.
	ChangeDigest  string    `json:"changeDigest"`
	Reviews       []Review  `json:"reviews"`
	HeadFirstSeen time.Time `json:"headFirstSeen,omitzero"` // by the forge's clock; zero where reviews are signed statements
	OpenedAt      time.Time `json:"openedAt,omitzero"`
	ObservedAt    time.Time `json:"observedAt"` // by the engine's clock
	// ForgeTime is the forge's own clock when it was read, for what the forge dates;
	// zero where it shows none, and then ObservedAt stands for it.
	ForgeTime time.Time `json:"forgeTime,omitzero"`
	// Emergencies is what the ledger says of emergency access, read where the pull
	// request asks for it or looks back at it. Nil where it was not read; then
	// neither can be approved.
	Emergencies *Emergencies `json:"emergencies,omitempty"`
}
