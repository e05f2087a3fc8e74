package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// EventType is what happened. Each type has a signature namespace of its own.
type EventType string

// The event types. The first three and canceled are people's, the others the
// engine's; canceled is for the one who opened.
const (
	TypeOpened    EventType = "opened"
	TypePushed    EventType = "pushed" // the head moved
	TypeReview    EventType = "review"
	TypeCanceled  EventType = "canceled"
	TypePublished EventType = "published"
	TypeMerged    EventType = "merged"
	TypeClosed    EventType = "closed"
)

// Namespace is the sshsig namespace that signs events of the type.
func (t EventType) Namespace() string { return "assent." + string(t) + ".v1" }

func (t EventType) engine() bool { return t == TypePublished || t == TypeMerged || t == TypeClosed }

const (
	eventSchema = "assent.event/v1"
	maxEvent    = 1 << 20 // bytes
	maxText     = 64 << 10
	maxTitle    = 1 << 10
	maxEvents   = 9999 // four digits
)

// Event is one entry of a pull request's log. Its bytes are JSON with this
// field order, two spaces of indent and one final newline.
type Event struct {
	Schema       string    `json:"schema"`
	Forge        string    `json:"forge"`
	Repo         string    `json:"repo"`
	PullRequest  string    `json:"pullRequest"`
	Seq          int       `json:"seq"`  // dense, from 1
	Prev         string    `json:"prev"` // digest of the event before; empty for the first
	Type         EventType `json:"type"`
	BaseRef      string    `json:"baseRef"`
	Base         string    `json:"base"` // tip of BaseRef at that time
	HeadRef      string    `json:"headRef"`
	Head         string    `json:"head"`         // in a merged event, what was merged
	ChangeDigest string    `json:"changeDigest"` // of Head against Base
	Actor        string    `json:"actor"`        // fingerprint of the signing key
	At           time.Time `json:"at"`           // by the signer's clock; decides nothing

	Title   string         `json:"title,omitempty"`   // opened
	Verdict review.Verdict `json:"verdict,omitempty"` // review
	Outcome review.Outcome `json:"outcome,omitempty"` // published
	Body    string         `json:"body,omitempty"`    // review, published; the reason in canceled and closed
	Report  string         `json:"report,omitempty"`  // published: digest of the report
	Merge   string         `json:"merge,omitempty"`   // merged: the merge commit

	Payload   []byte `json:"-"` // the signed bytes
	Signature []byte `json:"-"`
}

func (e Event) file() string { return fmt.Sprintf("events/%04d-%s.json", e.Seq, e.Type) }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return buf.Bytes(), nil
}

// seal encodes and signs an event.
func seal(e Event, by signature.Signer) (Event, error) {
	payload, err := encode(e)
	if err != nil {
		return Event{}, err
	}
	if len(payload) > maxEvent {
		return Event{}, fmt.Errorf("write event: %d bytes, at most %d", len(payload), maxEvent)
	}
	sig, err := by.Sign(e.Type.Namespace(), payload)
	if err != nil {
		return Event{}, fmt.Errorf("sign event: %w", err)
	}
	e.Payload, e.Signature = payload, sig
	return e, nil
}

// unseal checks that an event's bytes are the only ones that mean it, and that
// the key it names signed them.
func unseal(payload, sig []byte, want EventType) (Event, error) {
	var e Event
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errors.New("decode event: more than one value")
	}
	again, err := encode(e)
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(again, payload) {
		return Event{}, errors.New("decode event: bytes are not in the one accepted form")
	}
	if e.Type != want {
		return Event{}, fmt.Errorf("type is %q, the file says %q", e.Type, want)
	}
	key, err := signature.Verify(want.Namespace(), payload, sig)
	if err != nil {
		return Event{}, err
	}
	if key.Fingerprint() != e.Actor {
		return Event{}, fmt.Errorf("names %s, but %s signed it", e.Actor, key.Fingerprint())
	}
	e.Payload, e.Signature = payload, sig
	return e, nil
}

var oidPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

// wellFormed checks what an event must say whatever came before it.
func (e Event) wellFormed() error {
	switch {
	case e.Schema != eventSchema || e.Forge != Name:
		return fmt.Errorf("is a %q of forge %q", e.Schema, e.Forge)
	case !oidPattern.MatchString(e.Base) || !oidPattern.MatchString(e.Head):
		return errors.New("base or head is not an object id")
	case e.Title != "" && e.Type != TypeOpened,
		e.Verdict != "" && e.Type != TypeReview,
		(e.Outcome != "" || e.Report != "") && e.Type != TypePublished,
		e.Merge != "" && e.Type != TypeMerged:
		return errors.New("has a field of another type")
	case e.Type == TypeReview && !known(e.Verdict):
		return fmt.Errorf("has verdict %q", e.Verdict)
	case e.Type == TypeMerged && !oidPattern.MatchString(e.Merge):
		return errors.New("names no merge commit")
	}
	return nil
}

func known(v review.Verdict) bool {
	return v == review.Approve || v == review.Deny || v == review.Comment
}

// text refuses what JSON cannot hold byte by byte, and what nobody reads.
func text(what, s string, limit int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8", what)
	}
	if len(s) > limit {
		return fmt.Errorf("%s has %d bytes, at most %d", what, len(s), limit)
	}
	return nil
}
