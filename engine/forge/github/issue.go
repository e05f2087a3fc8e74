package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v62/github"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/review"
)

// People who may not push ask by an issue, and the engine opens the pull request
// for them. Who asks is the issue's author, by the id that GitHub gives; what the
// issue says of it counts for nothing.

// IssueLabel is the label that the issue form puts on issues.
const IssueLabel = "access-request"

const issueBranches = "intake/"

// IssueBranch is the branch of the pull request for an issue.
func IssueBranch(issue int) string { return issueBranches + strconv.Itoa(issue) }

// Issue is somebody's request in the words of the issue form.
type Issue struct {
	Number int
	Title  string
	Body   string
	Author review.Actor
	Open   bool
	// Others are the accounts that edited the text beside its author.
	Others []review.Actor
}

// Issues are the numbers of the open issues with the label, oldest first.
func (g *GitHub) Issues(ctx context.Context) ([]int, error) {
	list, err := all("list issues", func(o gh.ListOptions) ([]*gh.Issue, *gh.Response, error) {
		return g.client.Issues.ListByRepo(ctx, g.cfg.Owner, g.cfg.Name, &gh.IssueListByRepoOptions{State: "open", Labels: []string{IssueLabel}, ListOptions: o})
	})
	var out []int
	for _, one := range list {
		if !one.IsPullRequest() {
			out = append(out, one.GetNumber())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// Issue reads an issue, and then who edited it: what was edited before it was
// read is known.
func (g *GitHub) Issue(ctx context.Context, n int) (Issue, error) {
	one, err := g.issue(ctx, n)
	if err != nil {
		return Issue{}, fmt.Errorf("read issue %d: %w", n, err)
	}
	out := Issue{Number: n, Title: one.GetTitle(), Body: one.GetBody(), Author: actor(one.User), Open: one.GetState() == "open"}
	editors, err := g.editors(ctx, n)
	if err != nil {
		return Issue{}, fmt.Errorf("read who edited issue %d: %w", n, err)
	}
	for _, who := range editors {
		if who.ID != out.Author.ID || who.ID == "" {
			out.Others = append(out.Others, who)
		}
	}
	return out, nil
}

func (g *GitHub) issue(ctx context.Context, n int) (*gh.Issue, error) {
	one, _, err := g.client.Issues.Get(ctx, g.cfg.Owner, g.cfg.Name, n)
	switch {
	case err != nil:
		return nil, apiErr("read", err)
	case one.GetNumber() != n || one.IsPullRequest() || !strings.HasSuffix(strings.ToLower(one.GetRepositoryURL()), strings.ToLower("/repos/"+g.cfg.Owner+"/"+g.cfg.Name)):
		return nil, fmt.Errorf("%w: #%d is no issue of this repository", forge.ErrGone, n) // a moved one answers from elsewhere
	}
	return one, nil
}

// maxEdits is how many edits of one issue are looked through.
const maxEdits = 100

// editors are the accounts that edited the text of an issue. The REST API does
// not tell; where the other one does not either, it is an error.
func (g *GitHub) editors(ctx context.Context, n int) ([]review.Actor, error) {
	const query = `query($owner: String!, $name: String!, $n: Int!, $most: Int!) { repository(owner: $owner, name: $name) { databaseId issue(number: $n) { userContentEdits(first: $most) { totalCount nodes { editor { __typename login ... on User { databaseId } } } } } } }`
	at := *g.client.BaseURL
	at.Path = strings.TrimSuffix(strings.TrimSuffix(at.Path, "/"), "/v3") + "/graphql"
	req, err := g.client.NewRequest(http.MethodPost, at.String(), map[string]any{
		"query": query, "variables": map[string]any{"owner": g.cfg.Owner, "name": g.cfg.Name, "n": n, "most": maxEdits},
	})
	if err != nil {
		return nil, err
	}
	var out struct {
		Data struct {
			Repository *struct {
				ID    int64 `json:"databaseId"`
				Issue *struct {
					Edits *struct {
						Total int `json:"totalCount"`
						Nodes []struct {
							Editor *struct {
								Type  string `json:"__typename"`
								Login string `json:"login"`
								ID    int64  `json:"databaseId"`
							} `json:"editor"`
						} `json:"nodes"`
					} `json:"userContentEdits"`
				} `json:"issue"`
			} `json:"repository"`
		} `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if _, err := g.client.Do(ctx, req, &out); err != nil {
		return nil, apiErr("ask", err)
	}
	repo := out.Data.Repository
	switch {
	case len(out.Errors) > 0 || repo == nil || repo.Issue == nil || repo.Issue.Edits == nil:
		return nil, fmt.Errorf("%w: GitHub does not tell", forge.ErrIncomplete)
	case repo.ID != g.cfg.ID:
		return nil, fmt.Errorf("%w: it is repository %d now, not %d", forge.ErrForbidden, repo.ID, g.cfg.ID)
	case repo.Issue.Edits.Total != len(repo.Issue.Edits.Nodes):
		return nil, fmt.Errorf("%w: it was edited %d times, and %d are told", forge.ErrIncomplete, repo.Issue.Edits.Total, len(repo.Issue.Edits.Nodes))
	}
	var who []review.Actor
	for _, e := range repo.Issue.Edits.Nodes {
		if e.Editor == nil || e.Editor.ID == 0 {
			who = append(who, review.Actor{Forge: Name, Login: "ghost", Bot: true})
			continue
		}
		who = append(who, review.Actor{Forge: Name, ID: strconv.FormatInt(e.Editor.ID, 10), Login: e.Editor.Login})
	}
	return distinct(who), nil
}

// asker makes the author of an issue the author of the pull request that the
// engine opened for it. It stays the engine's, and so nobody's, where anything is
// not as the engine makes it: the account, the branch, or who pushed.
func (g *GitHub) asker(ctx context.Context, pr *gh.PullRequest, facts *review.Facts) error {
	text, ours := strings.CutPrefix(pr.GetHead().GetRef(), issueBranches)
	if !ours || pr.GetHead().GetRepo().GetID() != g.cfg.ID {
		return nil
	}
	me, err := g.whoAmI(ctx)
	if err != nil {
		return err
	}
	n, err := forge.Number(text)
	if err != nil || me.userID == 0 || pr.GetUser().GetID() != me.userID {
		return nil //nolint:nilerr // it is no issue's
	}
	one, err := g.issue(ctx, n)
	if errors.Is(err, forge.ErrGone) {
		return nil // nobody can tell any more who asked
	}
	if err != nil {
		return err
	}
	who := actor(one.User)
	engine := strconv.FormatInt(me.userID, 10)
	if who.Bot || who.ID == engine {
		return nil
	}
	for _, p := range facts.Pushers {
		if p.ID != engine && p.ID != who.ID {
			return nil // what is in it now is somebody else's word
		}
	}
	facts.Author, facts.Issue = who, text
	return nil
}

// OpenFor opens the pull request for an issue, or finds the one that was opened
// before: there is one for each issue, whatever became of it.
func (g *GitHub) OpenFor(ctx context.Context, issue int, d change.Draft) (pr forge.PullRequest, before bool, err error) {
	pr, before, err = g.openFor(ctx, issue, d)
	if err != nil {
		err = fmt.Errorf("open pull request for issue %d: %w", issue, err)
	}
	return pr, before, err
}

// Opened is the pull request that was opened for an issue, in whatever state.
func (g *GitHub) Opened(ctx context.Context, issue int) (pr forge.PullRequest, ok bool, err error) {
	me, err := g.whoAmI(ctx)
	if err != nil {
		return pr, false, err
	}
	list, err := all("list pull requests", func(o gh.ListOptions) ([]*gh.PullRequest, *gh.Response, error) {
		return g.client.PullRequests.List(ctx, g.cfg.Owner, g.cfg.Name, &gh.PullRequestListOptions{
			State: "all", Head: g.cfg.Owner + ":" + IssueBranch(issue), ListOptions: o,
		})
	})
	if err != nil {
		return pr, false, err
	}
	for _, one := range list {
		if one.GetUser().GetID() == me.userID && one.GetHead().GetRef() == IssueBranch(issue) {
			return forge.PullRequest{ID: strconv.Itoa(one.GetNumber()), Title: one.GetTitle(), HeadRef: one.GetHead().GetRef(), Head: one.GetHead().GetSHA()}, true, nil
		}
	}
	return pr, false, nil
}

func (g *GitHub) openFor(ctx context.Context, issue int, d change.Draft) (forge.PullRequest, bool, error) {
	if pr, ok, err := g.Opened(ctx, issue); err != nil || ok {
		return pr, ok, err
	}
	d.Branch = IssueBranch(issue)
	pr, err := g.openPull(ctx, d)
	if !errors.Is(err, forge.ErrMoved) {
		return pr, false, err
	}
	// An earlier run pushed the branch and ended there, or somebody made one.
	head, err := g.left(ctx, d)
	if err != nil {
		return pr, false, err
	}
	pr, err = g.openPushed(ctx, d, head)
	return pr, false, err
}

// left is the head of a branch that is there already, where it is what the draft
// would make on some commit of the base branch.
func (g *GitHub) left(ctx context.Context, d change.Draft) (gitdb.OID, error) {
	ref := "refs/heads/" + d.Branch
	at, err := g.cfg.DB.Fetch(ctx, g.remote, map[string]string{g.baseRef(): "refs/forge/heads/" + g.cfg.Branch, ref: "refs/forge/" + d.Branch})
	if err != nil {
		return "", fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	}
	return at[ref], d.IsAt(g.cfg.DB, at[g.baseRef()], at[ref])
}

// AnswerIssue writes what the engine says on an issue: one comment, edited in place.
func (g *GitHub) AnswerIssue(ctx context.Context, issue int, text string) error {
	const marker = "<!-- assent intake -->\n"
	me, err := g.whoAmI(ctx)
	if err != nil {
		return err
	}
	list, err := g.comments(ctx, issue)
	if err != nil {
		return err
	}
	body := marker + text
	for _, c := range list {
		if c.GetUser().GetID() != me.userID || !strings.HasPrefix(c.GetBody(), marker) {
			continue
		}
		if c.GetBody() == body {
			return nil
		}
		_, _, err := g.client.Issues.EditComment(ctx, g.cfg.Owner, g.cfg.Name, c.GetID(), &gh.IssueComment{Body: gh.String(body)})
		return apiErr("edit comment", err)
	}
	_, _, err = g.client.Issues.CreateComment(ctx, g.cfg.Owner, g.cfg.Name, issue, &gh.IssueComment{Body: gh.String(body)})
	return apiErr("write comment", err)
}

// CloseIssue closes an issue that was answered.
func (g *GitHub) CloseIssue(ctx context.Context, issue int) error {
	_, _, err := g.client.Issues.Edit(ctx, g.cfg.Owner, g.cfg.Name, issue, &gh.IssueRequest{State: gh.String("closed"), StateReason: gh.String("completed")})
	return apiErr("close the issue", err)
}
