package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/assent-dev/assent/engine/gitdb"
)

// Trust is what a reader of a ledger knows before it reads: it is configured
// outside the repository.
type Trust struct {
	Repo   string   // Repository spec.id, which never changes
	Branch string   // such as assent/ledger
	Root   []string // fingerprints of the root keys, "SHA256:…"
}

// Ledger is one ledger branch. It remembers what it has verified, so that
// following a ledger that grows costs only the new records. Its methods may be
// called from several goroutines.
type Ledger struct {
	db     *gitdb.DB
	trust  Trust
	shared Shared // nil where our own branch is the one that counts

	mu   sync.Mutex
	view view
}

// view is what has been listed, and how far it has been verified. A copy may be
// extended and then either replaces the view or is dropped, all under the lock.
type view struct {
	tip      gitdb.OID
	own      bool // tip is our branch, and not origin's
	tree     gitdb.OID
	entries  []entry // in order, dense
	verified int     // the first so many of them hold
	seals    []seal
	roots    []string // keys that signed seals, in authorized_keys form, in order of use
}

// Verified is a record that holds: signed by a key that a seal gave that role
// at that sequence number, and chained to all records before it.
type Verified struct {
	Record
	Digest Digest // of Raw
	Key    string // fingerprint of the key that signed
	Path   string // in the tree of the ledger branch
	Raw    []byte
	Sig    []byte
	// Void says that a later seal distrusts the key. Replay yields a void record
	// only where it takes access away; nothing may be granted on it.
	Void bool
}

// Open returns the ledger in db. It reads nothing yet.
func Open(db *gitdb.DB, trust Trust) *Ledger { return &Ledger{db: db, trust: trust} }

func (l *Ledger) ref() string { return "refs/heads/" + l.trust.Branch }

// tip is the commit to read, and whether our own branch is there. In a fresh
// clone it is not, and the branch of origin is read.
func (l *Ledger) tip() (tip gitdb.OID, own bool, err error) {
	tip, err = l.db.Resolve(l.ref())
	if err == nil || !errors.Is(err, gitdb.ErrNotFound) {
		return tip, err == nil, err
	}
	tip, err = l.db.Resolve("refs/remotes/origin/" + l.trust.Branch)
	if errors.Is(err, gitdb.ErrNotFound) {
		return "", false, fmt.Errorf("open ledger %s: %w", l.trust.Branch, ErrNoLedger)
	}
	return tip, false, err
}

// Replay verifies the ledger and yields its records in order. On the first
// thing that does not hold it yields the error, a *ChainError where the ledger
// itself is at fault, and stops: then nothing in the ledger may be relied on.
//
// Records that a later seal distrusts are not yielded, unless they take access
// away (revocation, revoked); Distrusted lists them.
func (l *Ledger) Replay(ctx context.Context) iter.Seq2[Verified, error] { return l.Since(ctx, 0) }

// Since is Replay without the records up to a sequence number. They are
// verified all the same, once in the life of the Ledger. A ledger that is
// shorter than that is ErrRolledBack.
func (l *Ledger) Since(ctx context.Context, after uint64) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		err := l.each(ctx, after, func(v Verified) bool {
			return v.Void && !takesAway(v.Type) || yield(v, nil)
		})
		if err != nil {
			yield(Verified{}, err)
		}
	}
}

// Distrusted lists the records that are void because a later seal distrusts the
// key that signed them.
func (l *Ledger) Distrusted(ctx context.Context) ([]Verified, error) {
	var out []Verified
	err := l.each(ctx, 0, func(v Verified) bool {
		if v.Void {
			out = append(out, v)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// takesAway reports whether a record of the type can only reduce access.
func takesAway(t Type) bool { return t == TypeRevocation || t == TypeRevoked }

// each verifies everything and visits the records after a sequence number until
// visit returns false. The lock is not held during a visit.
func (l *Ledger) each(ctx context.Context, after uint64, visit func(Verified) bool) error {
	count, err := l.list(ctx)
	if err != nil {
		return err
	}
	if after > uint64(count) {
		return fmt.Errorf("read ledger after record %d: it has %d: %w", after, count, ErrRolledBack)
	}
	for i := range count {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		v, err := l.at(i, uint64(i) >= after)
		if err != nil {
			return err
		}
		if uint64(i) >= after && !visit(v) {
			return nil
		}
	}
	return nil
}

// Head verifies the whole ledger and returns its last position.
func (l *Ledger) Head(ctx context.Context) (Mark, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.verifyAll(ctx); err != nil {
		return Mark{}, err
	}
	return l.view.head(), nil
}

func (v view) head() Mark {
	if v.verified == 0 {
		return Mark{}
	}
	last := v.entries[v.verified-1]
	return Mark{last.seq, last.digest}
}
