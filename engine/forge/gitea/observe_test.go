package gitea

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

func at(second int) time.Time { return time.Date(2026, 11, 1, 9, 0, second, 0, time.UTC) }

func TestOpinions(t *testing.T) {
	bo, cy := user{ID: 2, Login: "bo"}, user{ID: 3, Login: "cy"}
	events := []event{
		{ID: 10, Type: eventReview, ReviewID: 1, Body: "no", Created: at(5)},
		{ID: 11, Type: eventReview, ReviewID: 4, Body: "begun", Created: at(1)},
		{ID: 12, Type: eventDismiss, ReviewID: 2, User: cy, Created: at(9)},
		{ID: 13, Type: eventReview, ReviewID: 2, Body: "/approve for 90d", Created: at(5)},
		{ID: 14, Type: eventReview, ReviewID: 4, Body: "late", Created: at(8)},
		{ID: 15, Type: eventReview, ReviewID: 7, Body: "", Created: at(9)},
	}
	reviews := []pullReview{
		{ID: 4, User: bo, State: "APPROVED", Body: "late", Commit: "b", Begun: at(1)},
		{ID: 3, User: bo, State: "REQUEST_REVIEW", Begun: at(2)},
		{ID: 2, User: cy, State: "APPROVED", Body: "/approve for 1d", Commit: "a", Dismissed: true, Begun: at(5)},
		{ID: 1, User: bo, State: "REQUEST_CHANGES", Body: "no", Commit: "a", Dismissed: true, Begun: at(5)},
		{ID: 6, User: bo, State: "PENDING", Begun: at(6)},
		{ID: 7, User: user{ID: -1, Login: "Ghost"}, State: "APPROVED", Dismissed: true, Begun: at(7)},
		{ID: 8, User: cy, State: "COMMENT", Body: "deleted", Begun: at(9)},
	}
	got, err := opinions(reviews, events)
	if err != nil {
		t.Fatal(err)
	}
	actor := func(id, login string) review.Actor { return review.Actor{Forge: Name, ID: id, Login: login} }
	byCy, ghost := actor("3", "cy"), review.Actor{Forge: Name, Login: "ghost", Bot: true}
	want := []review.Review{
		{ID: "1", Actor: actor("2", "bo"), Verdict: review.Deny, Body: "no", Commit: "a", FirstCommit: "a", SubmittedAt: at(5)}, // bo spoke again
		{ID: "2", Actor: byCy, Verdict: review.Approve, Body: "/approve for 1d", Commit: "a", FirstCommit: "a", SubmittedAt: at(5), Edited: true, DismissedBy: &byCy},
		{ID: "4", Actor: actor("2", "bo"), Verdict: review.Approve, Body: "late", Commit: "b", FirstCommit: "b", SubmittedAt: at(8)},
		{ID: "8", Actor: byCy, Verdict: review.Comment, Body: "deleted", SubmittedAt: at(9), Edited: true},
		{ID: "7", Actor: ghost, Verdict: review.Approve, SubmittedAt: at(9), DismissedBy: &ghost},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := opinions([]pullReview{{ID: 1, State: "SOMETHING_NEW"}}, nil); !errors.Is(err, forge.ErrIncomplete) {
		t.Errorf("a state that is not known: %v", err)
	}
}

func TestState(t *testing.T) {
	const engine = 9
	ann, bo := user{ID: 1}, user{ID: 2}
	closed := pull{State: "closed", User: ann}
	for name, c := range map[string]struct {
		pull
		events []event
		want   review.State
	}{
		"open":                            {pull{State: "open", User: ann}, nil, review.StateOpen},
		"merged":                          {pull{State: "closed", Merged: true}, nil, review.StateMerged},
		"closed by its author":            {closed, []event{{Type: eventClose, User: ann}}, review.StateCanceled},
		"closed by somebody":              {closed, []event{{Type: eventClose, User: bo}}, review.StateClosed},
		"and opened, and closed":          {closed, []event{{Type: eventClose, User: ann}, {Type: eventReopen, User: bo}, {Type: eventClose, User: bo}}, review.StateClosed},
		"opened and closed by the engine": {pull{State: "closed", User: user{ID: engine}}, []event{{Type: eventClose, User: user{ID: engine}}}, review.StateClosed},
		"nobody knows by whom":            {closed, nil, review.StateClosed},
		"by an account that is no":        {pull{State: "closed"}, []event{{Type: eventClose}}, review.StateClosed},
	} {
		if got := state(c.pull, c.events, engine); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Each commit has to be in a push that the timeline tells of.
func TestEveryCommitWasPushedBySomebody(t *testing.T) {
	db, err := gitdb.Init(t.TempDir(), "main", true)
	if err != nil {
		t.Fatal(err)
	}
	commit := func(message string, parents ...gitdb.OID) gitdb.OID {
		tree, err := db.WriteTree("", nil)
		if err != nil {
			t.Fatal(err)
		}
		ann := gitdb.Person{Name: "ann", Email: "ann@example.com", When: at(0)}
		oid, err := db.WriteCommit(gitdb.Commit{Tree: tree, Parents: parents, Author: ann, Committer: ann, Message: message}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return oid
	}
	base := commit("base\n")
	one := commit("one\n", base)
	two := commit("two\n\nCo-authored-by: cy <cy@example.com>\n", one)
	ann, bo := user{ID: 1, Login: "ann"}, user{ID: 2, Login: "bo"}
	pushed := func(u user, body string) event { return event{Type: eventPush, User: u, Body: body} }
	list := func(force string, oids ...gitdb.OID) string {
		body := `{"is_force_push":` + force + `,"commit_ids":[`
		for i, oid := range oids {
			body += map[bool]string{true: ",", false: ""}[i > 0] + `"` + string(oid) + `"`
		}
		return body + "]}"
	}
	for name, c := range map[string]struct {
		events []event
		want   int // pushers; zero where it is not known
	}{
		"one push":                         {[]event{pushed(ann, list("false", one, two))}, 1},
		"two people":                       {[]event{pushed(ann, list("false", one)), pushed(bo, list("false", two))}, 2},
		"the second push is hidden":        {[]event{pushed(ann, list("false", one))}, 0},
		"no push is told of":               {nil, 0},
		"a push that cannot be read":       {[]event{pushed(ann, "?")}, 0},
		"by force: only what it leads to":  {[]event{pushed(ann, list("false", one)), pushed(bo, list("true", two, one))}, 0},
		"by force, and the commits of it":  {[]event{pushed(ann, list("false", one)), pushed(bo, list("false", two)), pushed(bo, list("true", one, two))}, 2},
		"words of a comment are no push":   {[]event{{Type: "comment", User: bo, Body: list("false", one, two)}}, 0},
		"somebody pushed what is not here": {[]event{pushed(ann, list("false", one, two)), pushed(bo, list("false", "abc"))}, 2},
	} {
		facts := review.Facts{Head: string(two), Author: ann.actor()}
		g := &Gitea{cfg: Config{DB: db}}
		err := g.makers(base, base, c.events, &facts)
		if known := err == nil; known != (c.want > 0) || known && len(facts.Pushers) != c.want || !known && !errors.Is(err, change.ErrNotYet) {
			t.Errorf("%s: %v, pushers %v", name, err, facts.Pushers)
		}
		if err == nil && len(facts.CoAuthors) != 2 {
			t.Errorf("%s: co-authors %v", name, facts.CoAuthors)
		}
	}
}
