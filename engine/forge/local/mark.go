package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
)

// A mark is the tip of a log as this repository saw it last. It is a file and
// not a reference, so that who may push cannot take a review back by resetting
// the log to a shorter one.
func (l *Local) marks() string { return filepath.Join(l.db.GitDir(), "assent-seen") }

func (l *Local) mark(id string) (gitdb.OID, error) {
	data, err := os.ReadFile(filepath.Join(l.marks(), id))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read mark: %w", err)
	}
	oid := strings.TrimSpace(string(data))
	if !oidPattern.MatchString(oid) {
		return "", incomplete("the mark %s is damaged; compare the log with another clone, then delete it", filepath.Join(l.marks(), id))
	}
	return gitdb.OID(oid), nil
}

// setMark replaces the mark at once, so that a crash leaves the old or the new.
func (l *Local) setMark(id string, tip gitdb.OID) error {
	if err := os.MkdirAll(l.marks(), 0o755); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	f, err := os.CreateTemp(l.marks(), ".new-")
	if err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	_, err = f.WriteString(string(tip) + "\n")
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(l.marks(), id))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write mark: %w", err)
	}
	return nil
}

// remembered lists the pull requests that have a mark.
func (l *Local) remembered() ([]string, error) {
	entries, err := os.ReadDir(l.marks())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	var out []string
	for _, e := range entries {
		if checkID(e.Name()) == nil {
			out = append(out, e.Name())
		}
	}
	return out, nil
}
