package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/assent-dev/assent/engine/gitdb"
)

// HighWater is how far a reader has seen the ledger and main. It is kept outside
// the repository, so that whoever rolls the repository back does not roll it
// back too.
type HighWater struct {
	Ledger  Mark      `json:"ledger"`
	Tip     gitdb.OID `json:"tip"`               // commit of the ledger branch
	MainRef string    `json:"mainRef,omitempty"` // such as refs/heads/main; empty leaves main unchecked
	Main    gitdb.OID `json:"main,omitempty"`    // commit of MainRef
}

// HighWater verifies the ledger and returns where it stands, and where mainRef
// stands unless that is empty.
func (l *Ledger) HighWater(ctx context.Context, mainRef string) (HighWater, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.verifyAll(ctx); err != nil {
		return HighWater{}, err
	}
	hw := HighWater{Ledger: l.view.head(), Tip: l.view.tip, MainRef: mainRef}
	if mainRef == "" {
		return hw, nil
	}
	var err error
	if hw.Main, err = l.db.Resolve(mainRef); err != nil {
		return HighWater{}, fmt.Errorf("read high water: %w", err)
	}
	return hw, nil
}

// CheckHighWater verifies the ledger and requires that it, and main, have only
// grown since. ErrRolledBack says that they have not: grants freeze.
func (l *Ledger) CheckHighWater(ctx context.Context, hw HighWater) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.verifyAll(ctx); err != nil {
		var chain *ChainError
		if errors.Is(err, ErrNoLedger) && hw.Ledger.Seq > 0 || errors.As(err, &chain) && chain.Code == CodeRewritten {
			return fmt.Errorf("check high water: %w: %w", ErrRolledBack, err)
		}
		return err
	}
	if m := hw.Ledger; m.Seq > 0 {
		if m.Seq > uint64(l.view.verified) {
			return fmt.Errorf("check high water: the ledger had record %d and now ends at %d: %w", m.Seq, l.view.verified, ErrRolledBack)
		}
		if got := l.view.entries[m.Seq-1].digest; got != m.Digest {
			return fmt.Errorf("check high water: record %d was %s and is %s: %w", m.Seq, m.Digest, got, ErrRolledBack)
		}
	}
	if err := l.grown("the ledger branch", hw.Tip, l.view.tip); err != nil {
		return err
	}
	if hw.MainRef == "" || hw.Main == "" {
		return nil
	}
	main, err := l.db.Resolve(hw.MainRef)
	if errors.Is(err, gitdb.ErrNotFound) {
		return fmt.Errorf("check high water: %s is gone: %w", hw.MainRef, ErrRolledBack)
	}
	if err != nil {
		return fmt.Errorf("check high water: %w", err)
	}
	return l.grown(hw.MainRef, hw.Main, main)
}

// grown requires that a branch still holds a commit that it held before.
func (l *Ledger) grown(what string, was, now gitdb.OID) error {
	if was == "" || was == now {
		return nil
	}
	_, found, err := l.db.FirstParents(now, was)
	if err == nil && !found {
		found, err = l.db.IsAncestor(was, now)
	}
	if err != nil && !errors.Is(err, gitdb.ErrNotFound) {
		return fmt.Errorf("check high water: %w", err)
	}
	if err != nil || !found {
		return fmt.Errorf("check high water: %s does not hold %s any more: %w", what, was, ErrRolledBack)
	}
	return nil
}

// LoadHighWater reads a mark. A file that does not exist is fs.ErrNotExist: only
// the caller knows whether this is the first start.
func LoadHighWater(path string) (HighWater, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return HighWater{}, fmt.Errorf("load high water: %w", err)
	}
	var hw HighWater
	if _, err := strict(data, &hw); err != nil {
		return HighWater{}, fmt.Errorf("load high water %s: %w", path, err)
	}
	return hw, nil
}

// SaveHighWater replaces the mark at once: after a crash the file holds the old
// mark or the new one, on disk.
func SaveHighWater(path string, hw HighWater) error {
	data, err := json.MarshalIndent(hw, "", "  ")
	if err != nil {
		return fmt.Errorf("save high water: %w", err)
	}
	if err := replaceFile(path, append(data, '\n')); err != nil {
		return fmt.Errorf("save high water: %w", err)
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
