package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/forge/gitea"
	"github.com/assent-dev/assent/engine/resource"
)

// openGitea opens the repository that assent.yaml names.
func (w *workspace) openGitea(token func(context.Context) (string, error), look bool) (*gitea.Gitea, error) {
	at := w.settings.Spec.Gitea
	if at == nil {
		return nil, &exitError{code: exitUsage, err: errors.New("assent.yaml says forge: gitea, and not which repository"), hint: "state spec.gitea.url, spec.gitea.repository and spec.gitea.id"}
	}
	owner, name, _ := strings.Cut(at.Repository, "/")
	g, err := gitea.New(gitea.Config{
		Repo: w.settings.Spec.ID, URL: at.URL, Owner: owner, Name: name, ID: at.ID, Branch: w.settings.Spec.MainBranch(),
		Engine: at.Engine, Look: look, Method: gitea.Method(at.Method), Token: token, DB: w.db, Now: w.now, Pause: moment,
	})
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err, hint: "correct spec.gitea in assent.yaml"}
	}
	return g, nil
}

// moment is how long Gitea is given to take in a push before it is asked again.
func moment(ctx context.Context) error {
	const short = 300 * time.Millisecond
	select {
	case <-ctx.Done():
	case <-time.After(short):
	}
	return ctx.Err()
}

// giteaPerson is the token of whoever runs a command.
func giteaPerson(context.Context) (string, error) {
	if token := strings.TrimSpace(os.Getenv("GITEA_TOKEN")); token != "" {
		return token, nil
	}
	return "", errors.New("no token: make one in the settings of your account on Gitea, under applications, and put it into GITEA_TOKEN")
}

// giteaEngine is the engine's own token, of an account that does nothing else.
func giteaEngine(context.Context) (string, error) {
	for _, name := range []string{"ASSENT_GITEA_TOKEN", "GITEA_TOKEN"} {
		if token := strings.TrimSpace(os.Getenv(name)); token != "" {
			return token, nil
		}
	}
	return "", errors.New("no token for the engine: set ASSENT_GITEA_TOKEN")
}

// sitAtGitea finds the person whose token it is by the id of the account.
func (w *workspace) sitAtGitea(ctx context.Context) (desk, *resource.User, error) {
	g, err := w.openGitea(giteaPerson, true)
	if err != nil {
		return nil, nil, err
	}
	return w.sitAt(ctx, g, "GITEA_TOKEN", func(f resource.UserForge) int64 {
		if f.Gitea == nil {
			return 0
		}
		return f.Gitea.ID
	})
}
