package local

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

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
		for _, name := range change.Trailers(c.Message, "co-authored-by") {
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

func mergeMessage(id, title string) string {
	return fmt.Sprintf("Merge pull request %s: %s\n\nPull-Request: %s\n", id, forge.OneLine(title), id)
}
