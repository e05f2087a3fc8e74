package gitea_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// TestAttacks plays on a real Gitea what its own rules let through.
func TestAttacks(t *testing.T) {
	s := server(t)
	for name, attack := range map[string]func(*testing.T, *harness){
		"review begun before the push":     reviewBegunBefore,
		"review of an older commit":        reviewOfOlderCommit,
		"dismissal":                        dismissal,
		"words of a review changed":        wordsChanged,
		"head goes away and comes back":    awayAndBack,
		"pointed elsewhere and back":       elsewhereAndBack,
		"forged status":                    forgedStatus,
		"push behind a page of comments":   pushBehindComments,
		"every method with a moving base":  everyMethod,
		"repository renamed, name taken":   nameTaken,
		"token of somebody else, or none":  otherTokens,
		"login given to a stranger":        loginGivenAway,
		"author has no write access":       fromFork,
		"looking writes nothing":           looking,
		"dismissed as stale by the server": dismissedAsStale,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attack(t, newHarness(t, s))
		})
	}
}

const path1 = "requests/sales/one.yaml"

// opened is ann's pull request, seen by the engine.
func (h *harness) opened() (id string, n int, first review.Facts) {
	h.t.Helper()
	n, err := h.Repository.Open(h.t.Context(), "ann", "request/one", "access for ann", map[string]string{path1: "role: read\n"})
	h.must(err)
	id = strconv.Itoa(n)
	return id, n, h.observe(id)
}

func (h *harness) observe(id string) review.Facts {
	h.t.Helper()
	f, err := h.Forge().Observe(h.t.Context(), id)
	h.must(err)
	return f
}

func (h *harness) push(by string, n int, content string, force bool) string {
	h.t.Helper()
	head, err := h.Repository.Push(h.t.Context(), by, n, map[string]string{path1: content}, force)
	h.must(err)
	return string(head)
}

func (h *harness) api(who, method, path string, in, out any) {
	h.t.Helper()
	token := h.Admin()
	if who != "" {
		token = h.person(who).Token
	}
	h.must(h.API(h.t.Context(), token, method, path, in, out))
}

// tick waits for another second, which is what Gitea's clock counts.
func tick() { time.Sleep(1100 * time.Millisecond) }

func (h *harness) pushed(f review.Facts, who string) bool {
	return slices.ContainsFunc(f.Pushers, func(a review.Actor) bool { return a.ID == h.Actor(who).ID })
}

// Gitea says of a review that it was submitted when it was begun.
func reviewBegunBefore(t *testing.T, h *harness) {
	id, n, first := h.opened()
	begun, err := h.Repository.Review(t.Context(), "bo", n, "PENDING", "so far", "")
	h.must(err)
	if got := h.observe(id); len(got.Reviews) != 0 {
		t.Errorf("what is not submitted counts: %+v", got.Reviews)
	}
	tick()
	head := h.push("ann", n, "role: admin\n", false)
	seen := h.observe(id)
	tick()
	h.api("bo", http.MethodPost, h.Path("pulls/%d/reviews/%d", n, begun), map[string]string{"event": "APPROVED", "body": "fine"}, nil)
	f := h.observe(id)
	if len(f.Reviews) != 1 || f.Reviews[0].Commit != head {
		t.Fatalf("reviews %+v, want one of %s", f.Reviews, head)
	}
	if r := f.Reviews[0]; !r.SubmittedAt.After(seen.HeadFirstSeen) || r.Edited {
		t.Errorf("submitted at %s, and the head was first seen at %s; edited %v", r.SubmittedAt, seen.HeadFirstSeen, r.Edited)
	}
	if !f.HeadFirstSeen.Equal(seen.HeadFirstSeen) || !f.HeadFirstSeen.After(first.HeadFirstSeen) {
		t.Errorf("first seen at %s, then %s; the head before at %s", seen.HeadFirstSeen, f.HeadFirstSeen, first.HeadFirstSeen)
	}
}

func reviewOfOlderCommit(t *testing.T, h *harness) {
	id, n, first := h.opened()
	h.push("ann", n, "role: admin\n", false)
	_, err := h.Repository.Review(t.Context(), "bo", n, "APPROVED", "", gitdb.OID(first.Head))
	h.must(err)
	f := h.observe(id)
	if r := f.Reviews[0]; r.Commit != first.Head || r.FirstCommit != first.Head || f.Head == first.Head {
		t.Errorf("review of %s; it was of %s, and the head is %s", r.FirstCommit, first.Head, f.Head)
	}
}

