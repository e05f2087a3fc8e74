package determine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// ErrNotMerged says that a pull request is not merged, or not as it was reviewed.
var ErrNotMerged = errors.New("not merged as reviewed")

// AtMerge restates facts as they were when the merge was made: judged at the
// merge's first parent, with merge base, files, digest and result read from git
// and not from whoever stated the facts. ErrNotMerged says that the merge is
// not the merge of what was reviewed; any other error that nothing is known.
func AtMerge(db *gitdb.DB, facts review.Facts, commit gitdb.OID) (review.Facts, error) {
	c, err := db.Commit(commit)
	if err != nil {
		return facts, err
	}
	if len(c.Parents) == 0 {
		return facts, fmt.Errorf("commit %s has no parent: %w", commit, ErrNotMerged)
	}
	head := gitdb.OID(facts.Head)
	facts.Base, facts.State = string(c.Parents[0]), review.StateOpen
	base, err := db.MergeBase(c.Parents[0], head)
	if err != nil {
		return facts, fmt.Errorf("merge base of %s: %w", commit, unrelated(db, c, head, err))
	}
	facts.MergeBase = string(base)
	tree, err := ResultTree(db, base, c.Parents[0], head)
	if err != nil {
		return facts, err
	}
	if tree != c.Tree {
		return facts, fmt.Errorf("commit %s holds another tree than the merge of its parent and %s: %w", commit, facts.Head, ErrNotMerged)
	}
	facts.ResultTree, facts.Conflicts = string(tree), ""
	facts.Files, facts.ChangeDigest, err = readChange(db, facts.Repo, base, head)
	return facts, err
}

// unrelated tells a head that has nothing to do with the merge from a
// repository with objects missing.
func unrelated(db *gitdb.DB, merge gitdb.Commit, head gitdb.OID, err error) error {
	if !errors.Is(err, gitdb.ErrNotFound) {
		return err
	}
	if _, missing := db.Commit(head); missing == nil || !slices.Contains(merge.Parents, head) {
		return fmt.Errorf("%w: %w", ErrNotMerged, err)
	}
	return err
}

// ResultTree is the tree that merging head into base gives; empty when they conflict.
func ResultTree(db *gitdb.DB, mergeBase, base, head gitdb.OID) (gitdb.OID, error) {
	trees, err := treesOf(db, mergeBase, base, head)
	if err != nil {
		return "", err
	}
	tree, _, err := db.Merge(trees[0], trees[1], trees[2])
	return tree, err
}

func treesOf(db *gitdb.DB, commits ...gitdb.OID) ([]gitdb.OID, error) {
	out := make([]gitdb.OID, len(commits))
	for i, oid := range commits {
		c, err := db.Commit(oid)
		if err != nil {
			return nil, err
		}
		out[i] = c.Tree
	}
	return out, nil
}

const maxFileBytes = 16 << 20 // of one changed file

// readChange lists the files that differ between two commits, and their digest
// as review.Facts has it. The digest is "sha256:" and the SHA-256 over these
// strings, each preceded by its length as eight big-endian bytes:
// "assent.change.v1", Repository spec.id, and for each file its path, its octal
// mode and the digest of its new bytes. A removed file has mode "000000" and no
// digest, a submodule its commit.
func readChange(db *gitdb.DB, repo string, mergeBase, head gitdb.OID) ([]review.File, string, error) {
	trees, err := treesOf(db, mergeBase, head)
	if err != nil {
		return nil, "", err
	}
	changes, err := db.Diff(trees[0], trees[1])
	if err != nil {
		return nil, "", err
	}
	var files []review.File
	sum := sha256.New()
	field(sum, "assent.change.v1")
	field(sum, repo)
	for _, c := range changes {
		f := review.File{Path: c.Path, OldBlob: string(c.OldOID), NewBlob: string(c.NewOID)}
		content := ""
		switch c.NewMode {
		case 0:
		case gitdb.ModeModule:
			content = "commit:" + string(c.NewOID)
		default:
			data, err := db.Blob(c.NewOID, maxFileBytes)
			if err != nil {
				return nil, "", fmt.Errorf("read %s: %w", c.Path, err)
			}
			content = string(digestOf(data))
		}
		if c.NewMode != 0 {
			f.Mode = fmt.Sprintf("%06o", uint32(c.NewMode))
		}
		files = append(files, f)
		field(sum, c.Path)
		field(sum, fmt.Sprintf("%06o", uint32(c.NewMode)))
		field(sum, content)
	}
	return files, "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

func field(sum hash.Hash, s string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(s)))
	sum.Write(size[:])
	sum.Write([]byte(s))
}
