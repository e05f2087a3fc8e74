package server

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Hint says where something may have happened. Nothing else of a webhook is
// believed: whoever follows the hint reads the forge.
type Hint struct {
	Delivery string // the forge's id of the webhook; empty for other sources
	Event    string // as the forge names it, such as pull_request_review
	Action   string
	// PullRequest is the pull request to look at; empty for all that are open.
	PullRequest string
	// Head and Branch are what the webhook is about, where it says so. They are
	// for logs, and for finding the pull request of a merge queue's branch.
	Head   string
	Branch string
	// Main says that the base branch moved, so that there may be something to
	// grant or to revoke.
	Main bool
}

// payload is the little that is read of a webhook.
type payload struct {
	Action string `json:"action"`
	Ref    string `json:"ref"`
	SHA    string `json:"sha"`
	After  string `json:"after"`

	Repository  *numbered `json:"repository"`
	PullRequest *pull     `json:"pull_request"`
	Issue       *struct {
		Number      int64           `json:"number"`
		PullRequest json.RawMessage `json:"pull_request"`
	} `json:"issue"`
	CheckRun   *check `json:"check_run"`
	CheckSuite *check `json:"check_suite"`
	MergeGroup *struct {
		HeadSHA string `json:"head_sha"`
		HeadRef string `json:"head_ref"`
		BaseRef string `json:"base_ref"`
	} `json:"merge_group"`
}

type numbered struct {
	ID int64 `json:"id"`
}

type pull struct {
	Number int64 `json:"number"`
	Head   struct {
		SHA string `json:"sha"`
		Ref string `json:"ref"`
	} `json:"head"`
}

type check struct {
	HeadSHA      string `json:"head_sha"`
	PullRequests []pull `json:"pull_requests"`
}

// scope is how far an event may reach.
type scope int

const (
	ofPull    scope = iota + 1 // one pull request
	ofIssue                    // the pull request that the issue is, if it is one
	ofPush                     // main, or nothing that a pull request does not tell too
	ofCheck                    // the pull requests of a check that somebody asks for again
	ofMerging                  // a merge queue
	ofAll                      // rules or people: every pull request
	ofAnyRepo                  // the same, from an organisation's webhook, of no repository
)

// scopes are the events that say something. Others are answered and forgotten.
//
//	event                                   looked at
//	pull requests, their reviews, comments  that pull request
//	push                                    of the base branch: all, and the platforms
//	a check is asked for again              its pull requests, or all where none is named
//	merge_group                             all
//	rules, rights, teams, the repository    all
func scopes() map[string]scope {
	return map[string]scope{
		"pull_request": ofPull, "pull_request_review": ofPull, "pull_request_review_comment": ofPull, "pull_request_review_thread": ofPull,
		// Gitea has a word for each verdict of a review.
		"pull_request_approved": ofPull, "pull_request_rejected": ofPull, "pull_request_comment": ofPull,
		"issue_comment": ofIssue, "push": ofPush, "check_run": ofCheck, "check_suite": ofCheck, "merge_group": ofMerging,
		"branch_protection_configuration": ofAll, "branch_protection_rule": ofAll, "repository_ruleset": ofAll, "repository": ofAll,
		"member": ofAll, "public": ofAll, "team_add": ofAll,
		"membership": ofAnyRepo, "organization": ofAnyRepo, "team": ofAnyRepo,
	}
}

// asked are the actions of checks with which people ask for them again. The
// others tell of what the engine itself did.
func asked(action string) bool {
	return action == "rerequested" || action == "requested_action"
}

// read finds where an event points. A reason says why it points nowhere; an
// error, that it cannot be what it says it is.
func (h *Hooks) read(event string, body []byte) (hints []Hint, reason string, err error) {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, "", fmt.Errorf("read payload of %s: %w", event, plainJSON(err))
	}
	hint := Hint{Event: event, Action: p.Action, Branch: p.Ref, Head: p.SHA}
	reach := h.scopes[event]
	switch {
	case event == "ping":
		return nil, "a ping: webhooks arrive", nil
	case reach == 0:
		return nil, "an event that says nothing about requests", nil
	case p.Repository == nil && reach != ofAnyRepo:
		return nil, "of no repository", nil
	case p.Repository != nil && p.Repository.ID != h.cfg.Repository:
		return nil, fmt.Sprintf("of repository %d, not of %d", p.Repository.ID, h.cfg.Repository), nil
	}
	return p.hints(hint, reach, "refs/heads/"+h.cfg.Branch)
}

func (p *payload) hints(hint Hint, reach scope, base string) ([]Hint, string, error) {
	switch reach {
	case ofPull:
		if p.PullRequest == nil || p.PullRequest.Number <= 0 {
			return nil, "", fmt.Errorf("read payload of %s: it names no pull request", hint.Event)
		}
		hint.Head, hint.Branch = p.PullRequest.Head.SHA, p.PullRequest.Head.Ref
		hint.PullRequest = strconv.FormatInt(p.PullRequest.Number, 10)
	case ofIssue:
		if p.Issue == nil || p.Issue.Number <= 0 {
			return nil, "", fmt.Errorf("read payload of %s: it names no issue", hint.Event)
		}
		if len(p.Issue.PullRequest) == 0 || string(p.Issue.PullRequest) == "null" {
			return nil, "of an issue that is no pull request", nil
		}
		hint.PullRequest = strconv.FormatInt(p.Issue.Number, 10)
	case ofPush:
		if p.Ref != base {
			return nil, "a push of another branch than the base; where it has a pull request, that tells of it too", nil
		}
		hint.Head, hint.Main = p.After, true
	case ofCheck:
		return p.checks(hint)
	case ofMerging:
		if p.MergeGroup != nil {
			hint.Head, hint.Branch = p.MergeGroup.HeadSHA, p.MergeGroup.HeadRef
		}
	}
	return []Hint{hint}, "", nil
}

func (p *payload) checks(hint Hint) ([]Hint, string, error) {
	if !asked(p.Action) {
		return nil, "a check that nobody asks for again", nil
	}
	of := p.CheckRun
	if of == nil {
		of = p.CheckSuite
	}
	if of == nil {
		return nil, "", fmt.Errorf("read payload of %s: it names no check", hint.Event)
	}
	hint.Head = of.HeadSHA
	var out []Hint
	for _, pr := range of.PullRequests {
		if pr.Number > 0 {
			one := hint
			one.PullRequest = strconv.FormatInt(pr.Number, 10)
			out = append(out, one)
		}
	}
	if len(out) == 0 { // as it is for forks
		return []Hint{hint}, "", nil
	}
	return out, "", nil
}

// plainJSON leaves out of an error what the payload said, which may be anything.
func plainJSON(err error) error {
	if _, ok := err.(*json.SyntaxError); ok { //nolint:errorlint // json returns it bare
		return errNotJSON
	}
	return errOtherShape
}