// The state of a dismissed review stays what it was: only a flag tells.
func dismissal(t *testing.T, h *harness) {
	id, n, _ := h.opened()
	denied, err := h.Repository.Review(t.Context(), "bo", n, "REQUEST_CHANGES", "no", "")
	h.must(err)
	// Gitea flags the former opinion of who says the opposite as dismissed.
	_, err = h.Repository.Review(t.Context(), "bo", n, "APPROVED", "well", "")
	h.must(err)
	f := h.observe(id)
	if len(f.Reviews) != 2 || f.Reviews[0].DismissedBy != nil || f.Reviews[1].DismissedBy != nil {
		t.Fatalf("who says the opposite later dismissed nothing: %+v", f.Reviews)
	}
	h.api("", http.MethodPut, h.Path("collaborators/%s", h.person("ann").Login), map[string]string{"permission": "admin"}, nil)
	h.api("ann", http.MethodPost, h.Path("pulls/%d/reviews/%d/dismissals", n, denied), map[string]any{"message": "wrong"}, nil)
	f = h.observe(id)
	if r := f.Reviews[0]; r.Verdict != review.Deny || r.DismissedBy == nil || r.DismissedBy.ID != h.Actor("ann").ID {
		t.Errorf("dismissed by ann: %+v", r)
	}
	// Without the note of it nobody knows who it was, and it counts as nobody's.
	last, err := h.Repository.Review(t.Context(), "cy", n, "REQUEST_CHANGES", "no", "")
	h.must(err)
	h.api("ann", http.MethodPost, h.Path("pulls/%d/reviews/%d/dismissals", n, last), map[string]any{"message": "wrong"}, nil)
	h.api("ann", http.MethodDelete, h.Path("issues/comments/%d", h.event(n, "dismiss_review").ID), nil, nil)
	if r := h.observe(id).Reviews[2]; r.Verdict != review.Deny || r.DismissedBy == nil || r.DismissedBy.ID != "" || !r.DismissedBy.Bot {
		t.Errorf("dismissed by nobody knows whom: %+v", r)
	}
	h.api("ann", http.MethodPost, h.Path("pulls/%d/reviews/%d/undismissals", n, last), nil, nil)
	if r := h.observe(id).Reviews[2]; r.DismissedBy != nil {
		t.Errorf("not dismissed any more: %+v", r)
	}
}

type entry struct {
	ID   int64  `json:"id"`
	Type string `json:"type"`
}

// event is the newest entry of a type in the timeline.
func (h *harness) event(n int, kind string) entry {
	h.t.Helper()
	var list []entry
	h.api("", http.MethodGet, h.Path("issues/%d/timeline?limit=50", n), nil, &list)
	for _, e := range slices.Backward(list) {
		if e.Type == kind {
			return e
		}
	}
	h.t.Fatalf("no %s in %+v", kind, list)
	return entry{}
}

// Whoever may write can put words into a review of somebody else.
func wordsChanged(t *testing.T, h *harness) {
	id, n, _ := h.opened()
	_, err := h.Repository.Review(t.Context(), "bo", n, "APPROVED", "/approve for 1d", "")
	h.must(err)
	at := h.event(n, "review")
	h.api("ann", http.MethodPatch, h.Path("issues/comments/%d", at.ID), map[string]string{"body": "/approve for 90d"}, nil)
	if r := h.observe(id).Reviews[0]; !r.Edited || r.Body != "/approve for 1d" || r.Actor.ID != h.Actor("bo").ID {
		t.Errorf("edited: %+v", r)
	}
	h.api("ann", http.MethodDelete, h.Path("issues/comments/%d", at.ID), nil, nil)
	if r := h.observe(id).Reviews[0]; !r.Edited || r.Verdict != review.Approve {
		t.Errorf("deleted: %+v", r)
	}
}

func awayAndBack(t *testing.T, h *harness) {
	id, n, first := h.opened()
	tick()
	h.push("bo", n, "role: admin\n", true)
	if f := h.observe(id); !h.pushed(f, "bo") {
		t.Errorf("pushers %+v", f.Pushers)
	}
	tick()
	h.must(h.Force(t.Context(), "bo", n, gitdb.OID(first.Head)))
	f := h.observe(id)
	if f.Head != first.Head || !f.HeadFirstSeen.After(first.HeadFirstSeen) || !h.pushed(f, "bo") || !h.pushed(f, "ann") {
		t.Errorf("head %s since %s, before %s since %s; pushers %+v", f.Head, f.HeadFirstSeen, first.Head, first.HeadFirstSeen, f.Pushers)
	}
}

