package forge

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"path"
	"slices"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// Bounds of what is read of one pull request; beyond them facts are incomplete.
const (
	maxFileBytes = 16 << 20
	maxFiles     = 100_000
)

// Change is what merging a head into a base would do. It is read from git
// objects only, so every forge computes it alike.
type Change struct {
	MergeBase  string
	Files      []review.File // merge base to head, ordered by path
	Digest     string        // see review.Facts.ChangeDigest
	ResultTree string        // empty when there are conflicts
	Conflicts  []string      // paths that both sides changed differently
}

// ReadChange compares two commits. repo is Repository spec.id and is part of
// the digest. Histories that have nothing in common, objects that are missing
// and files above 16 MiB are ErrIncomplete.
//
// The digest is "sha256:" and the SHA-256 over these strings, each preceded by
// its length as eight big-endian bytes: "assent.change.v1", repo, and for each
// file its path, its octal mode and the digest of its new bytes. A removed
// file has mode "000000" and no digest, a submodule its commit.
func ReadChange(db *gitdb.DB, repo string, base, head gitdb.OID) (Change, error) {
	change, err := readChange(db, repo, base, head)
	if errors.Is(err, gitdb.ErrNotFound) || errors.Is(err, gitdb.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	return change, err
}

func readChange(db *gitdb.DB, repo string, base, head gitdb.OID) (Change, error) {
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
	theirs, err := db.Diff(trees[0], trees[2])
	if err != nil {
		return Change{}, err
	}
	change := Change{MergeBase: string(mergeBase)}
	if change.Digest, err = changeDigest(db, repo, theirs); err != nil {
		return Change{}, err
	}
	for _, f := range theirs {
		change.Files = append(change.Files, review.File{
			Path: f.Path, Mode: octal(f.NewMode), OldBlob: string(f.OldOID), NewBlob: string(f.NewOID),
		})
	}
	tree, conflicts, err := merge(db, trees, theirs)
	if err != nil {
		return Change{}, err
	}
	change.ResultTree, change.Conflicts = string(tree), conflicts
	return change, nil
}

func octal(m gitdb.Mode) string {
	if m == 0 {
		return ""
	}
	return fmt.Sprintf("%06o", uint32(m))
}

func changeDigest(db *gitdb.DB, repo string, files []gitdb.FileChange) (string, error) {
	if len(files) > maxFiles {
		return "", fmt.Errorf("%d files changed, at most %d are read: %w", len(files), maxFiles, ErrIncomplete)
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
			digest := sha256.Sum256(data)
			content = "sha256:" + hex.EncodeToString(digest[:])
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

// merge merges by whole files. A file that one side put where the other has a
// directory is a conflict too.
func merge(db *gitdb.DB, trees [3]gitdb.OID, theirs []gitdb.FileChange) (gitdb.OID, []string, error) {
	if trees[0] == trees[1] {
		return trees[2], nil, nil
	}
	ours, err := db.Diff(trees[0], trees[1])
	if err != nil {
		return "", nil, err
	}
	if both := blocked(ours, theirs); len(both) > 0 {
		return "", both, nil
	}
	return db.Merge(trees[0], trees[1], trees[2])
}

func blocked(ours, theirs []gitdb.FileChange) []string {
	file, dir := map[string]bool{}, map[string]bool{}
	for _, f := range ours {
		if f.NewOID == "" {
			continue
		}
		file[f.Path] = true
		for p := path.Dir(f.Path); p != "."; p = path.Dir(p) {
			dir[p] = true
		}
	}
	var out []string
	for _, f := range theirs {
		if f.NewOID == "" {
			continue
		}
		bad := dir[f.Path]
		for p := path.Dir(f.Path); p != "." && !bad; p = path.Dir(p) {
			bad = file[p]
		}
		if bad {
			out = append(out, f.Path)
		}
	}
	slices.Sort(out)
	return out
}
