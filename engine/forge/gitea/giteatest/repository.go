package giteatest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/platform/private"
)

// Repository is a repository of the server's organization. People push to it
// from one clone with a token of their own.
type Repository struct {
	*Server
	Name string
	ID   int64

	db  *gitdb.DB
	now func() time.Time
}

const (
	mainRef = "refs/heads/main"
	patient = 20 * time.Second // for what Gitea does in the background
)

// Repository makes one with a main branch of these files, that people may write
// to; db is an empty repository for the clone.
func (s *Server) Repository(ctx context.Context, db *gitdb.DB, now func() time.Time, files map[string]string, people ...string) (*Repository, error) {
	r := &Repository{Server: s, Name: "access-" + private.Secret()[:8], db: db, now: now}
	var made struct {
		ID int64 `json:"id"`
	}
	err := s.API(ctx, s.admin, http.MethodPost, "orgs/"+s.Org+"/repos", map[string]any{
		"name": r.Name, "default_branch": "main", "auto_init": false, "private": true,
	}, &made)
	if err != nil {
		return nil, err
	}
	r.ID = made.ID
	for _, name := range people {
		if err := r.Collaborate(ctx, name, "write"); err != nil {
			return nil, err
		}
	}
	if files == nil {
		return r, nil
	}
	if err := r.put(ctx, s.admin, "", mainRef, "", "", files); err != nil {
		return nil, err
	}
	return r, r.filled(ctx)
}

// filled waits until Gitea knows that the repository is not empty any more, and
// does not stumble over its branches.
func (r *Repository) filled(ctx context.Context) error {
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var is struct {
			Empty bool `json:"empty"`
		}
		if err := r.API(ctx, r.admin, http.MethodGet, "repos/"+r.Org+"/"+r.Name, nil, &is); err != nil || !is.Empty {
			return err
		}
	}
	return errors.New("the repository stays empty")
}

// Path is below the repository in the API.
func (r *Repository) Path(format string, args ...any) string {
	return "repos/" + r.Org + "/" + r.Name + "/" + fmt.Sprintf(format, args...)
}

// Remote is the repository as somebody with a token clones it.
func (r *Repository) Remote(token string) gitdb.Remote {
	return gitdb.Remote{
		URL:   r.URL + "/" + r.Org + "/" + r.Name + ".git",
		Token: func(context.Context) (string, error) { return token, nil },
	}
}

// At is where a reference of the repository is, and its commit is in the clone.
func (r *Repository) At(ctx context.Context, ref string) (gitdb.OID, error) {
	if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		var b struct {
			Commit struct {
				ID gitdb.OID `json:"id"`
			} `json:"commit"`
		}
		if err := r.API(ctx, r.admin, http.MethodGet, r.Path("branches/%s", branch), nil, &b); err != nil {
			return "", err
		}
		if _, err := r.db.Commit(b.Commit.ID); err == nil {
			return b.Commit.ID, nil // a fetch takes long
		}
	}
	at, err := r.db.Fetch(ctx, r.Remote(r.admin), map[string]string{ref: "refs/test/" + ref})
	return at[ref], err
}

// put pushes one commit with these files on top of another, onto a branch that
// is at was.
func (r *Repository) put(ctx context.Context, token, by, ref string, was, on gitdb.OID, files map[string]string) error {
	commit, err := r.commit(by, on, "", files)
	if err != nil {
		return err
	}
	return r.db.Push(ctx, r.Remote(token), ref, was, commit)
}