func elsewhereAndBack(t *testing.T, h *harness) {
	id, n, first := h.opened()
	h.must(h.Branch(t.Context(), "playground"))
	h.must(h.Change(t.Context(), "ann", n, "base", "playground"))
	if f := h.observe(id); f.BaseRef != "refs/heads/playground" {
		t.Errorf("base %s", f.BaseRef)
	}
	tick()
	_, err := h.Repository.Review(t.Context(), "bo", n, "APPROVED", "for the playground", "")
	h.must(err)
	tick()
	h.must(h.Change(t.Context(), "ann", n, "base", "main"))
	f := h.observe(id)
	if r := f.Reviews[0]; f.BaseRef != "refs/heads/main" || !f.HeadFirstSeen.After(r.SubmittedAt) {
		t.Errorf("base %s since %s, reviewed at %s (first seen at %s)", f.BaseRef, f.HeadFirstSeen, r.SubmittedAt, first.HeadFirstSeen)
	}
}

func forgedStatus(t *testing.T, h *harness) {
	n, err := h.Repository.Open(t.Context(), "ann", "request/one", "access for ann", map[string]string{path1: "role: read\n"})
	h.must(err)
	pr, err := h.Pull(t.Context(), n)
	h.must(err)
	forge1 := map[string]string{"state": "success", "context": "assent: main", "description": "approved by everybody"}
	h.api("di", http.MethodPost, h.Path("statuses/%s", pr.Head.SHA), forge1, nil)
	tick()
	id := strconv.Itoa(n)
	f := h.observe(id)
	type status struct {
		State   string    `json:"status"`
		Created time.Time `json:"created_at"`
		Creator struct {
			ID int64 `json:"id"`
		} `json:"creator"`
	}
	statuses := func() []status {
		var list []status
		h.api("", http.MethodGet, h.Path("commits/%s/statuses?sort=oldest", pr.Head.SHA), nil, &list)
		return list
	}
	list := statuses()
	if len(list) != 2 || !f.HeadFirstSeen.After(list[0].Created) && !f.HeadFirstSeen.After(list[1].Created) {
		t.Errorf("first seen at %s: %+v", f.HeadFirstSeen, list)
	}
	report := forge.Report{Head: f.Head, Markdown: "waits", Judgement: review.Judgement{Class: review.ClassRequest, Outcome: review.Pending, Reason: "waits"}}
	for range 2 {
		h.must(h.Forge().Publish(t.Context(), id, report))
	}
	h.api("di", http.MethodPost, h.Path("statuses/%s", pr.Head.SHA), forge1, nil)
	h.must(h.Forge().Publish(t.Context(), id, report))
	var combined struct {
		State    string `json:"state"`
		Statuses []struct {
			Creator struct {
				ID int64 `json:"id"`
			} `json:"creator"`
		} `json:"statuses"`
	}
	h.api("", http.MethodGet, h.Path("commits/%s/status", pr.Head.SHA), nil, &combined)
	if len(combined.Statuses) != 1 || combined.Statuses[0].Creator.ID != h.person("engine").ID || combined.State != "pending" {
		t.Errorf("what people see is %+v", combined)
	}
	if list := statuses(); len(list) != 5 { // forged, first sight, waits, forged, waits
		t.Errorf("%d statuses: %+v", len(list), list)
	}
}

// Comments on lines are left out of the timeline after it was cut into pages:
// what comes behind them is on a page after an empty one.
func pushBehindComments(t *testing.T, h *harness) {
	id, n, first := h.opened()
	var lines []map[string]any
	for i := range 120 {
		lines = append(lines, map[string]any{"path": path1, "body": fmt.Sprint(i), "new_position": 1})
	}
	h.api("cy", http.MethodPost, h.Path("pulls/%d/reviews", n), map[string]any{"event": "COMMENT", "body": "many", "comments": lines}, nil)
	tick()
	h.push("bo", n, "role: admin\n", false)
	f := h.observe(id)
	if f.Head == first.Head || !h.pushed(f, "bo") {
		t.Errorf("pushers %+v, want bo among them", f.Pushers)
	}
	h.must(h.Change(t.Context(), "ann", n, "state", "closed"))
	if f := h.observe(id); f.State != review.StateCanceled {
		t.Errorf("closed by ann: %s", f.State)
	}
}

