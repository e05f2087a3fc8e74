package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// forgery is a log that an attacker with push access wrote by hand.
type forgery struct {
	*world
	log history // of pull request one: opened, pushed, bo denies
	two history // of pull request two: opened, bo approves
}

func newForgery(t *testing.T) *forgery {
	t.Helper()
	w := newWorld(t, true)
	ctx := t.Context()
	l := w.forge()
	w.open("one")
	w.open("two")
	_, err := l.Push(ctx, w.keys["ann"], "one", map[string][]byte{"requests/one.yaml": []byte("role: write\n")}, "more")
	_, err2 := l.Review(ctx, w.keys["bo"], "one", review.Deny, "no")
	_, err3 := l.Review(ctx, w.keys["bo"], "two", review.Approve, "yes")
	one, err4 := l.load("one")
	two, err5 := l.load("two")
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	return &forgery{w, one, two}
}

// approval is the event with which bo would approve pull request one.
func (f *forgery) approval() Event {
	last := f.log.events[len(f.log.events)-1]
	return Event{
		Schema: eventSchema, Forge: Name, Repo: repoID, PullRequest: "one", Seq: last.Seq + 1, Prev: digest(last.Payload),
		Type: TypeReview, BaseRef: "refs/heads/main", Base: last.Base, HeadRef: last.HeadRef, Head: last.Head,
		ChangeDigest: last.ChangeDigest, Actor: f.keys["bo"].Public().Fingerprint(), At: clock(),
		Verdict: review.Approve, Body: "yes",
	}
}

// signed encodes an event whatever it says, and signs it in a namespace.
func (f *forgery) signed(e Event, by signature.Signer, namespace string) (payload, sig []byte) {
	f.t.Helper()
	payload, err := encode(e)
	if err != nil {
		f.t.Fatal(err)
	}
	return payload, f.sign(by, namespace, payload)
}

func (f *forgery) sign(by signature.Signer, namespace string, payload []byte) []byte {
	f.t.Helper()
	sig, err := by.Sign(namespace, payload)
	if err != nil {
		f.t.Fatal(err)
	}
	return sig
}

// commit writes files on top of the tree of a log commit, as its child.
func (f *forgery) commit(parent gitdb.OID, files map[string][]byte) gitdb.OID {
	f.t.Helper()
	tree := gitdb.EmptyTree
	var parents []gitdb.OID
	if parent != "" {
		c, err := f.db.Commit(parent)
		if err != nil {
			f.t.Fatal(err)
		}
		tree, parents = c.Tree, []gitdb.OID{parent}
	}
	var edits []gitdb.Edit
	for path, data := range files {
		oid := gitdb.OID("")
		if data != nil {
			var err error
			if oid, err = f.db.WriteBlob(data); err != nil {
				f.t.Fatal(err)
			}
		}
		edits = append(edits, gitdb.Edit{Path: path, OID: oid})
	}
	tree, err := f.db.WriteTree(tree, edits)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.child(tree, parents...)
}

func (f *forgery) child(tree gitdb.OID, parents ...gitdb.OID) gitdb.OID {
	f.t.Helper()
	who := gitdb.Person{Name: "x", Email: "x@example.org", When: clock()}
	oid, err := f.db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: who, Committer: who, Message: "review 4\n"}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return oid
}

