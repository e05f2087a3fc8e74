package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// said is one comment, how Gitea noted it when it was written, and who reacted.
type said struct {
	by      int64
	body    string
	edited  bool
	first   string // in what happened; as the body where empty, and "-" for no note
	noted   int64  // who wrote it by that; by where zero
	rockets []int64
}

// below answers for a pull request 7 with these comments below it, numbered from 1.
func below(list []said) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out := []any{}
		path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
		switch {
		case path == "user":
			_ = json.NewEncoder(w).Encode(user{ID: 99})
			return
		case path == "settings/api":
			_ = json.NewEncoder(w).Encode(map[string]int{"max_response_items": 50})
			return
		case r.URL.Query().Get("page") == "2":
		case strings.HasSuffix(path, "issues/7/comments"):
			for i, s := range list {
				c := comment{ID: int64(i + 1), User: user{ID: s.by}, Body: s.body, Created: at(i % 50), Updated: at(i % 50)}
				if s.edited {
					c.Updated = at(i%50 + 1)
				}
				out = append(out, c)
			}
		case strings.HasSuffix(path, "/reactions"):
			n, _ := strconv.Atoi(strings.Split(path, "/")[5])
			for _, who := range list[n-1].rockets {
				out = append(out, map[string]any{"user": user{ID: who}, "content": "rocket"})
			}
		case strings.HasSuffix(path, "activities/feeds"):
			for i, s := range list {
				text, by := s.first, s.noted
				if text == "" {
					text = s.body
				}
				if by == 0 {
					by = s.by
				}
				if text != "-" {
					out = append(out, map[string]any{"comment_id": i + 1, "act_user": user{ID: by}, "content": "7|" + text})
				}
			}
		default:
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

func listening(t *testing.T, list []said) *Gitea {
	t.Helper()
	c := served(t, below(list))
	return &Gitea{cfg: Config{Owner: "acme", Name: "access", ID: 1, Now: time.Now}, client: c}
}

func TestWhoseCommandsAreHeard(t *testing.T) {
	for name, c := range map[string]struct {
		said
		heard bool
	}{
		"a command":                           {said{by: 2, body: "/recheck"}, true},
		"with thanks":                         {said{by: 2, body: "/remind\nthanks"}, true},
		"one that does nothing needs no note": {said{by: 2, body: "/explain", first: "-"}, true},
		"and one that is a mistake":           {said{by: 2, body: "/approve", first: "-"}, true},
		"talk":                                {said{by: 2, body: "please /cancel"}, false},
		"edited":                              {said{by: 2, body: "/recheck", edited: true}, false},
		"by the engine":                       {said{by: 99, body: "/recheck"}, false},
		"by an account that is gone":          {said{by: -1, body: "/recheck"}, false},
		"answered":                            {said{by: 2, body: "/recheck", rockets: []int64{99}}, false},
		"somebody else's reaction answers nothing": {said{by: 2, body: "/recheck", rockets: []int64{2, 3}}, true},
		"withdrawn as it was written":              {said{by: 2, body: "/cancel\nbye"}, true},
		"withdrawn, and cut in the note":           {said{by: 2, body: "/cancel\n" + strings.Repeat("x", 300), first: "/cancel\nxxx…"}, true},
		"withdrawn by whoever changed it at once":  {said{by: 2, body: "/cancel", first: "/recheck"}, false},
		"nobody noted it":                          {said{by: 2, body: "/cancel", first: "-"}, false},
		"somebody else wrote it":                   {said{by: 2, body: "/cancel", noted: 3}, false},
		"extended":                                 {said{by: 2, body: "/extend 30d"}, true},
		"extended by more than was written":        {said{by: 2, body: "/extend 90d", first: "/extend 30d"}, false},
		"extended, and it was talk":                {said{by: 2, body: "/extend 90d", first: "hello"}, false},
	} {
		got, err := listening(t, []said{c.said}).Commands(t.Context(), "7")
		if err != nil || len(got) == 1 != c.heard {
			t.Errorf("%s: %v, heard %+v", name, err, got)
		}
		if len(got) == 1 && (got[0].ID != "1" || got[0].Body != c.body || got[0].Actor.ID != strconv.FormatInt(c.by, 10) || got[0].At != at(0)) {
			t.Errorf("%s: %+v", name, got[0])
		}
	}
}

func TestAFloodOfCommandsIsNotReadWhole(t *testing.T) {
	var list []said
	for range 50 {
		list = append(list, said{by: 2, body: "/recheck"})
	}
	got, err := listening(t, list).Commands(t.Context(), "7")
	if err != nil || len(got) != 10 || got[0].ID != "41" || got[9].ID != "50" {
		t.Errorf("%v: %d commands, %+v", err, len(got), got)
	}
}

// What cannot be read is no silence.
func TestCommandsThatCannotBeReadAreAnError(t *testing.T) {
	for _, broken := range []string{"/comments", "/reactions", "/feeds"} {
		answer := below([]said{{by: 2, body: "/cancel"}})
		c := served(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, broken) {
				http.Error(w, `{"message":"no"}`, http.StatusForbidden)
				return
			}
			answer(w, r)
		})
		g := &Gitea{cfg: Config{Owner: "acme", Name: "access", ID: 1}, client: c}
		if got, err := g.Commands(t.Context(), "7"); err == nil {
			t.Errorf("%s: %+v", broken, got)
		}
	}
}

func TestVersion(t *testing.T) {
	pr := func(second int, head string) listedPull {
		return listedPull{pull{Head: branch{SHA: head}}, at(second)}
	}
	now := at(0).Add(10 * time.Minute)
	seen := map[string]bool{}
	for _, p := range []listedPull{pr(0, "a"), pr(1, "a"), pr(0, "b")} {
		v := p.version(now)
		if v == "" || seen[v] || v != p.version(now.Add(time.Hour)) {
			t.Errorf("%+v has version %q", p, v)
		}
		seen[v] = true
	}
	for name, v := range map[string]string{
		"just now": pr(0, "a").version(at(30)), "of the future": pr(30, "a").version(at(0)),
		"no clock": pr(0, "a").version(time.Time{}), "no time": listedPull{}.version(now),
	} {
		if v != "" {
			t.Errorf("%s: %q", name, v)
		}
	}
}

// The time zone of the server makes no pull request look as if it moved.
func TestAPullRequestStandsStillInEveryTimeZone(t *testing.T) {
	c := served(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"number":7,"head":{"sha":"a"},"base":{"repo_id":1},"created_at":"2026-11-01T09:00:00+05:30"}`)
	})
	g := &Gitea{cfg: Config{Owner: "acme", Name: "access", ID: 1}, client: c}
	var read [2]pull
	for i := range read {
		var err error
		if read[i], err = g.pull(context.Background(), 7); err != nil {
			t.Fatal(err)
		}
	}
	if read[0] != read[1] {
		t.Error(cmp.Diff(read[0], read[1]))
	}
}
