package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

const maxSig = 8 << 10

// at returns the record at an index and verifies it if that was not done yet.
// A verified record is read again only where want says so.
func (l *Ledger) at(i int, want bool) (Verified, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i == l.view.verified {
		return l.verifyNext()
	}
	if !want {
		return Verified{}, nil
	}
	return l.reread(l.view.entries[i])
}

// verifyAll lists the branch and verifies all that is new. The lock is held.
func (l *Ledger) verifyAll(ctx context.Context) error {
	if err := l.refresh(ctx); err != nil {
		return err
	}
	for l.view.verified < len(l.view.entries) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		if _, err := l.verifyNext(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) verifyNext() (Verified, error) {
	i := l.view.verified
	e := l.view.entries[i]
	v, _, err := l.inspect(l.view, e)
	if err != nil {
		return Verified{}, err
	}
	prev := Digest("")
	if i > 0 {
		prev = l.view.entries[i-1].digest
	}
	if v.Prev != prev {
		return Verified{}, fault(e, CodePrev, "follows %s, but the record before is %s", v.Prev, prev)
	}
	if err := l.view.checkCheckpoint(e, v.Record); err != nil {
		return Verified{}, err
	}
	e.digest, e.key = v.Digest, v.Key
	l.view.entries[i] = e
	l.view.verified++
	v.Void = l.view.void(e)
	return v, nil
}

// inspect reads a record and checks all that does not depend on its neighbours.
func (l *Ledger) inspect(known view, e entry) (Verified, signature.Public, error) {
	raw, sig, err := l.load(e)
	if err != nil {
		return Verified{}, signature.Public{}, err
	}
	return l.judge(known, e, raw, sig)
}

// judge checks the bytes of a record: first who signed them, and only then what
// they say.
func (l *Ledger) judge(known view, e entry, raw, sig []byte) (Verified, signature.Public, error) {
	if _, ok := e.typ.Signs(); !ok {
		return Verified{}, signature.Public{}, fault(e, CodeType, "unknown record type %q", e.typ)
	}
	key, err := signature.Verify(e.typ.Namespace(), raw, sig)
	if err != nil {
		code := CodeSignature
		if errors.Is(err, signature.ErrNamespace) {
			code = CodeNamespace
		}
		return Verified{}, key, fault(e, code, "%v", err)
	}
	fingerprint := key.Fingerprint()
	if err := l.judgeKey(known, e, fingerprint); err != nil {
		return Verified{}, key, err
	}
	r, err := Decode(raw)
	if err != nil {
		var chain *ChainError
		if errors.As(err, &chain) {
			chain.Seq, chain.Path = e.seq, e.path
		}
		return Verified{}, key, err
	}
	if r.Repo != l.trust.Repo {
		return Verified{}, key, fault(e, CodeRepo, "made for repository %q, not %q", r.Repo, l.trust.Repo)
	}
	if want := pathOf(r); want != e.path {
		return Verified{}, key, fault(e, CodePath, "its content belongs at %s", want)
	}
	return Verified{Record: r, Digest: DigestOf(raw), Key: fingerprint, Path: e.path, Raw: raw, Sig: sig}, key, nil
}

func (l *Ledger) load(e entry) (raw, sig []byte, err error) {
	if raw, err = l.db.Blob(e.blob, MaxRecord); err == nil {
		sig, err = l.db.Blob(e.sig, maxSig)
	}
	if errors.Is(err, gitdb.ErrTooLarge) {
		return nil, nil, fault(e, CodeSize, "%v", err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read record %d: %w", e.seq, err)
	}
	return raw, sig, nil
}

// reread reads a record that was verified before; its bytes are the same when
// their digest is.
func (l *Ledger) reread(e entry) (Verified, error) {
	raw, sig, err := l.load(e)
	if err != nil {
		return Verified{}, err
	}
	if DigestOf(raw) != e.digest {
		return Verified{}, fault(e, CodeRewritten, "its bytes have changed since they were verified")
	}
	v := Verified{Digest: e.digest, Key: e.key, Path: e.path, Raw: raw, Sig: sig, Void: l.view.void(e)}
	if err := json.Unmarshal(raw, &v.Record); err != nil {
		return Verified{}, fault(e, CodeEncoding, "%v", err)
	}
	return v, nil
}

// checkCheckpoint compares what a checkpoint repeats with the chain.
func (v view) checkCheckpoint(e entry, r Record) error {
	if r.Type != TypeCheckpoint {
		return nil
	}
	b, err := r.Checkpoint()
	if err != nil {
		return err
	}
	if got := v.entries[b.Mark.Seq-1].digest; got != b.Mark.Digest {
		return fault(e, CodeCheckpoint, "says that record %d is %s, but it is %s", b.Mark.Seq, b.Mark.Digest, got)
	}
	return nil
}
