// Package change reads what a pull request does, from git objects alone: the
// files between merge base and head, the digest that reviewers agree to, the
// tree that merging makes, and the commits. Every forge reads it the same way,
// and believes no list of files that a server gives.
package change

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// Bounds of what is read of one pull request; beyond them facts are incomplete.
const (
	maxFileBytes = 16 << 20
	maxFiles     = 100_000
)

// Change is what merging a head into a base would do.
type Change struct {
	MergeBase  gitdb.OID
	Files      []review.File // merge base to head, ordered by path
	Digest     string        // see review.Facts.ChangeDigest
	ResultTree gitdb.OID     // empty when there are conflicts
	Conflicts  []string      // paths that both sides changed differently
}

// Read compares two commits; repo is the Repository spec.id. Histories that have nothing in common,
// objects that are missing and files above 16 MiB are forge.ErrIncomplete.
//
// The digest is "sha256:" and the SHA-256 over these strings, each preceded by
// its length as eight big-endian bytes: "assent.change.v1", Repository spec.id,
// and for each file its path, its octal mode and the digest of its new bytes.
// A removed file has mode "000000" and no digest, a submodule its commit.
func Read(db *gitdb.DB, repo string, base, head gitdb.OID) (Change, error) {
	c, err := compare(db, repo, base, head)
	if errors.Is(err, gitdb.ErrNotFound) || errors.Is(err, gitdb.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	}
	return c, err
}

func compare(db *gitdb.DB, repo string, base, head gitdb.OID) (Change, error) {
	mergeBase, err := db.MergeBase(base, head)
	if err != nil {
		return Change{}, err
	}
	var trees [3]gitdb.OID
	for i, oid := range []gitdb.OID{mergeBase, base, head} {
		commit, err := db.Commit(oid)
		if err != nil {
			return Change{}, err
		}
		trees[i] = commit.Tree
	}
	files, err := db.Diff(trees[0], trees[2])
	if err != nil {
		return Change{}, err
	}
	c := Change{MergeBase: mergeBase}
	for _, f := range files {
		c.Files = append(c.Files, review.File{
			Path: f.Path, Mode: octal(f.NewMode), OldBlob: string(f.OldOID), NewBlob: string(f.NewOID),
		})
	}
	if c.Digest, err = digest(db, repo, files); err != nil {
		return Change{}, err
	}
	c.ResultTree, c.Conflicts, err = db.Merge(trees[0], trees[1], trees[2])
	return c, err
}

func octal(m gitdb.Mode) string {
	if m == 0 {
		return ""
	}
	return fmt.Sprintf("%06o", uint32(m))
}

func digest(db *gitdb.DB, repo string, files []gitdb.FileChange) (string, error) {
	if len(files) > maxFiles {
		return "", fmt.Errorf("%d files changed, at most %d are read: %w", len(files), maxFiles, forge.ErrIncomplete)
	}
	sum := sha256.New()
	field(sum, "assent.change.v1")
	field(sum, repo)
	for _, f := range files {
		content := ""
		switch f.NewMode {
		case 0:
		case gitdb.ModeModule:
			content = "commit:" + string(f.NewOID)
		default:
			data, err := db.Blob(f.NewOID, maxFileBytes)
			if err != nil {
				return "", fmt.Errorf("read %s: %w", f.Path, err)
			}
			of := sha256.Sum256(data)
			content = "sha256:" + hex.EncodeToString(of[:])
		}
		field(sum, f.Path)
		field(sum, fmt.Sprintf("%06o", uint32(f.NewMode)))
		field(sum, content)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

func field(sum hash.Hash, s string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(s)))
	sum.Write(size[:])
	sum.Write([]byte(s))
}