func everyMethod(t *testing.T, h *harness) {
	for _, c := range []struct {
		method  gitea.Method
		commits int
		parents int
	}{{gitea.MergeCommit, 1, 2}, {gitea.Squash, 2, 1}, {gitea.Rebase, 1, 1}, {gitea.Rebase, 2, 1}} {
		name := fmt.Sprintf("%s-%d", c.method, c.commits)
		h.method = c.method
		n, err := h.Repository.Open(t.Context(), "ann", name, name, map[string]string{"requests/" + name + ".yaml": "a: 1\n"})
		h.must(err)
		if c.commits > 1 {
			_, err = h.Repository.Push(t.Context(), "ann", n, map[string]string{"requests/" + name + ".yaml": "a: 2\n"}, false)
			h.must(err)
		}
		h.Commit(map[string]string{"forms/" + name + ".yaml": "b: 2\n"}) // and the base moves
		id := strconv.Itoa(n)
		f := h.observe(id)
		want := forge.Want{Base: f.Base, Head: f.Head, Tree: f.ResultTree}
		done, err := h.Forge().Merge(t.Context(), id, want)
		h.must(err)
		if done.Parent != f.Base || done.Tree != f.ResultTree || done.Commit != h.Base() {
			t.Errorf("%s: merged %+v, wanted %+v; main is at %s", name, done, want, h.Base())
		}
		db := h.db()
		at, err := db.Fetch(t.Context(), h.Remote(h.Admin()), map[string]string{"refs/heads/main": "refs/x/main"})
		h.must(err)
		commit, err := db.Commit(at["refs/heads/main"])
		h.must(err)
		if len(commit.Parents) != c.parents {
			t.Errorf("%s: %d parents, want %d", name, len(commit.Parents), c.parents)
		}
		if after := h.observe(id); after.State != review.StateMerged || after.Base != f.Base || after.ChangeDigest != f.ChangeDigest || after.Head != f.Head {
			t.Errorf("%s: after the merge %+v", name, after)
		}
	}
}

func nameTaken(t *testing.T, h *harness) {
	id, _, _ := h.opened()
	cfg := h.config()
	h.api("", http.MethodPatch, h.Path("")[:len(h.Path(""))-1], map[string]string{"name": h.Name + "-new"}, nil)
	moved, err := h.open(cfg).Observe(t.Context(), id)
	if err != nil || moved.PullRequest != id {
		t.Errorf("after a rename: %+v, %v", moved, err)
	}
	// The stranger's repository of that name has a pull request 1 too.
	h.api("", http.MethodPost, "orgs/"+h.Org+"/repos", map[string]any{"name": h.Name, "default_branch": "main", "auto_init": true}, nil)
	h.api("", http.MethodPost, h.Path("contents/one.yaml"), map[string]string{"content": "YTogMQo=", "branch": "main", "new_branch": "one", "message": "one"}, nil)
	h.api("", http.MethodPost, h.Path("pulls"), map[string]string{"title": "one", "head": "one", "base": "main"}, nil)
	for what, call := range map[string]func(forge.Forge) error{
		"observe": func(f forge.Forge) error { _, err := f.Observe(t.Context(), id); return err },
		"list":    func(f forge.Forge) error { _, err := f.List(t.Context(), ""); return err },
		"close":   func(f forge.Forge) error { return f.Close(t.Context(), id, "") },
	} {
		if err := call(h.open(cfg)); !errors.Is(err, forge.ErrForbidden) {
			t.Errorf("%s where somebody took the name: %v", what, err)
		}
	}
}

func otherTokens(t *testing.T, h *harness) {
	id, _, _ := h.opened()
	cfg := h.config()
	cfg.Engine = h.person("bo").ID
	if _, err := h.open(cfg).Observe(t.Context(), id); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("the token of another account: %v", err)
	}
	cfg = h.config()
	cfg.Token = func(context.Context) (string, error) { return "0123456789012345678901234567890123456789", nil }
	if _, err := h.open(cfg).Observe(t.Context(), id); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("a token of nobody: %v", err)
	}
}

