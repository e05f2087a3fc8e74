package gitea

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/review"
)

// What is read of the API's answers.

type user struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
}

// actor is an account as facts name it. One that is gone, or Gitea itself, has no
// id above zero and decides nothing.
func (u user) actor() review.Actor {
	if u.ID <= 0 {
		return review.Actor{Forge: Name, Login: "ghost", Bot: true}
	}
	return review.Actor{Forge: Name, ID: strconv.FormatInt(u.ID, 10), Login: u.Login}
}

// is reports whether it is a certain account.
func (u user) is(id int64) bool { return id > 0 && u.ID == id }

type branch struct {
	Ref    string `json:"ref"`
	SHA    string `json:"sha"`
	RepoID int64  `json:"repo_id"`
}

type pull struct {
	Number int       `json:"number"`
	User   user      `json:"user"`
	Title  string    `json:"title"`
	State  string    `json:"state"`
	Merged bool      `json:"merged"`
	Merge  string    `json:"merge_commit_sha"` // null until it is merged
	Base   branch    `json:"base"`
	Head   branch    `json:"head"`
	Opened time.Time `json:"created_at"`
}

func (p pull) key() int64 { return int64(p.Number) }

// listedPull is a pull request in a list.
type listedPull struct {
	pull
	Updated time.Time `json:"updated_at"`
}

// settles is after which time it shows in the list that something happened again:
// Gitea counts seconds, and a list takes a while.
const settles = 2 * time.Minute

// version changes whenever something happens, at a time of Gitea's clock. Something
// that happened just now has none.
func (p listedPull) version(now time.Time) string {
	if p.Updated.IsZero() || now.Sub(p.Updated) < settles { // as where now is not known
		return ""
	}
	return p.Updated.UTC().Format(time.RFC3339) + " " + p.Head.SHA
}

// shownPull is a pull request with what stands around it.
type shownPull struct {
	pull
	Labels []label `json:"labels"`
	// Near are those whose review is requested, and those who gave one.
	Near []user `json:"requested_reviewers"`
}

type label struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func (l label) key() int64 { return l.ID }

type pullReview struct {
	ID        int64     `json:"id"`
	User      user      `json:"user"`
	State     string    `json:"state"`
	Body      string    `json:"body"`
	Commit    string    `json:"commit_id"`
	Dismissed bool      `json:"dismissed"`
	Inline    int       `json:"comments_count"`
	Begun     time.Time `json:"submitted_at"` // it is not: see event
}

// stateAsked is of the entry among the reviews that says that one is requested.
const stateAsked = "REQUEST_REVIEW"

func (r pullReview) key() int64 { return r.ID }

// event is an entry of the timeline.
type event struct {
	ID       int64     `json:"id"`
	Type     string    `json:"type"`
	User     user      `json:"user"`
	Body     string    `json:"body"`
	Created  time.Time `json:"created_at"`
	ReviewID int64     `json:"review_id"`
	Assignee user      `json:"assignee"` // of eventAsk whose review it is about
}

func (e event) key() int64 { return e.ID }

// The types of events that say something here.
const (
	eventPush     = "pull_push"
	eventReview   = "review"
	eventDismiss  = "dismiss_review"
	eventClose    = "close"
	eventReopen   = "reopen"
	eventRetarget = "change_target_branch"
	eventAsk      = "review_request" // or that it was taken back
)

// push is the body of a pull_push event: of a push by force the commits before
// and after, else those that came.
type push struct {
	Force   bool     `json:"is_force_push"`
	Commits []string `json:"commit_ids"`
}

func (e event) push() (p push, ok bool) {
	if e.Type != eventPush {
		return push{}, false
	}
	return p, json.Unmarshal([]byte(e.Body), &p) == nil
}

type comment struct {
	ID      int64     `json:"id"`
	User    user      `json:"user"`
	Body    string    `json:"body"`
	Created time.Time `json:"created_at"`
	Updated time.Time `json:"updated_at"`
}

func (c comment) key() int64 { return c.ID }

type status struct {
	ID          int64     `json:"id"`
	State       string    `json:"status"`
	Context     string    `json:"context"`
	Description string    `json:"description"`
	Creator     user      `json:"creator"`
	Created     time.Time `json:"created_at"`
}

func (s status) key() int64 { return s.ID }
