package local

import (
	"context"
	"errors"
	"testing"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/forgetest"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

func TestContractBare(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Harness { return &harness{newWorld(t, true)} })
}

func TestContractWorkTree(t *testing.T) {
	forgetest.Run(t, func(t *testing.T) forgetest.Harness { return &harness{newWorld(t, false)} })
}

type harness struct{ *world }

func (h *harness) Forge() forge.Forge { return h.forge() }

var errDied = errors.New("process died")

func (h *harness) Crashing(n int) forge.Forge {
	l := h.forge()
	writes := 0
	l.after = func() error {
		if writes++; writes >= n {
			return errDied
		}
		return nil
	}
	return l
}

func (h *harness) Actor(name string) review.Actor { return actor(h.keys[name].Public().Fingerprint()) }

func (h *harness) PublicKey(name string) string { return h.keys[name].Public().String() }

func bytesOf(files map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for path, content := range files {
		out[path] = []byte(content)
	}
	return out
}

func (h *harness) Open(ctx context.Context, by string, d forgetest.Draft) (string, error) {
	pr, err := h.forge().Open(ctx, h.keys[by], Draft{ID: d.ID, Title: d.Title, Files: bytesOf(d.Files)})
	return pr.ID, err
}

func (h *harness) Push(ctx context.Context, by, id string, files map[string]string) error {
	_, err := h.forge().Push(ctx, h.keys[by], id, bytesOf(files), "more")
	return err
}

func (h *harness) Review(ctx context.Context, by, id string, v review.Verdict, body string) error {
	_, err := h.forge().Review(ctx, h.keys[by], id, v, body)
	return err
}

func (h *harness) Cancel(ctx context.Context, by, id, reason string) error {
	return h.forge().Cancel(ctx, h.keys[by], id, reason)
}

func (h *harness) Published(id string) []string {
	h.t.Helper()
	events, err := h.forge().Events(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		if e.Type == TypePublished {
			out = append(out, e.Body)
		}
	}
	return out
}

func (h *harness) Base() string {
	h.t.Helper()
	tip, err := h.db.Resolve("refs/heads/main")
	if err != nil {
		h.t.Fatal(err)
	}
	return string(tip)
}

func (h *harness) commit() gitdb.Commit {
	h.t.Helper()
	c, err := h.db.Commit(gitdb.OID(h.Base()))
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *harness) File(path string) (string, bool) {
	h.t.Helper()
	entry, ok, err := h.db.Find(h.commit().Tree, path)
	if err != nil || !ok {
		return "", false
	}
	data, err := h.db.Blob(entry.OID, 1<<20)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data), true
}

// settle brings the work tree along after the tests moved the base branch.
func (h *harness) settle() {
	if !h.db.Bare() {
		h.git("reset", "-q", "--hard")
	}
}

func (h *harness) Commit(files map[string]string) {
	h.direct(gitdb.OID(h.Base()), files)
	h.settle()
}

func (h *harness) MergeByHand(id string, more map[string]string) {
	h.t.Helper()
	facts := h.observe(id)
	var edits []gitdb.Edit
	for path, content := range more {
		oid, err := h.db.WriteBlob([]byte(content))
		if err != nil {
			h.t.Fatal(err)
		}
		edits = append(edits, gitdb.Edit{Path: path, OID: oid})
	}
	tree, err := h.db.WriteTree(gitdb.OID(facts.ResultTree), edits)
	if err != nil {
		h.t.Fatal(err)
	}
	who := gitdb.Person{Name: "assent", Email: "assent@localhost", When: clock()}
	// Even with the right message, and signed by somebody: only the engine's key counts.
	oid, err := h.db.WriteCommit(gitdb.Commit{
		Tree: tree, Parents: []gitdb.OID{gitdb.OID(facts.Base), gitdb.OID(facts.Head)},
		Author: who, Committer: who, Message: mergeMessage(id, facts.Title),
	}, signCommit(h.keys["di"]))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.db.MoveRef("refs/heads/main", gitdb.OID(facts.Base), oid); err != nil {
		h.t.Fatal(err)
	}
	h.settle()
}

func (h *harness) Rewind(to string) {
	h.t.Helper()
	if err := h.db.MoveRef("refs/heads/main", gitdb.OID(h.Base()), gitdb.OID(to)); err != nil {
		h.t.Fatal(err)
	}
	h.settle()
}
