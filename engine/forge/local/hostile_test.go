package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/forge/forgetest"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

func TestContractIsWhole(t *testing.T) { forgetest.Whole(t, (*harness)(nil)) }

// Cannot is what only a server makes possible.
func (h *harness) Cannot() map[string]string {
	return map[string]string{
		"Retargeter":   "every event names the one base branch, and an event for another one does not verify",
		"StatusForger": "what the engine says is an event that its own key signs, and one by another key does not verify",
		"Renamer":      "people are known by their keys, and nobody can take over a key's name because it has none",
		"Laggard":      "it reads the repository that was written to, and no server's picture of it",
		"Throttler":    "there is no server that could refuse to answer",
		"Methodical":   "it merges by a commit of two parents and in no other way",
	}
}

func (h *harness) Replace(ctx context.Context, by, id string, files map[string]string) error {
	l := h.forge()
	log, err := l.load(id)
	if err != nil {
		return err
	}
	ref := log.events[0].HeadRef
	head, err := h.db.Resolve(ref)
	if err != nil {
		return err
	}
	next, err := l.commit(h.keys[by], gitdb.OID(h.Base()), bytesOf(files), "anew\n", gitdb.Person{})
	if err != nil {
		return err
	}
	if err := h.db.MoveRef(ref, head, next); err != nil {
		return err
	}
	_, err = l.Push(ctx, h.keys[by], id, nil, "")
	return err
}

func (h *harness) PushDated(ctx context.Context, by, id string, files map[string]string, at time.Time) error {
	l := h.forge()
	l.cfg.Now = func() time.Time { return at }
	_, err := l.Push(ctx, h.keys[by], id, bytesOf(files), "more")
	return err
}

// ReviewOf signs for a head that was, as a program that is not ours may.
func (h *harness) ReviewOf(ctx context.Context, by, id, head string, v review.Verdict, body string) error {
	l := h.forge()
	return l.add(ctx, h.keys[by], id, func(history) (Event, bool, error) {
		base := gitdb.OID(h.Base())
		c, err := change.Read(l.db, repoID, base, gitdb.OID(head))
		return Event{Type: TypeReview, Base: string(base), Head: head, ChangeDigest: c.Digest, Verdict: v, Body: body}, true, err
	})
}

// Reanchor has the last review say another head and change. Whoever may push can
// write that, and cannot sign it.
func (h *harness) Reanchor(_ context.Context, id string) error {
	l := h.forge()
	log, err := l.load(id)
	if err != nil {
		return err
	}
	said, _ := log.last(TypeReview)
	head, _ := log.last(TypeOpened, TypePushed)
	return h.tamper(log, said.Seq, func(e *Event) { e.Head, e.ChangeDigest = head.Head, head.ChangeDigest })
}

// EditReview is the same with its words.
func (h *harness) EditReview(_ context.Context, _, id, r, body string) error {
	log, err := h.forge().load(id)
	if err != nil {
		return err
	}
	seq, err := strconv.Atoi(r)
	if err != nil {
		return err
	}
	return h.tamper(log, seq, func(e *Event) { e.Body = body })
}

// tamper writes the log anew from an event on, which says something else then, and
// makes this repository forget that it has seen another log.
func (h *harness) tamper(log history, seq int, edit func(*Event)) error {
	forged := log.events[seq-1]
	edit(&forged)
	payload, err := encode(forged)
	if err != nil {
		return err
	}
	tip, tree := gitdb.OID(""), gitdb.EmptyTree
	if seq > 1 {
		c, err := h.db.Commit(log.commits[seq-2])
		if err != nil {
			return err
		}
		tip, tree = c.OID, c.Tree
	}
	for _, e := range log.events[seq-1:] {
		if e.Seq == seq {
			e.Payload = payload
		}
		if tree, tip, err = h.chained(tree, tip, e); err != nil {
			return err
		}
	}
	return errors.Join(h.db.MoveRef(logPrefix+log.id, log.tip, tip), os.Remove(filepath.Join(h.forge().marks(), log.id)))
}

// chained is one more commit of a log, with an event as it is.
func (h *harness) chained(tree, tip gitdb.OID, e Event) (gitdb.OID, gitdb.OID, error) {
	var edits []gitdb.Edit
	for name, data := range map[string][]byte{e.file(): e.Payload, e.file() + ".sig": e.Signature} {
		oid, err := h.db.WriteBlob(data)
		if err != nil {
			return "", "", err
		}
		edits = append(edits, gitdb.Edit{Path: name, OID: oid})
	}
	tree, err := h.db.WriteTree(tree, edits)
	if err != nil {
		return "", "", err
	}
	who := gitdb.Person{Name: "x", Email: "x@example.org", When: clock()}
	c := gitdb.Commit{Tree: tree, Author: who, Committer: who, Message: string(e.Type) + "\n"}
	if tip != "" {
		c.Parents = []gitdb.OID{tip}
	}
	tip, err = h.db.WriteCommit(c, nil)
	return tree, tip, err
}

// Dismiss pushes the log without its last event, by force. There is no other way
// to take a review away.
func (h *harness) Dismiss(_ context.Context, _, id, r string) error {
	log, err := h.forge().load(id)
	if err != nil {
		return err
	}
	last := len(log.events)
	if r != fmt.Sprintf("%04d", last) {
		return fmt.Errorf("review %s is not the last event", r)
	}
	return h.db.MoveRef(logPrefix+id, log.tip, log.commits[last-2])
}