// place makes a commit the tip of pull request one's log.
func (f *forgery) place(tip gitdb.OID) {
	f.t.Helper()
	now, err := f.db.Resolve(logPrefix + "one")
	if err == nil {
		err = f.db.MoveRef(logPrefix+"one", now, tip)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *forgery) put(e Event, payload, sig []byte) {
	f.t.Helper()
	f.place(f.commit(f.log.tip, map[string][]byte{e.file(): payload, e.file() + ".sig": sig}))
}

// restore undoes a forgery, for the next one.
func (f *forgery) restore() {
	f.t.Helper()
	f.place(f.log.tip)
	f.remember("one", f.log.tip)
}

func (f *forgery) remember(id string, tip gitdb.OID) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, "assent-seen", id), []byte(tip+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// approved reports whether bo's approval of the current change is a fact.
func (f *forgery) approved() (bool, error) {
	facts, err := f.forge().Observe(f.t.Context(), "one")
	for _, r := range facts.Reviews {
		if r.Actor.ID == f.keys["bo"].Public().Fingerprint() && r.Verdict == review.Approve &&
			r.Signed.ChangeDigest == facts.ChangeDigest && r.Commit == facts.Head {
			return true, err
		}
	}
	return false, err
}

// says signs bo's approval after something in it was changed. Even bo cannot
// make an event that says something else count here.
func says(edit func(*Event)) func(*forgery) {
	return func(f *forgery) {
		e := f.approval()
		edit(&e)
		payload, sig := f.signed(e, f.keys["bo"], e.Type.Namespace())
		f.put(e, payload, sig)
	}
}

// rewrite signs bo's approval after its bytes were changed, meaning the same.
func rewrite(edit func(payload string) string) func(*forgery) {
	return func(f *forgery) {
		e := f.approval()
		payload, _ := f.signed(e, f.keys["bo"], "assent.review.v1")
		changed := []byte(edit(string(payload)))
		if bytes.Equal(changed, payload) {
			f.t.Fatal("nothing was changed")
		}
		f.put(e, changed, f.sign(f.keys["bo"], "assent.review.v1", changed))
	}
}

// tamper changes payload and signature after bo signed.
func tamper(edit func(f *forgery, payload, sig []byte) ([]byte, []byte)) func(*forgery) {
	return func(f *forgery) {
		e := f.approval()
		payload, sig := f.signed(e, f.keys["bo"], "assent.review.v1")
		payload, sig = edit(f, payload, sig)
		f.put(e, payload, sig)
	}
}

func TestForgedEventsNeverCount(t *testing.T) {
	f := newForgery(t)
	says(func(*Event) {})(f)
	if ok, err := f.approved(); !ok || err != nil {
		t.Fatalf("bo's own approval does not count: %v", err)
	}
	cases := forgeries()
	if len(cases) < 40 {
		t.Errorf("%d forgeries, want 40", len(cases))
	}
	for name, forgeIt := range cases {
		t.Run(name, func(t *testing.T) {
			f.t = t
			f.restore()
			forgeIt(f)
			ok, err := f.approved()
			if ok {
				t.Error("the approval counts")
			}
			if !errors.Is(err, forge.ErrIncomplete) {
				t.Errorf("observe: %v, want %v", err, forge.ErrIncomplete)
			}
			if list, err := f.forge().List(t.Context(), review.StateOpen); err != nil || len(list) != 2 {
				t.Errorf("a broken log hides pull requests: %v, %v", list, err)
			}
		})
	}
}

func forgeries() map[string]func(*forgery) {
	all := map[string]func(*forgery){}
	for _, m := range []map[string]func(*forgery){signatureForgeries(), bindingForgeries(), byteForgeries(), logForgeries()} {
		for name, f := range m {
			all[name] = f
		}
	}
	return all
}

func signatureForgeries() map[string]func(*forgery) {
	in := func(namespace string) func(*forgery) {
		return tamper(func(f *forgery, p, _ []byte) ([]byte, []byte) { return p, f.sign(f.keys["bo"], namespace, p) })
	}
	return map[string]func(*forgery){
		"signed by another key": tamper(func(f *forgery, p, _ []byte) ([]byte, []byte) {
			return p, f.sign(f.keys["di"], "assent.review.v1", p)
		}),
		"signed by the engine": tamper(func(f *forgery, p, _ []byte) ([]byte, []byte) {
			return p, f.sign(f.engine, "assent.review.v1", p)
		}),
		"namespace of another type": in("assent.opened.v1"),
		"namespace of a ledger":     in("assent.determination.v1"),
		"namespace git":             in("git"),
		"namespace file":            in("file"),
		"namespace of version two":  in("assent.review.v2"),
		"unsigned":                  tamper(func(_ *forgery, p, _ []byte) ([]byte, []byte) { return p, []byte{} }),
		"signature file missing": func(f *forgery) {
			e := f.approval()
			payload, _ := f.signed(e, f.keys["bo"], "assent.review.v1")
			f.place(f.commit(f.log.tip, map[string][]byte{e.file(): payload}))
		},
		"signature of another event": tamper(func(f *forgery, p, _ []byte) ([]byte, []byte) {
			return p, f.log.events[2].Signature
		}),
		"two signatures": tamper(func(f *forgery, p, s []byte) ([]byte, []byte) {
			return p, append(f.sign(f.keys["di"], "assent.review.v1", p), s...)
		}),
		"signature cut short": tamper(func(_ *forgery, p, s []byte) ([]byte, []byte) { return p, s[:len(s)/2] }),
		"verdict edited":      edited(`"deny"`, `"approve"`, 2),
		"body edited":         edited(`"no"`, `"yes"`, 2),
		"head edited": tamper(func(f *forgery, p, s []byte) ([]byte, []byte) {
			return replace(p, f.log.events[1].Head, f.log.events[0].Head), s
		}),
		"payload edited, resigned": tamperResigned,
	}
}

func replace(p []byte, old, now string) []byte {
	return []byte(strings.ReplaceAll(string(p), old, now))
}

// edited rewrites an old event of the log and everything after it.
func edited(old, now string, at int) func(*forgery) {
	return func(f *forgery) {
		tip := f.log.commits[at-1]
		for _, e := range f.log.events[at:] {
			tip = f.commit(tip, map[string][]byte{e.file(): replace(e.Payload, old, now), e.file() + ".sig": e.Signature})
		}
		f.place(tip)
		f.remember("one", tip)
	}
}

// tamperResigned turns bo's denial into an approval that names bo but is
// signed by di.
func tamperResigned(f *forgery) {
	e := f.log.events[2]
	payload := replace(e.Payload, `"deny"`, `"approve"`)
	tip := f.commit(f.log.commits[1], map[string][]byte{e.file(): payload, e.file() + ".sig": f.sign(f.keys["di"], "assent.review.v1", payload)})
	f.place(tip)
	f.remember("one", tip)
}

func bindingForgeries() map[string]func(*forgery) {
	return map[string]func(*forgery){
		"other repository":        says(func(e *Event) { e.Repo = "repo-2" }),
		"other forge":             says(func(e *Event) { e.Forge = "github" }),
		"other pull request":      says(func(e *Event) { e.PullRequest = "two" }),
		"other schema":            says(func(e *Event) { e.Schema = "assent.event/v2" }),
		"other base branch":       says(func(e *Event) { e.BaseRef = "refs/heads/playground" }),
		"other head branch":       says(func(e *Event) { e.HeadRef = "refs/heads/request/two" }),
		"head it never had":       says(func(e *Event) { e.Head = strings.Repeat("ab", 20) }),
		"head that is the base":   says(func(e *Event) { e.Head = e.Base }),
		"head not an object id":   says(func(e *Event) { e.Head = "main" }),
		"number repeated":         says(func(e *Event) { e.Seq-- }),
		"number skipped":          says(func(e *Event) { e.Seq++ }),
		"previous event left out": says(func(e *Event) { e.Prev = "" }),
		"previous event another":  says(func(e *Event) { e.Prev = "sha256:" + strings.Repeat("0", 64) }),
		"names another key":       says(func(e *Event) { e.Actor = "SHA256:someone" }),
		"verdict dismissed":       says(func(e *Event) { e.Verdict = review.Dismissed }),
		"verdict unknown":         says(func(e *Event) { e.Verdict = "lgtm" }),
		"type unknown":            says(func(e *Event) { e.Type, e.Verdict = "approved", "" }),
		"opened again":            says(func(e *Event) { e.Type, e.Verdict = TypeOpened, "" }),
		"canceled by another":     says(func(e *Event) { e.Type, e.Verdict = TypeCanceled, "" }),
		"closed by a person":      says(func(e *Event) { e.Type, e.Verdict = TypeClosed, "" }),
		"published by a person":   says(func(e *Event) { e.Type, e.Verdict = TypePublished, "" }),
		"merged by a person": says(func(e *Event) {
			e.Type, e.Verdict, e.Merge = TypeMerged, "", e.Base
		}),
		"review with a title":  says(func(e *Event) { e.Title = "x" }),
		"review with a merge":  says(func(e *Event) { e.Merge = e.Base }),
		"review with a report": says(func(e *Event) { e.Report = "x" }),
		"new head that the branch does not have": says(func(e *Event) {
			e.Type, e.Verdict, e.Body, e.Head = TypePushed, "", "", e.Base
		}),
	}
}

func byteForgeries() map[string]func(*forgery) {
	return map[string]func(*forgery){
		"unknown field": rewrite(func(p string) string { return strings.Replace(p, "{\n", "{\n  \"x\": 1,\n", 1) }),
		"field twice": rewrite(func(p string) string {
			return strings.Replace(p, "  \"verdict\"", "  \"verdict\": \"deny\",\n  \"verdict\"", 1)
		}),
		"field in capitals":   rewrite(func(p string) string { return strings.Replace(p, `"verdict"`, `"Verdict"`, 1) }),
		"other white space":   rewrite(func(p string) string { return strings.Replace(p, "  ", "\t", 1) }),
		"no final newline":    rewrite(func(p string) string { return strings.TrimSuffix(p, "\n") }),
		"second value":        rewrite(func(p string) string { return p + p }),
		"escaped letters":     rewrite(func(p string) string { return strings.Replace(p, `"yes"`, `"\u0079es"`, 1) }),
		"not UTF-8":           rewrite(func(p string) string { return strings.Replace(p, `"yes"`, "\"y\xff\"", 1) }),
		"other form of time":  rewrite(func(p string) string { return strings.Replace(p, "12:00:00Z", "12:00:00+00:00", 1) }),
		"not JSON":            rewrite(func(string) string { return "approve\n" }),
		"empty":               rewrite(func(string) string { return "" }),
		"null":                rewrite(func(string) string { return "null\n" }),
		"too large to be one": says(func(e *Event) { e.Body = strings.Repeat("x", maxEvent+1) }),
	}
}

func logForgeries() map[string]func(*forgery) {
	return map[string]func(*forgery){
		"replayed from another pull request": func(f *forgery) {
			e := f.two.events[1]
			moved := e
			moved.Seq = 4
			f.put(moved, e.Payload, e.Signature)
		},
		"replayed from this pull request": func(f *forgery) {
			e := f.log.events[2]
			moved := e
			moved.Seq = 4
			f.put(moved, e.Payload, e.Signature)
		},
		"log of another pull request": func(f *forgery) { f.place(f.two.tip); f.remember("one", f.two.tip) },
		"cut before the denial":       func(f *forgery) { f.place(f.log.commits[1]) },
		"cut to its first event":      func(f *forgery) { f.place(f.log.commits[0]) },
		"deleted": func(f *forgery) {
			if err := f.db.MoveRef(logPrefix+"one", f.log.tip, ""); err != nil {
				f.t.Fatal(err)
			}
			f.t.Cleanup(func() {
				if err := f.db.MoveRef(logPrefix+"one", "", f.log.tip); err != nil {
					f.t.Error(err)
				}
			})
		},
		"denial replaced by an approval": func(f *forgery) {
			e := f.approval()
			e.Seq, e.Prev = 3, digest(f.log.events[1].Payload)
			payload, sig := f.signed(e, f.keys["bo"], "assent.review.v1")
			f.place(f.commit(f.log.commits[1], map[string][]byte{e.file(): payload, e.file() + ".sig": sig}))
		},
		"reordered": func(f *forgery) {
			a, b := f.log.events[1], f.log.events[2]
			tip := f.commit(f.log.commits[0], map[string][]byte{"events/0002-review.json": b.Payload, "events/0002-review.json.sig": b.Signature})
			tip = f.commit(tip, map[string][]byte{"events/0003-pushed.json": a.Payload, "events/0003-pushed.json.sig": a.Signature})
			f.place(tip)
			f.remember("one", tip)
		},
		"old event removed": func(f *forgery) {
			name := f.log.events[2].file()
			f.place(f.commit(f.log.tip, map[string][]byte{name: nil, name + ".sig": nil}))
		},
		"something else added": func(f *forgery) { f.place(f.commit(f.log.tip, map[string][]byte{"README": []byte("x")})) },
		"nothing added":        func(f *forgery) { f.place(f.commit(f.log.tip, nil)) },
		"two events in one commit": func(f *forgery) {
			e := f.approval()
			p, s := f.signed(e, f.keys["bo"], "assent.review.v1")
			next := e
			next.Seq, next.Prev = e.Seq+1, digest(p)
			p2, s2 := f.signed(next, f.keys["bo"], "assent.review.v1")
			f.place(f.commit(f.log.tip, map[string][]byte{e.file(): p, e.file() + ".sig": s, next.file(): p2, next.file() + ".sig": s2}))
		},
		"file named after another type": func(f *forgery) {
			e := f.approval()
			p, s := f.signed(e, f.keys["bo"], "assent.review.v1")
			f.place(f.commit(f.log.tip, map[string][]byte{"events/0004-pushed.json": p, "events/0004-pushed.json.sig": s}))
		},
		"merge commit in the log": func(f *forgery) {
			c, err := f.db.Commit(f.log.tip)
			if err != nil {
				f.t.Fatal(err)
			}
			f.place(f.child(c.Tree, f.log.tip, f.two.tip))
		},
		"symbolic link for a signature": func(f *forgery) {
			e := f.approval()
			p, s := f.signed(e, f.keys["bo"], "assent.review.v1")
			c, err := f.db.Commit(f.log.tip)
			payload, err2 := f.db.WriteBlob(p)
			sig, err3 := f.db.WriteBlob(s)
			tree, err4 := f.db.WriteTree(c.Tree, []gitdb.Edit{{Path: e.file(), OID: payload}, {Path: e.file() + ".sig", Mode: gitdb.ModeSymlink, OID: sig}})
			if err := errors.Join(err, err2, err3, err4); err != nil {
				f.t.Fatal(err)
			}
			f.place(f.child(tree, f.log.tip))
		},
		"the base branch's history": func(f *forgery) {
			base, err := f.db.Resolve("refs/heads/main")
			if err != nil {
				f.t.Fatal(err)
			}
			f.place(base)
			f.remember("one", base)
		},
		"review after the end": func(f *forgery) {
			e := f.approval()
			e.Type, e.Verdict, e.Actor = TypeCanceled, "", f.keys["ann"].Public().Fingerprint()
			p, s := f.signed(e, f.keys["ann"], "assent.canceled.v1")
			tip := f.commit(f.log.tip, map[string][]byte{e.file(): p, e.file() + ".sig": s})
			late := f.approval()
			late.Seq, late.Prev = e.Seq+1, digest(p)
			p, s = f.signed(late, f.keys["bo"], "assent.review.v1")
			f.place(f.commit(tip, map[string][]byte{late.file(): p, late.file() + ".sig": s}))
		},
	}
}

// What is no forgery but of another state of things is read, and shows it.
func TestHonestEventsThatDoNotCount(t *testing.T) {
	for name, forgeIt := range map[string]func(*forgery){
		"of an older head":  func(f *forgery) { says(func(e *Event) { e.Head = f.log.events[0].Head })(f) },
		"of another change": says(func(e *Event) { e.ChangeDigest = "sha256:" + strings.Repeat("0", 64) }),
		"by a stranger": func(f *forgery) {
			e := f.approval()
			e.Actor = f.keys["di"].Public().Fingerprint()
			p, s := f.signed(e, f.keys["di"], "assent.review.v1")
			f.put(e, p, s)
		},
		"a comment, dated in the future": says(func(e *Event) { e.Verdict, e.At = review.Comment, clock().Add(time.Hour) }),
	} {
		t.Run(name, func(t *testing.T) {
			f := newForgery(t)
			forgeIt(f)
			if ok, err := f.approved(); ok || err != nil {
				t.Errorf("counts: %v, %v", ok, err)
			}
			if facts := f.observe("one"); len(facts.Reviews) != 2 {
				t.Errorf("%d reviews, want both", len(facts.Reviews))
			}
		})
	}
}
