package githubtest

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
)

// The bodies of answers, with every field that GitHub's description requires.
// Their links lead nowhere; those of the Link header lead to the server.
const (
	nowhere    = "https://github.invalid"
	nowhereAPI = nowhere + "/api/v3"
	repoAPI    = nowhereAPI + "/repos/" + Owner + "/" + Repository
	repoHTML   = nowhere + "/" + Owner + "/" + Repository
)

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stampOrNull is null for a time that has not come.
func stampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func node(kind string, id int64) string { return fmt.Sprintf("%s_%d", kind, id) }

// with is an object with more fields, which win.
func with(o, more object) object {
	maps.Copy(o, more)
	return o
}

// links are fields NAME_url below a root, from "name=/path".
func links(root string, paths ...string) object {
	o := object{}
	for _, p := range paths {
		name, path, ok := strings.Cut(p, "=")
		if !ok {
			path = "/" + name
		}
		o[name+"_url"] = root + path
	}
	return o
}

func userJSON(u User) any {
	if u.ID == 0 {
		return nil
	}
	return with(links(nowhereAPI+"/users/"+u.Login,
		"events=/events{/privacy}", "followers", "following=/following{/other_user}", "gists=/gists{/gist_id}", "organizations=/orgs",
		"received_events", "repos", "starred=/starred{/owner}{/repo}", "subscriptions"), object{
		"id": u.ID, "login": u.Login, "type": u.Type, "node_id": node("U", u.ID), "site_admin": false, "gravatar_id": "",
		"url": nowhereAPI + "/users/" + u.Login, "html_url": nowhere + "/" + u.Login, "avatar_url": nowhere + "/avatars/" + u.Login,
	})
}

// profileJSON is an account that is asked for by its name, or by whose it is.
func profileJSON(u User, since time.Time) object {
	o, _ := userJSON(u).(object)
	return with(o, object{
		"bio": nil, "blog": nil, "company": nil, "email": nil, "hireable": nil, "location": nil, "name": u.Login,
		"followers": 0, "following": 0, "public_gists": 0, "public_repos": 0, "created_at": stamp(since), "updated_at": stamp(since),
		"user_view_type": "public",
	})
}

func ownerJSON() any { return userJSON(User{ID: 1, Login: Owner, Type: "Organization"}) }

