package githubtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
)

// The bodies of webhooks, which are not quite those of answers.

func (s *Server) pullHook(p *pull, action string) happening {
	o := object{"action": action, "number": p.number, "pull_request": s.pullJSON(p, true), "repository": repoJSON(), "sender": userJSON(p.author)}
	if action == "synchronize" {
		o["before"], o["after"] = string(p.was), string(p.head)
	}
	return happening{"pull_request", o}
}

func (s *Server) reviewHook(p *pull, v *reviewed, action string) happening {
	told := with(p.reviewJSON(v), object{"state": strings.ToLower(v.State)}) // in answers it is in capitals
	return happening{"pull_request_review", object{
		"action": action, "review": told, "pull_request": s.pullJSON(p, false), "repository": repoJSON(), "sender": userJSON(v.User),
	}}
}

func (s *Server) commentHook(c *comment, action string) happening {
	url := fmt.Sprintf("%s/issues/comments/%d/reactions", repoAPI, c.ID)
	told := with(commentJSON(c), object{"performed_via_github_app": nil, "reactions": noReactions(url)})
	o := object{"action": action, "issue": s.asIssueJSON(c.Issue), "comment": told, "repository": repoJSON(), "sender": userJSON(c.User)}
	if action == "edited" {
		o["changes"] = object{"body": object{"from": ""}}
	}
	return happening{"issue_comment", o}
}

func noReactions(url string) object {
	o := object{"url": url, "total_count": 0}
	for _, r := range []string{"+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"} {
		o[r] = 0
	}
	return o
}

// asIssueJSON is an issue, which each pull request is too.
func (s *Server) asIssueJSON(number int) object {
	p := s.pull(number)
	if i := s.issue(number); p == nil && i != nil {
		at := fmt.Sprintf("%s/issues/%d", repoAPI, number)
		return with(s.issueJSON(i), object{"assignees": []any{}, "active_lock_reason": nil, "reactions": noReactions(at + "/reactions"), "timeline_url": at + "/timeline"})
	}
	if p == nil {
		return nil
	}
	url, html := fmt.Sprintf("%s/issues/%d", repoAPI, number), fmt.Sprintf("%s/pull/%d", repoHTML, number)
	pr := s.pullJSON(p, false)
	return with(links(url, "labels=/labels{/name}", "comments", "events", "timeline"), object{
		"url": url, "html_url": html, "repository_url": repoAPI, "id": 2000 + number, "node_id": node("I", int64(number)), "number": number,
		"title": p.title, "user": pr["user"], "labels": pr["labels"], "state": pr["state"], "locked": false, "assignee": nil, "assignees": []any{},
		"milestone": nil, "comments": s.count(number), "created_at": pr["created_at"], "updated_at": pr["updated_at"], "closed_at": pr["closed_at"],
		"author_association": "MEMBER", "active_lock_reason": nil, "body": pr["body"], "reactions": noReactions(url + "/reactions"), "draft": false,
		"pull_request": object{
			"url": pr["url"], "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "merged_at": pr["merged_at"],
		},
	})
}

func (s *Server) statusHook(sha string, st status) happening {
	c, err := s.db.Commit(gitdb.OID(sha))
	if err != nil {
		c = gitdb.Commit{OID: gitdb.OID(sha)}
	}
	commit := commitJSON(c, nil)
	if inner, ok := commit["commit"].(object); ok {
		inner["verification"] = object{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
	}
	for _, parent := range commit["parents"].([]any) {
		if o, ok := parent.(object); ok {
			o["html_url"] = fmt.Sprintf("%s/commit/%s", repoHTML, o["sha"])
		}
	}
	return happening{"status", object{
		"id": st.ID, "sha": sha, "name": Owner + "/" + Repository, "target_url": nil, "context": st.Context, "description": textOrNull(st.Description),
		"state": st.State, "commit": commit, "branches": []any{}, "created_at": stamp(st.At), "updated_at": stamp(st.At),
		"repository": repoJSON(), "sender": userJSON(st.Creator),
	}}
}

// pushHook is a push to main, which is of one commit here.
func (s *Server) pushHook(tip gitdb.OID) (happening, error) {
	c, err := s.db.Commit(tip)
	if err != nil {
		return happening{}, errors.New("404: no such commit")
	}
	before := nothing
	if len(c.Parents) > 0 {
		before = c.Parents[0]
	}
	by := func(p gitdb.Person) object { return object{"name": p.Name, "email": p.Email} }
	commit := object{
		"id": string(tip), "tree_id": string(c.Tree), "distinct": true, "message": c.Message, "timestamp": stamp(c.Committer.When),
		"url": repoHTML + "/commit/" + string(tip), "author": by(c.Author), "committer": by(c.Committer), "added": []any{}, "removed": []any{}, "modified": []any{},
	}
	repo := repoJSON()
	return happening{"push", object{
		"ref": "refs/heads/main", "before": string(before), "after": string(tip), "created": before == nothing, "deleted": false, "forced": false,
		"base_ref": nil, "compare": repoHTML + "/compare/main", "commits": []any{commit}, "head_commit": commit, "repository": repo,
		"pusher": object{"name": c.Committer.Name, "email": c.Committer.Email},
	}}, nil
}
