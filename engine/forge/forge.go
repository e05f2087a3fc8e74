// Package forge is the contract of a place where pull requests live: it reads
// facts, publishes what they amount to, and merges. It judges nothing and never
// touches a data platform.
package forge

import (
	"context"
	"errors"
	"time"

	"github.com/assent-dev/assent/engine/review"
)

// Sentinels that callers branch on.
var (
	ErrIncomplete = errors.New("facts are incomplete") // stay pending, try again
	ErrMoved      = errors.New("head or base moved")   // observe again
	ErrForbidden  = errors.New("forbidden")
	ErrGone       = errors.New("no such pull request")
	ErrThrottled  = errors.New("throttled")
	ErrQueued     = errors.New("the forge merges it by its queue") // it is approved, and nothing is wrong
)

// Throttled is an ErrThrottled of which the forge said when to come back.
type Throttled struct {
	Until time.Time
	Err   error
}

// Error implements error.
func (t *Throttled) Error() string { return ErrThrottled.Error() + ": " + t.Err.Error() }

// Unwrap makes it an ErrThrottled.
func (t *Throttled) Unwrap() []error { return []error{ErrThrottled, t.Err} }

// RetryAt is when it makes sense to try again what failed, zero for any time.
func RetryAt(err error) time.Time {
	if t := (*Throttled)(nil); errors.As(err, &t) {
		return t.Until
	}
	return time.Time{}
}

// PullRequest names one pull request.
type PullRequest struct {
	ID      string       `json:"id"`
	Title   string       `json:"title"`
	HeadRef string       `json:"headRef"`
	Head    string       `json:"head"`
	State   review.State `json:"state"`
	// Version changes whenever the forge shows anything new of it; empty where
	// the forge does not tell.
	Version string `json:"version,omitempty"`
}

// Want is what a merge must result in; if any of it no longer holds, nothing
// is merged and the error is ErrMoved.
type Want struct {
	Base string // tip of the base branch
	Head string
	Tree string // of the merge commit
}

// Merged is a merge that happened.
type Merged struct {
	Commit string
	Parent string // first parent of Commit
	Tree   string
}

// Forge is one repository on one forge. Every method may be called again after
// a crash at any moment.
type Forge interface {
	// List returns every pull request in a state, or all for an empty state,
	// ordered by id: complete, or an error. In a list of all, one that was withdrawn
	// may be called closed: who closed it can cost a request each.
	List(ctx context.Context, state review.State) ([]PullRequest, error)
	// Observe reads every fact about a pull request, once. What it cannot
	// read is ErrIncomplete, never left out.
	Observe(ctx context.Context, id string) (review.Facts, error)
	// Publish shows how a pull request stands. Publishing the same again
	// changes nothing.
	Publish(ctx context.Context, id string, report Report) error
	// Merge merges, or fails with ErrMoved and changes nothing. A pull request
	// that is merged already with the wanted head answers with that merge.
	Merge(ctx context.Context, id string, want Want) (Merged, error)
	// Close ends a pull request without a merge.
	Close(ctx context.Context, id, reason string) error
}

// MaxText is how long the text of a Report may be, in bytes, so that every forge
// can show the whole of it next to what it adds itself.
const MaxText = 48_000

// Report is what a forge shows about a pull request.
type Report struct {
	Head      string
	Judgement review.Judgement
	Markdown  string // the whole text for people
	// Key is what people must learn of at once. Where it and the head are as they
	// were, a forge may leave an older text standing for a day. Markdown where
	// empty.
	Key string
	// State is how it stands, in a word or two, for a label; Line says it with who
	// can move it on; Why is the tree of rules. A forge does without where empty.
	State, Line, Why string
	// Ask are the people whose review is still needed and who may give it. Remind
	// asks those again who were asked before.
	Ask    []review.Actor
	Remind bool
	// Notes are what people are to be told once, each one line.
	Notes []string
	// Remembered renders what the forge keeps beside the text; nil for nothing.
	Remembered func(Memory) string
}

// Comment is what somebody wrote below a pull request, as it was first written.
type Comment struct {
	ID    string
	Actor review.Actor
	Body  string
	At    time.Time
}

// Listener is a forge on which people can send commands in comments.
type Listener interface {
	// Commands returns the newest comments that begin with a slash and that the
	// engine did not answer yet, the oldest first. Edited ones and those of bots
	// are left out.
	Commands(ctx context.Context, id string) ([]Comment, error)
	// Answer marks a comment as answered: followed, or not. It may be called again.
	Answer(ctx context.Context, id, comment string, followed bool) error
}