// commit writes a commit with these files on top of one, and of a second parent
// where there is one.
func (r *Repository) commit(by string, on, second gitdb.OID, files map[string]string) (gitdb.OID, error) {
	if by == "" {
		by = "somebody"
	}
	who := gitdb.Person{Name: by, Email: by + "@example.com", When: r.now()}
	c := gitdb.Commit{Author: who, Committer: who, Message: "change\n"}
	var tree gitdb.OID
	if on != "" {
		parent, err := r.db.Commit(on)
		if err != nil {
			return "", err
		}
		tree, c.Parents = parent.Tree, []gitdb.OID{on}
	}
	if second != "" {
		c.Parents = append(c.Parents, second)
		from, err := r.db.MergeBase(on, second)
		if err != nil {
			return "", err
		}
		var trees [2]gitdb.OID
		for i, oid := range []gitdb.OID{from, second} {
			one, err := r.db.Commit(oid)
			if err != nil {
				return "", err
			}
			trees[i] = one.Tree
		}
		if tree, _, err = r.db.Merge(trees[0], tree, trees[1]); err != nil {
			return "", err
		}
	}
	var edits []gitdb.Edit
	for path, text := range files {
		oid, err := r.db.WriteBlob([]byte(text))
		if err != nil {
			return "", err
		}
		edits = append(edits, gitdb.Edit{Path: path, OID: oid})
	}
	var err error
	if c.Tree, err = r.db.WriteTree(tree, edits); err != nil {
		return "", err
	}
	return r.db.WriteCommit(c, nil)
}

// Open pushes a branch from main and opens a pull request for it.
func (r *Repository) Open(ctx context.Context, by, branch, title string, files map[string]string) (int, error) {
	p, err := r.Person(ctx, by)
	if err != nil {
		return 0, err
	}
	base, err := r.At(ctx, mainRef)
	if err != nil {
		return 0, err
	}
	if err := r.put(ctx, p.Token, by, "refs/heads/"+branch, "", base, files); err != nil {
		return 0, err
	}
	var pr struct {
		Number int `json:"number"`
	}
	err = r.API(ctx, p.Token, http.MethodPost, r.Path("pulls"), map[string]string{"title": title, "head": branch, "base": "main"}, &pr)
	return pr.Number, err
}

// Pull is what the API says of a pull request.
type Pull struct {
	Title string `json:"title"`
	State string `json:"state"`
	Head  struct {
		Ref string    `json:"ref"`
		SHA gitdb.OID `json:"sha"`
	} `json:"head"`
	Merged bool `json:"merged"`
}

// Pull reads a pull request.
func (r *Repository) Pull(ctx context.Context, n int) (Pull, error) {
	var pr Pull
	return pr, r.API(ctx, r.admin, http.MethodGet, r.Path("pulls/%d", n), nil, &pr)
}

// Push adds a commit to a pull request, or with force puts one in the place of
// all of it, and waits until the pull request has it.
func (r *Repository) Push(ctx context.Context, by string, n int, files map[string]string, force bool) (gitdb.OID, error) {
	p, err := r.Person(ctx, by)
	if err != nil {
		return "", err
	}
	pr, err := r.Pull(ctx, n)
	if err != nil {
		return "", err
	}
	if _, err := r.At(ctx, "refs/heads/"+pr.Head.Ref); err != nil {
		return "", err
	}
	if !force {
		commit, err := r.commit(by, pr.Head.SHA, "", files)
		if err == nil {
			err = r.db.Push(ctx, r.Remote(p.Token), "refs/heads/"+pr.Head.Ref, pr.Head.SHA, commit)
		}
		if err == nil {
			err = r.settled(ctx, n, commit)
		}
		return commit, err
	}
	base, err := r.At(ctx, mainRef)
	if err != nil {
		return "", err
	}
	commit, err := r.commit(by, base, "", files)
	if err != nil {
		return "", err
	}
	return commit, r.Force(ctx, by, n, commit)
}

// Force puts a commit in the place of the head of a pull request.
func (r *Repository) Force(ctx context.Context, by string, n int, to gitdb.OID) error {
	p, err := r.Person(ctx, by)
	if err != nil {
		return err
	}
	pr, err := r.Pull(ctx, n)
	if err != nil {
		return err
	}
	if err := r.move(ctx, p.Token, pr.Head.Ref, to); err != nil {
		return err
	}
	return r.settled(ctx, n, to)
}

// move moves a branch by force. The commit goes to the server on a branch of its
// own first.
func (r *Repository) move(ctx context.Context, token, branch string, to gitdb.OID) error {
	aside := "aside-" + private.Secret()[:8]
	if err := r.db.Push(ctx, r.Remote(r.admin), "refs/heads/"+aside, "", to); err != nil {
		return err
	}
	err := r.API(ctx, token, http.MethodPut, r.Path("branches/%s", branch), map[string]any{"new_commit_id": to, "force": true}, nil)
	return errors.Join(err, r.API(ctx, r.admin, http.MethodDelete, r.Path("branches/%s", aside), nil, nil))
}

