package change

import (
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// maxCommits bounds the commits of one pull request.
const maxCommits = 1000

// Commits lists the commits that are in head and not in base, in no
// particular order. A linear branch is walked to its merge base; one that
// contains merges needs all of base's history to tell whose commits are whose.
func Commits(db *gitdb.DB, base, mergeBase, head gitdb.OID) ([]gitdb.Commit, error) {
	var out []gitdb.Commit
	for at := head; at != mergeBase; {
		c, err := db.Commit(at)
		if err != nil {
			return nil, incomplete("read commits: %w", err)
		}
		if len(c.Parents) != 1 {
			return notIn(db, base, head)
		}
		if out = append(out, c); len(out) > maxCommits {
			return nil, incomplete("more than %d commits", maxCommits)
		}
		at = c.Parents[0]
	}
	return out, nil
}

func notIn(db *gitdb.DB, base, head gitdb.OID) ([]gitdb.Commit, error) {
	known := map[gitdb.OID]bool{}
	err := walk(db, base, known, func(gitdb.Commit) error { return nil })
	if err != nil {
		return nil, err
	}
	var out []gitdb.Commit
	err = walk(db, head, known, func(c gitdb.Commit) error {
		if out = append(out, c); len(out) > maxCommits {
			return incomplete("more than %d commits", maxCommits)
		}
		return nil
	})
	return out, err
}

// walk visits every ancestor of tip that is not in seen, and adds it there.
func walk(db *gitdb.DB, tip gitdb.OID, seen map[gitdb.OID]bool, visit func(gitdb.Commit) error) error {
	todo := []gitdb.OID{tip}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		c, err := db.Commit(at)
		if err != nil {
			return incomplete("read commits: %w", err)
		}
		if err := visit(c); err != nil {
			return err
		}
		todo = append(todo, c.Parents...)
	}
	return nil
}

// Trailers returns the values of a trailer in the last paragraph of a message.
func Trailers(message, key string) []string {
	message = strings.TrimSpace(message)
	if i := strings.LastIndex(message, "\n\n"); i >= 0 {
		message = message[i+2:]
	}
	var out []string
	for line := range strings.SplitSeq(message, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(strings.TrimSpace(name), key) && strings.TrimSpace(value) != "" {
			out = append(out, strings.ToValidUTF8(strings.TrimSpace(value), "\uFFFD"))
		}
	}
	return out
}

// incomplete is forge.ErrIncomplete with a reason.
func incomplete(format string, args ...any) error {
	return fmt.Errorf("%w: %w", forge.ErrIncomplete, fmt.Errorf(format, args...))
}
