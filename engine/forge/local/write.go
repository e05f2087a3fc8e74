package local

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

// tree applies files to a tree.
func (l *Local) tree(base gitdb.OID, files map[string][]byte) (gitdb.OID, error) {
	var edits []gitdb.Edit
	for name, data := range files {
		if data == nil {
			edits = append(edits, gitdb.Edit{Path: name})
			continue
		}
		oid, err := l.db.WriteBlob(data)
		if err != nil {
			return "", err
		}
		edits = append(edits, gitdb.Edit{Path: name, OID: oid})
	}
	slices.SortFunc(edits, func(a, b gitdb.Edit) int { return strings.Compare(a.Path, b.Path) })
	return l.db.WriteTree(base, edits)
}

// commit writes a commit with files on top of parent, signed by a person.
func (l *Local) commit(by signature.Signer, parent gitdb.OID, files map[string][]byte, message string, author gitdb.Person) (gitdb.OID, error) {
	under, err := l.db.Commit(parent)
	if err != nil {
		return "", err
	}
	tree, err := l.tree(under.Tree, files)
	if err != nil {
		return "", err
	}
	if tree == under.Tree {
		return "", errors.New("the files change nothing")
	}
	fingerprint := by.Public().Fingerprint()
	author.Name = cmp.Or(author.Name, fingerprint)
	author.Email = cmp.Or(author.Email, "unknown@localhost")
	if author.When.IsZero() {
		author.When = l.now()
	}
	oid, err := l.db.WriteCommit(gitdb.Commit{
		Tree: tree, Parents: []gitdb.OID{parent}, Author: author, Committer: author, Message: message,
	}, signCommit(by))
	if err != nil {
		return "", err
	}
	return oid, l.after()
}

func signCommit(by signature.Signer) gitdb.Sign {
	return func(payload []byte) ([]byte, error) { return by.Sign("git", payload) }
}

// move moves a branch; a branch that is somewhere else by now is forge.ErrMoved.
func (l *Local) move(ref string, from, to gitdb.OID) error {
	err := l.db.MoveRef(ref, from, to)
	if errors.Is(err, gitdb.ErrMoved) {
		return fmt.Errorf("%w: %w", forge.ErrMoved, err)
	}
	if err != nil {
		return err
	}
	return l.after()
}

// checkHeadRef admits ordinary branches that are neither the base branch nor
// one of Assent's own.
func (l *Local) checkHeadRef(ref string) error {
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	switch {
	case !ok || name == "" || len(name) > 200:
		return fmt.Errorf("%q is not a branch", ref)
	case ref == l.baseRef || strings.HasPrefix(name, "assent/"):
		return fmt.Errorf("branch %s cannot be the head of a pull request", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "-") || strings.HasSuffix(part, ".") ||
			strings.HasSuffix(part, ".lock") || strings.Contains(part, "..") || strings.Contains(part, "@{") ||
			strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }) {
			return fmt.Errorf("%q is not a branch name", name)
		}
	}
	return nil
}