func repoJSON() object {
	born := stamp(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return with(links(repoAPI,
		"archive=/{archive_format}{/ref}", "assignees=/assignees{/user}", "blobs=/git/blobs{/sha}", "branches=/branches{/branch}",
		"collaborators=/collaborators{/collaborator}", "comments=/comments{/number}", "commits=/commits{/sha}", "compare=/compare/{base}...{head}",
		"contents=/contents/{+path}", "contributors", "deployments", "downloads", "events", "forks", "git_commits=/git/commits{/sha}",
		"git_refs=/git/refs{/sha}", "git_tags=/git/tags{/sha}", "hooks", "issue_comment=/issues/comments{/number}", "issue_events=/issues/events{/number}",
		"issues=/issues{/number}", "keys=/keys{/key_id}", "labels=/labels{/name}", "languages", "merges", "milestones=/milestones{/number}",
		"notifications=/notifications{?since,all,participating}", "pulls=/pulls{/number}", "releases=/releases{/id}", "stargazers",
		"statuses=/statuses/{sha}", "subscribers", "subscription", "tags", "teams", "trees=/git/trees{/sha}"), object{
		"id": ID, "node_id": node("R", ID), "name": Repository, "full_name": Owner + "/" + Repository, "owner": ownerJSON(),
		"private": true, "visibility": "private", "topics": []string{}, "fork": false, "archived": false, "disabled": false, "description": nil, "homepage": nil,
		"language": nil, "license": nil, "mirror_url": nil, "default_branch": "main", "size": 1,
		"url": repoAPI, "html_url": repoHTML, "clone_url": repoHTML + ".git", "svn_url": repoHTML,
		"git_url": "git://github.invalid/" + Owner + "/" + Repository + ".git", "ssh_url": "git@github.invalid:" + Owner + "/" + Repository + ".git",
		"forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
		"has_downloads": true, "has_issues": true, "has_pages": false, "has_projects": false, "has_wiki": false, "has_discussions": false,
		"created_at": born, "updated_at": born, "pushed_at": born,
	})
}

// fullRepoJSON is the repository that is asked for by itself.
func fullRepoJSON() object {
	return with(repoJSON(), object{
		"network_count": 0, "subscribers_count": 0, "permissions": object{"admin": false, "push": true, "pull": true},
		"allow_merge_commit": true, "allow_squash_merge": true, "allow_rebase_merge": true, "allow_auto_merge": false,
	})
}

func (s *Server) pullJSON(p *pull, whole bool) object {
	state := "closed"
	if p.open {
		state = "open"
	}
	url, html := fmt.Sprintf("%s/pulls/%d", repoAPI, p.number), fmt.Sprintf("%s/pull/%d", repoHTML, p.number)
	issue := fmt.Sprintf("%s/issues/%d", repoAPI, p.number)
	side := func(ref string, sha gitdb.OID) object {
		return object{"label": Owner + ":" + ref, "ref": ref, "sha": string(sha), "repo": repoJSON(), "user": ownerJSON()}
	}
	base, err := s.db.Resolve("refs/heads/" + p.base)
	if err != nil {
		base = ""
	}
	o := object{
		"id": 1000 + p.number, "node_id": node("PR", int64(p.number)), "number": p.number, "title": p.title, "state": state,
		"body": textOrNull(p.body), "user": userJSON(p.author), "locked": false, "active_lock_reason": nil, "draft": false,
		"created_at": stamp(p.created), "updated_at": stamp(s.updated(p)), "closed_at": stampOrNull(p.closed), "merged_at": nil,
		"merge_commit_sha": textOrNull(string(p.mergeCommit)), "assignee": nil, "assignees": []any{}, "milestone": nil, "labels": s.labelsJSON(p),
		"requested_reviewers": usersJSON(p.asked), "requested_teams": []any{}, "author_association": "MEMBER", "auto_merge": nil,
		"head": side(p.headRef, p.head), "base": side(p.base, base),
		"url": url, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": issue,
		"comments_url": issue + "/comments", "commits_url": url + "/commits", "review_comment_url": repoAPI + "/pulls/comments{/number}",
		"review_comments_url": url + "/comments", "statuses_url": repoAPI + "/statuses/" + string(p.head),
		"_links": object{
			"self": href(url), "html": href(html), "issue": href(issue), "comments": href(issue + "/comments"), "commits": href(url + "/commits"),
			"statuses": href(repoAPI + "/statuses/" + string(p.head)), "review_comments": href(url + "/comments"),
			"review_comment": href(repoAPI + "/pulls/comments{/number}"),
		},
	}
	if p.merged {
		o["merged_at"] = stamp(p.closed)
	}
	if whole {
		with(o, object{
			"merged": p.merged, "merged_by": userJSON(p.mergedBy), "mergeable": nil, "mergeable_state": "unknown", "rebaseable": nil,
			"maintainer_can_modify": false, "commits": len(s.commits(p)), "comments": s.count(p.number), "review_comments": 0,
			"additions": 1, "deletions": 0, "changed_files": 1,
		})
	}
	return o
}

func href(to string) object { return object{"href": to} }

func (s *Server) count(issue int) (n int) {
	for _, c := range s.comments {
		if c.Issue == issue {
			n++
		}
	}
	return n
}

func (p *pull) reviewJSON(v *reviewed) object {
	url := fmt.Sprintf("%s/pulls/%d", repoAPI, p.number)
	html := fmt.Sprintf("%s/pull/%d#pullrequestreview-%d", repoHTML, p.number, v.ID)
	return object{
		"id": v.ID, "node_id": node("PRR", v.ID), "user": userJSON(v.User), "state": v.State, "body": v.Body, "commit_id": string(v.Commit),
		"submitted_at": stamp(v.Submitted), "html_url": html, "pull_request_url": url, "author_association": "MEMBER",
		"_links": object{"html": href(html), "pull_request": href(url)},
	}
}

func commitJSON(c gitdb.Commit, account any) object {
	url := repoAPI + "/commits/" + string(c.OID)
	by := func(p gitdb.Person) object { return object{"name": p.Name, "email": p.Email, "date": stamp(p.When)} }
	parents := []any{}
	for _, p := range c.Parents {
		parents = append(parents, object{"sha": string(p), "url": repoAPI + "/commits/" + string(p)})
	}
	return object{
		"sha": string(c.OID), "node_id": node("C", 0), "url": url, "html_url": repoHTML + "/commit/" + string(c.OID), "comments_url": url + "/comments",
		"author": account, "committer": account, "parents": parents,
		"commit": object{
			"message": c.Message, "author": by(c.Author), "committer": by(c.Committer), "comment_count": 0,
			"tree": object{"sha": string(c.Tree), "url": repoAPI + "/git/trees/" + string(c.Tree)}, "url": repoAPI + "/git/commits/" + string(c.OID),
		},
	}
}

func eventJSON(e event) object {
	o := object{
		"id": e.ID, "node_id": node("E", e.ID), "url": fmt.Sprintf("%s/issues/events/%d", repoAPI, e.ID), "event": e.Event, "actor": userJSON(e.Actor),
		"commit_id": nil, "commit_url": nil, "created_at": stamp(e.At), "performed_via_github_app": nil,
	}
	if e.Dismissed != nil {
		o["dismissed_review"] = object{"review_id": e.Dismissed.Review, "state": e.Dismissed.State, "dismissal_message": nil}
	}
	if e.Asked.ID != 0 {
		o["requested_reviewer"], o["review_requester"] = userJSON(e.Asked), userJSON(e.Actor)
	}
	return o
}

func commentJSON(c *comment) object {
	updated := c.At
	if !c.Updated.IsZero() {
		updated = c.Updated
	}
	return object{
		"id": c.ID, "node_id": node("IC", c.ID), "user": userJSON(c.User), "body": c.Body, "created_at": stamp(c.At), "updated_at": stamp(updated),
		"reactions": c.reactionsJSON(),
		"url":       fmt.Sprintf("%s/issues/comments/%d", repoAPI, c.ID), "html_url": fmt.Sprintf("%s/pull/%d#issuecomment-%d", repoHTML, c.Issue, c.ID),
		"issue_url": fmt.Sprintf("%s/issues/%d", repoAPI, c.Issue), "author_association": "MEMBER",
	}
}

func statusJSON(st status) object {
	return object{
		"id": st.ID, "node_id": node("SC", st.ID), "url": repoAPI + "/statuses/0", "state": st.State, "context": st.Context,
		"description": textOrNull(st.Description), "target_url": nil, "avatar_url": nil, "creator": userJSON(st.Creator),
		"created_at": stamp(st.At), "updated_at": stamp(st.At),
	}
}

func activityJSON(a activity) object {
	return object{
		"id": a.ID, "node_id": node("PSH", a.ID), "ref": a.Ref, "before": string(a.Before), "after": string(a.After),
		"activity_type": a.Kind, "actor": userJSON(a.Actor), "timestamp": stamp(a.At),
	}
}
