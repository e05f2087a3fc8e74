package main

import (
	"context"
	"fmt"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// draft is a pull request to be opened. A nil file is deleted.
type draft struct {
	name  string // of the branch, and on the local forge of the pull request
	title string
	files map[string][]byte
}

// desk is a forge as one person uses it from here.
type desk interface {
	forge.Forge
	// open opens a pull request.
	open(ctx context.Context, d draft) (forge.PullRequest, error)
	review(ctx context.Context, id string, v review.Verdict, body string) (review.Review, error)
	cancel(ctx context.Context, id, reason string) error
	// me is who sits here, as the forge knows them.
	me() review.Actor
}

// sit finds who runs the command, and gives them the forge: on the local one by
// their SSH key, on GitHub and Gitea by their token.
func (w *workspace) sit(ctx context.Context, keyFile string) (desk, *resource.User, error) {
	switch w.settings.Spec.Forge {
	case github.Name:
		return w.sitAtGitHub(ctx)
	case gitea.Name:
		return w.sitAtGitea(ctx)
	}
	key, me, err := w.whoAmI(keyFile)
	if err != nil {
		return nil, nil, err
	}
	f, err := w.openLocal(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &localDesk{f, key, w.author(me)}, me, nil
}

// author is how a person's commits are signed off.
func (w *workspace) author(u *resource.User) gitdb.Person {
	return gitdb.Person{Name: u.Metadata.Name, Email: u.Spec.Email, When: w.now()}
}

type localDesk struct {
	*local.Local
	key    signature.Signer
	author gitdb.Person
}

func (l *localDesk) me() review.Actor {
	return review.Actor{Forge: local.Name, ID: l.key.Public().Fingerprint()}
}

func (l *localDesk) open(ctx context.Context, d draft) (forge.PullRequest, error) {
	return l.Open(ctx, l.key, local.Draft{ID: d.name, Title: d.title, Files: d.files, Author: l.author})
}

func (l *localDesk) review(ctx context.Context, id string, v review.Verdict, body string) (review.Review, error) {
	return l.Review(ctx, l.key, id, v, body)
}

func (l *localDesk) cancel(ctx context.Context, id, reason string) error {
	return l.Cancel(ctx, l.key, id, reason)
}

// sitAtGitHub finds the person whose token it is by the id of the account.
func (w *workspace) sitAtGitHub(ctx context.Context) (desk, *resource.User, error) {
	return w.sitWith(ctx, w.personTokens())
}

func (w *workspace) sitWith(ctx context.Context, tokens github.Tokens) (desk, *resource.User, error) {
	g, err := w.openGitHub(tokens, true)
	if err != nil {
		return nil, nil, err
	}
	return w.sitAt(ctx, g, "GITHUB_TOKEN; `gh auth token` prints one", func(f resource.UserForge) int64 {
		if f.GitHub == nil {
			return 0
		}
		return f.GitHub.ID
	})
}

// accounts is a forge where people are known by their account.
type accounts interface {
	forge.Forge
	Me(ctx context.Context) (review.Actor, error)
	Open(ctx context.Context, d change.Draft) (forge.PullRequest, error)
	Review(ctx context.Context, id string, v review.Verdict, body string) (review.Review, error)
}

// sitAt finds the person whose token it is by the id of the account.
func (w *workspace) sitAt(ctx context.Context, f accounts, put string, id func(resource.UserForge) int64) (desk, *resource.User, error) {
	actor, err := f.Me(ctx)
	if err != nil {
		return nil, nil, &exitError{code: exitUnreachable, err: err, hint: "put a token of yours into " + put}
	}
	for u := range resource.Of[*resource.User](w.snapshot.Set) {
		if n := id(u.Spec.Forge); n > 0 && fmt.Sprint(n) == actor.ID {
			return &accountDesk{f, actor, w.author(u)}, u, nil
		}
	}
	return nil, nil, &exitError{
		code: exitUsage, err: fmt.Errorf("no user on %s has the account %s (id %s) of %s", w.settings.Spec.MainBranch(), actor.Login, actor.ID, actor.Forge),
		hint: "add it to spec.forge." + actor.Forge + " of your file in directory/users/, by a pull request",
	}
}

type accountDesk struct {
	accounts
	actor  review.Actor
	author gitdb.Person
}

func (a *accountDesk) me() review.Actor { return a.actor }

func (a *accountDesk) open(ctx context.Context, d draft) (forge.PullRequest, error) {
	return a.Open(ctx, change.Draft{Branch: "request/" + d.name, Title: d.title, Files: d.files, Author: a.author})
}

func (a *accountDesk) review(ctx context.Context, id string, v review.Verdict, body string) (review.Review, error) {
	return a.Review(ctx, id, v, body)
}

func (a *accountDesk) cancel(ctx context.Context, id, reason string) error {
	return a.Close(ctx, id, reason)
}
