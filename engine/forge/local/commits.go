package local

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// maxCommits bounds the commits of one pull request.
const maxCommits = 1000

// commitsOf lists the commits that are in head and not in base, in no
// particular order. A linear branch is walked to its merge base; one that
// contains merges needs all of base's history to tell whose commits are whose.
func (l *Local) commitsOf(base, mergeBase, head gitdb.OID) ([]gitdb.Commit, error) {
	var out []gitdb.Commit
	for at := head; at != mergeBase; {
		c, err := l.db.Commit(at)
		if err != nil {
			return nil, incomplete("read commits: %w", err)
		}
		if len(c.Parents) != 1 {
			return l.notIn(base, head)
		}
		if out = append(out, c); len(out) > maxCommits {
			return nil, incomplete("more than %d commits", maxCommits)
		}
		at = c.Parents[0]
	}
	return out, nil
}

func (l *Local) notIn(base, head gitdb.OID) ([]gitdb.Commit, error) {
	known := map[gitdb.OID]bool{}
	err := l.walk(base, known, func(gitdb.Commit) error { return nil })
	if err != nil {
		return nil, err
	}
	var out []gitdb.Commit
	err = l.walk(head, known, func(c gitdb.Commit) error {
		if out = append(out, c); len(out) > maxCommits {
			return incomplete("more than %d commits", maxCommits)
		}
		return nil
	})
	return out, err
}

// walk visits every ancestor of tip that is not in seen, and adds it there.
func (l *Local) walk(tip gitdb.OID, seen map[gitdb.OID]bool, visit func(gitdb.Commit) error) error {
	todo := []gitdb.OID{tip}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		c, err := l.db.Commit(at)
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

// people says who signed commits and who is named as a co-author. A commit
// without a signature that verifies is incomplete.
func (l *Local) people(commits []gitdb.Commit) (signers []string, coAuthors []review.Actor, err error) {
	names := map[string]bool{}
	for _, c := range commits {
		key, err := l.signer(c.OID)
		if err != nil {
			return nil, nil, incomplete("nobody known made commit %s: sign it with an SSH key (`git commit --amend -S`), then run `assent request push`: %w", c.OID, err)
		}
		signers = append(signers, key)
		for _, name := range trailers(c.Message, "co-authored-by") {
			names[name] = true
		}
	}
	for name := range names {
		coAuthors = append(coAuthors, review.Actor{Forge: Name, Login: name})
	}
	slices.SortFunc(coAuthors, func(a, b review.Actor) int { return strings.Compare(a.Login, b.Login) })
	slices.Sort(signers)
	return slices.Compact(signers), coAuthors, nil
}

// signer is the fingerprint of the key that signed a commit.
func (l *Local) signer(oid gitdb.OID) (string, error) {
	raw, err := l.db.RawCommit(oid)
	if err != nil {
		return "", err
	}
	payload, sig, err := splitSignature(raw)
	if err != nil {
		return "", err
	}
	key, err := signature.Verify("git", payload, sig)
	if err != nil {
		return "", err
	}
	return key.Fingerprint(), nil
}

// splitSignature takes the signature out of a commit's bytes, which leaves what
// it covers.
func splitSignature(raw []byte) (payload, sig []byte, err error) {
	head, body, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		return nil, nil, errors.New("read commit: no message")
	}
	inside := false
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		switch first, isSig := bytes.CutPrefix(line, []byte("gpgsig ")); {
		case isSig && sig != nil:
			return nil, nil, errors.New("read commit: two signatures")
		case isSig:
			inside = true
			sig = append(append(sig, first...), '\n')
		case inside && bytes.HasPrefix(line, []byte(" ")):
			sig = append(append(sig, line[1:]...), '\n')
		default:
			inside = false
			payload = append(append(payload, line...), '\n')
		}
	}
	if sig == nil {
		return nil, nil, errors.New("read commit: not signed")
	}
	return append(append(payload, '\n'), body...), sig, nil
}

// trailers returns the values of a trailer in the last paragraph of a message.
func trailers(message, key string) []string {
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

// oneLine makes text of strangers fit for the subject of a commit.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

func mergeMessage(id, title string) string {
	return fmt.Sprintf("Merge pull request %s: %s\n\nPull-Request: %s\n", id, oneLine(title), id)
}