func loginGivenAway(t *testing.T, h *harness) {
	id, n, _ := h.opened()
	before := h.Actor("bo")
	_, err := h.Repository.Review(t.Context(), "bo", n, "APPROVED", "", "")
	h.must(err)
	h.api("", http.MethodPost, "admin/users/"+before.Login+"/rename", map[string]string{"new_username": before.Login + "-2"}, nil)
	t.Cleanup(func() { // others of this server still look for the name
		_ = h.API(context.Background(), h.Admin(), http.MethodPost, "admin/users/"+before.Login+"-2/rename", map[string]string{"new_username": before.Login}, nil)
	})
	if r := h.observe(id).Reviews[0]; r.Actor.ID != before.ID || r.Actor.Login == before.Login {
		t.Errorf("renamed: %+v", r.Actor)
	}
}

// Somebody who may only read opens a pull request without a branch.
func fromFork(t *testing.T, h *harness) {
	p, err := h.Person(t.Context(), "outsider")
	h.must(err)
	h.api("", http.MethodPut, h.Path("collaborators/%s", p.Login), map[string]string{"permission": "read"}, nil)
	var fork struct {
		Name  string `json:"name"`
		Owner struct {
			Login string `json:"login"`
		} `json:"owner"`
	}
	h.api("outsider", http.MethodPost, h.Path("forks"), map[string]any{}, &fork)
	h.api("outsider", http.MethodPost, "repos/"+fork.Owner.Login+"/"+fork.Name+"/contents/requests/far.yaml", map[string]string{
		"content": "YTogMQo=", "branch": "main", "new_branch": "far", "message": "from afar",
	}, nil)
	var pr struct {
		Number int `json:"number"`
	}
	h.api("outsider", http.MethodPost, h.Path("pulls"), map[string]string{"title": "from afar", "head": fork.Owner.Login + ":far", "base": "main"}, &pr)
	f := h.observe(strconv.Itoa(pr.Number))
	if f.Author.ID != strconv.FormatInt(p.ID, 10) || len(f.Files) != 1 || !h.pushed(f, "outsider") || f.ResultTree == "" {
		t.Errorf("from a fork: %+v", f)
	}
}

func looking(t *testing.T, h *harness) {
	n, err := h.Repository.Open(t.Context(), "ann", "request/one", "access for ann", map[string]string{path1: "role: read\n"})
	h.must(err)
	id := strconv.Itoa(n)
	cfg := h.config()
	token := h.person("ann").Token
	cfg.Look, cfg.Engine, cfg.Token = true, h.person("engine").ID, func(context.Context) (string, error) { return token, nil }
	writes := 0
	cfg.Transport = transport(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet {
			writes++
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	f, err := h.open(cfg).Observe(t.Context(), id)
	h.must(err)
	if err := h.open(cfg).Publish(t.Context(), id, forge.Report{Head: f.Head}); !errors.Is(err, forge.ErrForbidden) {
		t.Errorf("publish: %v", err)
	}
	if writes != 0 || !f.HeadFirstSeen.IsZero() {
		t.Errorf("%d writes, first seen at %s", writes, f.HeadFirstSeen)
	}
	seen := h.observe(id)
	if f, err = h.open(cfg).Observe(t.Context(), id); err != nil || writes != 0 || !f.HeadFirstSeen.Equal(seen.HeadFirstSeen) {
		t.Errorf("%v: %d writes, first seen at %s, the engine says %s", err, writes, f.HeadFirstSeen, seen.HeadFirstSeen)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// With "dismiss stale approvals" the pusher is who dismisses.
func dismissedAsStale(t *testing.T, h *harness) {
	h.api("", http.MethodPost, h.Path("branch_protections"), map[string]any{
		"rule_name": "main", "dismiss_stale_approvals": true, "required_approvals": 1, "enable_push": true,
	}, nil)
	id, n, _ := h.opened()
	_, err := h.Repository.Review(t.Context(), "bo", n, "APPROVED", "", "")
	h.must(err)
	h.push("ann", n, "role: admin\n", false)
	for range 50 {
		if r := h.observe(id).Reviews[0]; r.DismissedBy != nil {
			if r.DismissedBy.ID != h.Actor("ann").ID || r.Verdict != review.Approve {
				t.Errorf("dismissed as stale: %+v", r)
			}
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("Gitea did not dismiss it")
}
