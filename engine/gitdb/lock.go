package gitdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	lockTries = 100
	lockPause = 20 * time.Millisecond
)

// refLock is git's lock on a reference: the file <ref>.lock, which becomes the
// reference when it is renamed.
//
// Git leaves a lock behind when it is killed, and then waits for somebody to
// delete it. Ours is a hard link to a file that only we use, under a lock that
// the kernel gives back: so the next of our processes knows that a stale lock
// is ours and takes it away.
type refLock struct {
	file   string // the reference itself
	lock   string // file + ".lock"
	draft  string // our name for the same file
	unlock func()
}

func lockRef(gitDir, name string) (*refLock, error) {
	own := filepath.Join(gitDir, "assent-locks", strings.ReplaceAll(name, "/", "%"))
	if err := os.MkdirAll(filepath.Dir(own), 0o755); err != nil {
		return nil, err
	}
	unlock, err := flock(own + ".lock")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(gitDir, filepath.FromSlash(name))
	l := &refLock{file: file, lock: file + ".lock", draft: own + ".draft", unlock: unlock}
	if err := l.take(); err != nil {
		unlock()
		return nil, err
	}
	return l, nil
}

func (l *refLock) take() error {
	if err := l.recover(); err != nil {
		return err
	}
	draft, err := os.OpenFile(l.draft, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := draft.Close(); err != nil {
		return err
	}
	for range lockTries {
		// Git removes directories that become empty, at any time.
		if err := os.MkdirAll(filepath.Dir(l.file), 0o755); err != nil {
			return errors.Join(err, os.Remove(l.draft))
		}
		err = os.Link(l.draft, l.lock)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(lockPause)
	}
	return errors.Join(fmt.Errorf("take git's lock; if no git process is running, delete %s: %w", l.lock, err), os.Remove(l.draft))
}

// recover takes away what a process of ours left that was killed.
func (l *refLock) recover() error {
	draft, err := os.Stat(l.draft)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if lock, err := os.Stat(l.lock); err == nil && os.SameFile(lock, draft) {
		if err := os.Remove(l.lock); err != nil {
			return err
		}
	}
	return os.Remove(l.draft)
}

// commit makes the reference hold an object id, on disk, and gives git's lock back.
func (l *refLock) commit(to OID) error {
	f, err := os.OpenFile(l.lock, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(string(to) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(l.lock, l.file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(l.file))
}

// release gives all locks back; after commit git's is gone already.
func (l *refLock) release() {
	_ = l.recover() // what stays is taken away by the next one
	l.unlock()
}

// lockFile makes one of git's lock files and returns what removes it.
func lockFile(path string) (unlock func() error, err error) {
	for range lockTries {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			return func() error { return os.Remove(path) }, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		time.Sleep(lockPause)
	}
	return nil, fmt.Errorf("take git's lock; if no git process is running, delete %s", path)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// flock waits for an exclusive lock on a file, which the kernel gives back when
// the process ends, however it ends.
func flock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