// settled waits until Gitea has taken in a push.
func (r *Repository) settled(ctx context.Context, n int, head gitdb.OID) error {
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		at, err := r.At(ctx, fmt.Sprintf("refs/pull/%d/head", n))
		if err != nil {
			return err
		}
		if at == head {
			return nil
		}
	}
	return fmt.Errorf("pull request %d does not get head %s", n, head)
}

// Review submits a review, of the commit that is named or of the head.
func (r *Repository) Review(ctx context.Context, by string, n int, event, body string, commit gitdb.OID) (int64, error) {
	p, err := r.Person(ctx, by)
	if err != nil {
		return 0, err
	}
	var made struct {
		ID int64 `json:"id"`
	}
	in := map[string]any{"event": event, "body": body}
	if commit != "" {
		in["commit_id"] = commit
	}
	return made.ID, r.API(ctx, p.Token, http.MethodPost, r.Path("pulls/%d/reviews", n), in, &made)
}

// Change changes a field of a pull request: state, base or title.
func (r *Repository) Change(ctx context.Context, by string, n int, field, value string) error {
	p, err := r.Person(ctx, by)
	if err != nil {
		return err
	}
	return r.API(ctx, p.Token, http.MethodPatch, r.Path("pulls/%d", n), map[string]string{field: value}, nil)
}

// Comments are the texts of the comments of one account, oldest first.
func (r *Repository) Comments(ctx context.Context, n int, by int64) ([]string, error) {
	var list []struct {
		User struct {
			ID int64 `json:"id"`
		} `json:"user"`
		Body string `json:"body"`
	}
	err := r.API(ctx, r.admin, http.MethodGet, r.Path("issues/%d/comments", n), nil, &list)
	var out []string
	for _, c := range list {
		if c.User.ID == by {
			out = append(out, c.Body)
		}
	}
	return out, err
}

// Commit pushes these files straight to main.
func (r *Repository) Commit(ctx context.Context, files map[string]string) error {
	base, err := r.At(ctx, mainRef)
	if err != nil {
		return err
	}
	return r.put(ctx, r.admin, "", mainRef, base, base, files)
}

// Merge merges with Gitea's own button, as the administrator.
func (r *Repository) Merge(ctx context.Context, n int, method string) error {
	var err error
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = r.API(ctx, r.admin, http.MethodPost, r.Path("pulls/%d/merge", n), map[string]any{"do": method, "force_merge": true}, nil); err == nil {
			return nil
		}
	}
	return err
}

// Slip pushes a merge of a pull request to main that holds more than it.
func (r *Repository) Slip(ctx context.Context, n int, more map[string]string) error {
	base, err := r.At(ctx, mainRef)
	if err != nil {
		return err
	}
	head, err := r.At(ctx, fmt.Sprintf("refs/pull/%d/head", n))
	if err != nil {
		return err
	}
	commit, err := r.commit("", base, head, more)
	if err != nil {
		return err
	}
	return r.db.Push(ctx, r.Remote(r.admin), mainRef, base, commit)
}

// Rewind moves main to a commit by force.
func (r *Repository) Rewind(ctx context.Context, to gitdb.OID) error {
	return r.move(ctx, r.admin, "main", to)
}

// Branch makes a branch where main is.
func (r *Repository) Branch(ctx context.Context, name string) error {
	return r.API(ctx, r.admin, http.MethodPost, r.Path("branches"), map[string]string{"new_branch_name": name, "old_branch_name": "main"}, nil)
}

// File is a file of main.
func (r *Repository) File(ctx context.Context, path string) (text string, ok bool, err error) {
	base, err := r.At(ctx, mainRef)
	if err != nil {
		return "", false, err
	}
	c, err := r.db.Commit(base)
	if err != nil {
		return "", false, err
	}
	entry, there, err := r.db.Find(c.Tree, path)
	if err != nil || !there {
		return "", false, err
	}
	raw, err := r.db.Blob(entry.OID, 1<<20)
	return string(raw), err == nil, err
}
