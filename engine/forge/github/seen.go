package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// seenRef is where the engine keeps how each approval was when it first saw it:
// which commit it named, and a digest of its words. It is a reference in the
// repository itself, so that a runner with an empty disk finds it too, and it is
// fetched with the head.
//
// It is no database of truth, and only ever speaks against an approval: that the
// head was there before the approval is proven by GitHub's own times, see
// firstSeen. Where it is lost it begins anew, and what was approved before is
// approved again.
const seenRef = "refs/assent/seen"

const (
	sincePath = "since" // in seenRef: when it began
	maxSeen   = 1 << 20 // bytes of one pull request
)

// sighting is how an approval was when it was first seen.
type sighting struct{ commit, words string }

// words is a digest of what a review says.
func words(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// memory is what is kept of one pull request.
type memory struct {
	since     time.Time          // when it began; zero where there is none
	approvals map[int64]sighting // by the id of the review
}

// first says how an approval was when it was first seen, as far as that can be
// known: one that is older than the memory and not in it may have been anything.
func (m memory) first(r *gh.PullRequestReview) (was sighting, known bool) {
	if was, ok := m.approvals[r.GetID()]; ok {
		return was, true
	}
	return sighting{r.GetCommitID(), words(r.GetBody())}, !m.since.IsZero() && r.GetSubmittedAt().After(m.since)
}

func seenPath(n int) string { return fmt.Sprintf("%d/%d", n/1000, n) }

// sighted reads the memory at a tip. What does not read as one is as good as lost.
func (g *GitHub) sighted(tip gitdb.OID, n int) (memory, error) {
	m := memory{approvals: map[int64]sighting{}}
	since, err := g.fileAt(tip, sincePath)
	if err != nil {
		return m, err
	}
	if m.since, err = time.Parse(time.RFC3339, strings.TrimSpace(since)); err != nil {
		return memory{approvals: m.approvals}, nil //nolint:nilerr // lost
	}
	text, err := g.fileAt(tip, seenPath(n))
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		const parts = 3
		if len(f) != parts {
			continue
		}
		if id, err := strconv.ParseInt(f[0], 10, 64); err == nil {
			m.approvals[id] = sighting{f[1], f[2]}
		}
	}
	return m, nil
}

// fileAt is a file at a tip, empty where there is none that can be read as one.
func (g *GitHub) fileAt(tip gitdb.OID, path string) (string, error) {
	if tip == "" {
		return "", nil
	}
	c, err := g.cfg.DB.Commit(tip)
	if errors.Is(err, gitdb.ErrNotFound) {
		return "", nil // it points at something else than a commit
	}
	if err != nil {
		return "", err
	}
	e, ok, err := g.cfg.DB.Find(c.Tree, path)
	if err != nil || !ok || e.Mode != gitdb.ModeFile {
		return "", err
	}
	data, err := g.cfg.DB.Blob(e.OID, maxSeen)
	if errors.Is(err, gitdb.ErrTooLarge) {
		return "", nil
	}
	return string(data), err
}

// recall is what is remembered of a pull request. Approvals that are seen for the
// first time are remembered as they are now.
func (g *GitHub) recall(ctx context.Context, pr *gh.PullRequest, list []*gh.PullRequestReview, tip gitdb.OID) (memory, error) {
	const tries = 5
	for range tries {
		m, err := g.sighted(tip, pr.GetNumber())
		if err != nil || g.cfg.Look || pr.GetState() != "open" {
			return m, err
		}
		began, fresh := !m.since.IsZero(), 0
		if !began {
			if m.since = forge.TimeIn(ctx); m.since.IsZero() {
				m.since = g.cfg.Now().UTC()
			}
		}
		for _, r := range list {
			if !began && r.GetSubmittedAt().After(m.since) { // by GitHub's clock, which may not be known
				m.since = r.GetSubmittedAt().UTC()
			}
		}
		for _, r := range list {
			if _, known := m.approvals[r.GetID()]; known || r.GetState() != "APPROVED" || r.GetCommitID() == "" {
				continue
			}
			if now, ok := m.first(r); ok {
				m.approvals[r.GetID()] = now
				fresh++
			}
		}
		if began && fresh == 0 {
			return m, nil
		}
		err = g.remember(ctx, tip, pr.GetNumber(), m)
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, gitdb.ErrMoved) {
			return m, fmt.Errorf("keep how approvals were first seen: %w", err)
		}
		at, err := g.refs(ctx) // another process was first, and what it wrote stays
		if err != nil {
			return m, err
		}
		tip = at[seenRef]
	}
	return memory{}, fmt.Errorf("%w: %s cannot be moved on; delete it, and approvals that wait are given again", forge.ErrIncomplete, seenRef)
}

func (g *GitHub) remember(ctx context.Context, tip gitdb.OID, n int, m memory) error {
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m.approvals)) {
		fmt.Fprintf(&text, "%d %s %s\n", id, m.approvals[id].commit, m.approvals[id].words)
	}
	base, parents := gitdb.EmptyTree, []gitdb.OID(nil)
	if tip != "" {
		if c, err := g.cfg.DB.Commit(tip); err == nil {
			base, parents = c.Tree, []gitdb.OID{tip}
		}
	}
	var edits []gitdb.Edit
	for path, content := range map[string]string{sincePath: m.since.Format(time.RFC3339) + "\n", seenPath(n): text.String()} {
		if content == "" {
			continue
		}
		blob, err := g.cfg.DB.WriteBlob([]byte(content))
		if err != nil {
			return err
		}
		edits = append(edits, gitdb.Edit{Path: path, OID: blob})
	}
	tree, err := g.cfg.DB.WriteTree(base, edits)
	if err != nil {
		tree, err = g.cfg.DB.WriteTree(gitdb.EmptyTree, edits) // somebody put something else there
	}
	if err != nil {
		return err
	}
	who := gitdb.Person{Name: "assent", Email: "assent@localhost", When: g.cfg.Now().UTC()}
	oid, err := g.cfg.DB.WriteCommit(gitdb.Commit{
		Tree: tree, Parents: parents, Author: who, Committer: who, Message: fmt.Sprintf("See #%d\n", n),
	}, nil)
	if err != nil {
		return err
	}
	err = g.cfg.DB.Push(ctx, g.remote, seenRef, tip, oid)
	if errors.Is(err, gitdb.ErrRefused) {
		return fmt.Errorf("%w: %w", forge.ErrForbidden, err)
	}
	return err
}
