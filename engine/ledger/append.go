package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

const (
	maxAttempts = 64 // lost races before Append gives up
	author      = "assent"
	authorEmail = "assent@localhost"
	gitSpace    = "git" // the namespace of commit signatures
	listed      = 20    // records that a commit message names
)

// Draft is a record before it has a place in the chain. Body is one of the body
// types, as a value.
type Draft struct {
	Type    Type
	Subject Subject
	Body    any
}

// Init starts a ledger: record 1 is a seal, signed by a pinned root key. A zero
// From means "from the next record on". It fails where the branch exists.
func (l *Ledger) Init(ctx context.Context, root signature.Signer, body SealBody, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.pull(ctx); err != nil {
		return fmt.Errorf("start ledger: %w", err)
	}
	if _, _, err := l.tip(); err == nil {
		return fmt.Errorf("start ledger: branch %s exists", l.trust.Branch)
	} else if !errors.Is(err, ErrNoLedger) {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start ledger: %w", err)
	}
	l.view = view{}
	if _, err := l.write(ctx, root, at, []Draft{{Type: TypeSeal, Body: body}}); err != nil {
		return fmt.Errorf("start ledger: %w", err)
	}
	return nil
}

// Append adds records, all or none, as one signed commit, and returns them. It
// refuses with ErrKey what the signer may not sign, and with a *ChainError when
// the ledger does not verify. When another writer was faster it verifies what
// was added and signs anew.
//
// A seal is appended alone and signed by a pinned root key; its zero From means
// "from the next record on".
func (l *Ledger) Append(ctx context.Context, signer signature.Signer, at time.Time, drafts ...Draft) ([]Verified, error) {
	if len(drafts) == 0 {
		return nil, errors.New("append to ledger: no records")
	}
	for range maxAttempts {
		out, err := l.appendOnce(ctx, signer, at, drafts)
		if !errors.Is(err, gitdb.ErrMoved) {
			return out, err
		}
	}
	return nil, fmt.Errorf("append to ledger: lost the race %d times: %w", maxAttempts, gitdb.ErrMoved)
}

func (l *Ledger) appendOnce(ctx context.Context, signer signature.Signer, at time.Time, drafts []Draft) ([]Verified, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.pull(ctx); err != nil {
		return nil, fmt.Errorf("append to ledger: %w", err)
	}
	if err := l.verifyAll(ctx); err != nil {
		return nil, err
	}
	out, err := l.write(ctx, signer, at, drafts)
	if err != nil {
		return nil, fmt.Errorf("append to ledger: %w", err)
	}
	return out, nil
}

// write builds records that follow the view, checks them as a reader would, and
// moves the branch from where the view saw it. Then the view has them. The lock
// is held.
func (l *Ledger) write(ctx context.Context, signer signature.Signer, at time.Time, drafts []Draft) ([]Verified, error) {
	next := l.view
	out := make([]Verified, 0, len(drafts))
	for _, d := range drafts {
		if d.Type == TypeSeal && len(drafts) > 1 {
			return nil, errors.New("a seal is appended alone")
		}
		v, key, err := l.build(next, signer, at, d)
		if err != nil {
			return nil, err
		}
		if d.Type == TypeSeal {
			if err := next.addSeal(l, v.Record, key); err != nil {
				return nil, err
			}
		}
		next.entries = append(next.entries, entry{seq: v.Seq, typ: v.Type, path: v.Path, digest: v.Digest, key: v.Key})
		next.verified++
		out = append(out, v)
	}
	if err := l.writeTree(&next, out); err != nil {
		return nil, err
	}
	if err := l.writeCommit(&next, signer, at, out); err != nil {
		return nil, err
	}
	was := gitdb.OID("")
	if l.view.own {
		was = l.view.tip
	}
	if err := l.publish(ctx, was, next.tip); err != nil {
		return nil, err
	}
	if err := l.db.MoveRef(l.ref(), was, next.tip); err != nil {
		return nil, err
	}
	next.own = true
	l.view = next
	return out, nil
}

// build makes the record that follows a view and judges it as a reader would,
// so that nothing is published that would not verify.
func (l *Ledger) build(known view, signer signature.Signer, at time.Time, d Draft) (Verified, signature.Public, error) {
	head := known.head()
	r := Record{
		Schema: Schema, Type: d.Type, Repo: l.trust.Repo, Seq: head.Seq + 1, Prev: head.Digest,
		RecordedAt: at.UTC().Truncate(time.Second), Subject: d.Subject,
	}
	body := d.Body
	if s, ok := body.(SealBody); ok && s.From == 0 {
		s.From = r.Seq + 1
		body = s
	}
	var err error
	if r.Body, err = json.Marshal(body); err != nil {
		return Verified{}, signature.Public{}, fmt.Errorf("encode body of %s: %w", d.Type, err)
	}
	raw, err := Encode(r)
	if err != nil {
		return Verified{}, signature.Public{}, err
	}
	e := entry{seq: r.Seq, typ: r.Type, path: pathOf(r)}
	if err := l.judgeKey(known, e, signer.Public().Fingerprint()); err != nil {
		return Verified{}, signature.Public{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	sig, err := signer.Sign(r.Type.Namespace(), raw)
	if err != nil {
		return Verified{}, signature.Public{}, err
	}
	v, key, err := l.judge(known, e, raw, sig)
	if err != nil {
		return Verified{}, key, err
	}
	return v, key, known.checkCheckpoint(e, v.Record)
}

func (l *Ledger) writeTree(next *view, records []Verified) error {
	var edits []gitdb.Edit
	add := func(path string, data []byte) (gitdb.OID, error) {
		id, err := l.db.WriteBlob(data)
		edits = append(edits, gitdb.Edit{Path: path, OID: id})
		return id, err
	}
	added := next.entries[len(next.entries)-len(records):]
	for i, v := range records {
		var err error
		if added[i].blob, err = add(v.Path, v.Raw); err != nil {
			return err
		}
		if added[i].sig, err = add(v.Path+".sig", v.Sig); err != nil {
			return err
		}
	}
	if signers := next.allowedSigners(); !bytes.Equal(signers, l.view.allowedSigners()) {
		if _, err := add(signersFile, signers); err != nil {
			return err
		}
	}
	var err error
	next.tree, err = l.db.WriteTree(l.view.tree, edits)
	return err
}

func (l *Ledger) writeCommit(next *view, signer signature.Signer, at time.Time, records []Verified) error {
	var b strings.Builder
	first := records[0]
	if len(records) == 1 {
		fmt.Fprintf(&b, "ledger: %s %d %s\n", first.Type, first.Seq, first.Subject.Request)
	} else {
		fmt.Fprintf(&b, "ledger: records %d to %d\n\n", first.Seq, records[len(records)-1].Seq)
		for _, v := range records[:min(len(records), listed)] {
			fmt.Fprintf(&b, "%d %s %s\n", v.Seq, v.Type, v.Subject.Request)
		}
	}
	who := gitdb.Person{Name: author, Email: authorEmail, When: at.UTC()}
	c := gitdb.Commit{Tree: next.tree, Author: who, Committer: who, Message: strings.ReplaceAll(b.String(), " \n", "\n")}
	if l.view.tip != "" {
		c.Parents = []gitdb.OID{l.view.tip}
	}
	var err error
	next.tip, err = l.db.WriteCommit(c, func(payload []byte) ([]byte, error) { return signer.Sign(gitSpace, payload) })
	return err
}
