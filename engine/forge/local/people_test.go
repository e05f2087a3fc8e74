package local

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

func TestReviewersAtOnceAllLand(t *testing.T) {
	w := newWorld(t, true)
	w.open("one")
	shared := w.forge()
	people := []string{"bo", "cy", "di", "ann"}
	errs := make([]error, 2*len(people))
	var wg sync.WaitGroup
	for i := range errs {
		l := shared
		if i%2 == 0 {
			l = w.forge() // another process
		}
		wg.Go(func() {
			_, errs[i] = l.Review(t.Context(), w.keys[people[i/2]], "one", review.Comment, "at once")
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := len(w.observe("one").Reviews); n != len(errs) {
		t.Errorf("%d reviews landed, want %d", n, len(errs))
	}
}

func TestReviewIsOfTheHeadThatWasLookedAt(t *testing.T) {
	w := newWorld(t, true)
	l := w.forge()
	seen := w.open("one").Head
	if _, err := l.Push(t.Context(), w.keys["ann"], "one", map[string][]byte{"requests/one.yaml": []byte("role: admin\n")}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReviewHead(t.Context(), w.keys["bo"], "one", seen, review.Approve, ""); !errors.Is(err, forge.ErrMoved) {
		t.Errorf("review of a head that is gone: %v, want %v", err, forge.ErrMoved)
	}
	r, err := l.ReviewHead(t.Context(), w.keys["bo"], "one", w.observe("one").Head, review.Approve, "")
	if err != nil || r.Commit == seen {
		t.Errorf("review %+v: %v", r, err)
	}
}

func TestOpenGoesOnAfterACrash(t *testing.T) {
	d := Draft{ID: "one", Title: "x", Files: map[string][]byte{"requests/one.yaml": []byte("a: 1\n")}}
	for n := 1; ; n++ {
		w := newWorld(t, true)
		h := &harness{w}
		_, err := h.Crashing(n).(*Local).Open(t.Context(), w.keys["ann"], d)
		died := err != nil
		if _, err := w.forge().Open(t.Context(), w.keys["ann"], d); err != nil {
			t.Errorf("after write %d: %v", n, err)
			continue
		}
		if events, err := w.forge().Events(t.Context(), "one"); err != nil || len(events) != 1 {
			t.Errorf("after write %d: %d events, %v", n, len(events), err)
		}
		_, other := w.forge().Open(t.Context(), w.keys["bo"], d)
		changed := d
		changed.Files = map[string][]byte{"requests/one.yaml": []byte("a: 2\n")}
		if _, same := w.forge().Open(t.Context(), w.keys["ann"], changed); !errors.Is(other, ErrExists) || !errors.Is(same, ErrExists) {
			t.Errorf("opened over it: %v, %v", other, same)
		}
		if !died {
			break
		}
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	w := newWorld(t, true)
	l := w.forge()
	files := map[string][]byte{"requests/one.yaml": []byte("a: 1\n")}
	for name, d := range map[string]Draft{
		"id with a slash":       {ID: "a/b", Files: files},
		"id in capitals":        {ID: "One", Files: files},
		"id that climbs":        {ID: "..", Files: files},
		"no id":                 {Files: files},
		"base branch":           {ID: "one", Branch: "main", Files: files},
		"ledger branch":         {ID: "one", Branch: "assent/ledger", Files: files},
		"branch that climbs":    {ID: "one", Branch: "a/../../assent/pr/x", Files: files},
		"branch that is locked": {ID: "one", Branch: "a.lock", Files: files},
		"nothing changed":       {ID: "one", Files: map[string][]byte{"forms/standard.yaml": []byte("kind: RequestForm\n")}},
		"title not UTF-8":       {ID: "one", Title: "\xff", Files: files},
		"path that climbs":      {ID: "one", Files: map[string][]byte{"../x": []byte("a")}},
		"path into .git":        {ID: "one", Files: map[string][]byte{".git/config": []byte("a")}},
		"author with a header":  {ID: "one", Files: files, Author: gitdb.Person{Name: "a\ntree b"}},
	} {
		if _, err := l.Open(t.Context(), w.keys["ann"], d); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := l.Open(t.Context(), signature.Signer{}, Draft{ID: "one", Files: files}); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("without a key: %v", err)
	}
	if refs, err := w.db.Refs("refs/"); err != nil || len(refs) != 1 {
		t.Errorf("something was left behind: %v, %v", refs, err)
	}
}

func TestEngineMethodsNeedTheEngineKey(t *testing.T) {
	w := newWorld(t, true)
	w.open("one")
	facts := w.observe("one")
	l := New(w.db, Config{Repo: repoID, Branch: "main", Now: clock, Engines: []signature.Public{w.engine.Public()}})
	_, merge := l.Merge(t.Context(), "one", wantOf(facts))
	for what, err := range map[string]error{
		"merge": merge, "close": l.Close(t.Context(), "one", "no"), "publish": l.Publish(t.Context(), "one", forge.Report{Head: facts.Head}),
	} {
		if !errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s: %v, want %v", what, err, forge.ErrForbidden)
		}
	}
	if _, err := w.forge().Merge(t.Context(), "one", wantOf(facts)); err != nil {
		t.Fatal(err)
	}
	if seen, err := l.Observe(t.Context(), "one"); err != nil || seen.State != review.StateMerged {
		t.Errorf("a reader that pins the engine's key sees %s: %v", seen.State, err)
	}
	stranger := New(w.db, Config{Repo: repoID, Branch: "main", Now: clock, Engine: w.keys["di"]})
	if _, err := stranger.Observe(t.Context(), "one"); !errors.Is(err, forge.ErrIncomplete) {
		t.Errorf("an engine with another key believes it: %v", err)
	}
}

func TestWorldWritableRepositoryIsRefused(t *testing.T) {
	for _, name := range []string{"", "refs", "objects", "config", "refs/assent/pr"} {
		w := newWorld(t, true)
		w.open("one")
		at := filepath.Join(w.dir, name)
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at, info.Mode().Perm()|0o002); err != nil {
			t.Fatal(err)
		}
		_, observe := w.forge().Observe(t.Context(), "one")
		_, list := w.forge().List(t.Context(), "")
		_, act := w.forge().Review(t.Context(), w.keys["bo"], "one", review.Approve, "")
		for what, err := range map[string]error{"observe": observe, "list": list, "review": act} {
			if !errors.Is(err, ErrUnsafe) {
				t.Errorf("%s with a world-writable %q: %v", what, name, err)
			}
		}
	}
}

func TestCoAuthorsAreNamedAndIdentifyNobody(t *testing.T) {
	w := newWorld(t, true)
	w.open("one")
	message := "more\n\nnot: a trailer\n\nCo-authored-by: Bo <bo@example.org>\nco-authored-by: Cy <cy@example.org>\nCo-Authored-By: Bo <bo@example.org>\n"
	if _, err := w.forge().Push(t.Context(), w.keys["ann"], "one", map[string][]byte{"requests/one.yaml": []byte("b: 1\n")}, message); err != nil {
		t.Fatal(err)
	}
	facts := w.observe("one")
	want := []review.Actor{{Forge: Name, Login: "Bo <bo@example.org>"}, {Forge: Name, Login: "Cy <cy@example.org>"}}
	if !slices.Equal(facts.CoAuthors, want) {
		t.Errorf("co-authors %v, want %v", facts.CoAuthors, want)
	}
	if len(facts.Pushers) != 1 {
		t.Errorf("pushers %v, want ann alone", facts.Pushers)
	}
}

// A poll of many pull requests must not take long; a second one reads only what
// is new.
func TestListOfTwoHundred(t *testing.T) {
	w := newWorld(t, true)
	l := w.forge()
	for i := range 200 {
		id := "r" + strings.Repeat("x", i%7) + time.Duration(i).String()
		if _, err := l.Open(t.Context(), w.keys["ann"], Draft{ID: id, Title: id, Files: map[string][]byte{"requests/" + id + ".yaml": []byte("a: 1\n")}}); err != nil {
			t.Fatal(err)
		}
	}
	fresh := w.forge()
	for _, round := range []string{"first", "second"} {
		start := time.Now()
		list, err := fresh.List(t.Context(), review.StateOpen)
		took := time.Since(start)
		if err != nil || len(list) != 200 {
			t.Fatalf("%d pull requests: %v", len(list), err)
		}
		t.Logf("%s list of 200: %v", round, took)
		if took > 10*time.Second {
			t.Errorf("%s list of 200 took %v", round, took)
		}
	}
}
