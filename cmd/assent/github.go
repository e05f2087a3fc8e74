package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/forge/github"
)

// openGitHub opens the repository that assent.yaml names.
func (w *workspace) openGitHub(tokens github.Tokens, look bool) (*github.GitHub, error) {
	at := w.settings.Spec.GitHub
	if at == nil {
		return nil, &exitError{code: exitUsage, err: errors.New("assent.yaml says forge: github, and not which repository"), hint: "state spec.github.repository and spec.github.id"}
	}
	owner, name, _ := strings.Cut(at.Repository, "/")
	cfg := github.Config{
		Repo: w.settings.Spec.ID, Owner: owner, Name: name, ID: at.ID, Branch: w.settings.Spec.MainBranch(),
		API: at.API, Engine: at.Engine, OnCall: w.onCall, Look: look, Method: github.Method(at.Method), Tokens: tokens, DB: w.db, Now: w.now,
	}
	if w.hub != nil {
		cfg.API, cfg.Git = w.hub.URL, w.hub.GitURL()
	} else if api := os.Getenv("ASSENT_GITHUB_API"); api != "" {
		cfg.API, cfg.Git = api, os.Getenv("ASSENT_GITHUB_GIT")
	}
	g, err := github.New(cfg)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err, hint: "correct spec.github in assent.yaml"}
	}
	return g, nil
}

// personTokens are the tokens of whoever runs a command.
func (w *workspace) personTokens() github.Tokens {
	if w.hub != nil {
		return github.Personal(func() (string, error) { return demoToken("omar"), nil })
	}
	return github.Personal(func() (string, error) {
		for _, name := range []string{"GITHUB_TOKEN", "GH_TOKEN"} {
			if token := strings.TrimSpace(os.Getenv(name)); token != "" {
				return token, nil
			}
		}
		return "", errors.New("no token: put one into GITHUB_TOKEN; `gh auth token` prints one")
	})
}

// engineTokens are the engine's own: an App's where one is configured, else a
// personal token of an account that does nothing else.
func (w *workspace) engineTokens(ctx context.Context) (github.Tokens, error) {
	id := os.Getenv("ASSENT_GITHUB_APP")
	if w.hub != nil {
		return github.Personal(func() (string, error) { return demoToken("engine"), nil }), nil
	}
	if id == "" {
		return github.Personal(func() (string, error) {
			for _, name := range []string{"ASSENT_GITHUB_TOKEN", "GITHUB_TOKEN"} {
				if token := strings.TrimSpace(os.Getenv(name)); token != "" {
					return token, nil
				}
			}
			return "", errors.New("no token for the engine: set ASSENT_GITHUB_TOKEN, or ASSENT_GITHUB_APP, ASSENT_GITHUB_INSTALLATION and ASSENT_GITHUB_KEY")
		}), nil
	}
	app, err := strconv.ParseInt(id, 10, 64)
	installation, err2 := strconv.ParseInt(os.Getenv("ASSENT_GITHUB_INSTALLATION"), 10, 64)
	if err = errors.Join(err, err2); err != nil {
		return nil, usageErrorf("both are numbers that the App's settings show", "read ASSENT_GITHUB_APP and ASSENT_GITHUB_INSTALLATION: %w", err)
	}
	pem, err := reference(ctx, "ASSENT_GITHUB_KEY", "file://"+os.Getenv("ASSENT_GITHUB_KEY"), true)
	if err != nil {
		return nil, usageErrorf("name the file of the App's private key", "read ASSENT_GITHUB_KEY: %w", err)
	}
	made, err := github.NewApp(app, installation, []byte(pem), w.now)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	made.API, made.Repository = w.settings.Spec.GitHub.API, w.settings.Spec.GitHub.ID
	if api := os.Getenv("ASSENT_GITHUB_API"); api != "" {
		made.API = api
	}
	return made, nil
}
