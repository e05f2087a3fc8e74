package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/resource"
)

// The demo's GitHub: a server of our own that speaks the part of GitHub's API
// that the adapter uses, over a real git repository.

const demoEngineID = 99

func demoToken(who string) string { return "demo-token-of-" + who }

// demoGitHubID is a made-up account id, different for each person.
func demoGitHubID(person string) int64 {
	return 100 + int64(slices.Index(demoAccounts(), person))
}

// onGitHub makes the governance files those of a repository on GitHub.
func onGitHub(files map[string][]byte) {
	files["assent.yaml"] = bytes.Replace(files["assent.yaml"], []byte("  forge: local\n"), fmt.Appendf(nil,
		"  forge: github\n  github:\n    repository: %s/%s\n    id: %d\n    engine: %d\n", githubtest.Owner, githubtest.Repository, githubtest.ID, demoEngineID), 1)
	for name, raw := range files {
		if person, ok := strings.CutPrefix(name, "directory/users/"); ok {
			person = strings.TrimSuffix(person, ".yaml")
			if slices.Contains(demoAccounts(), person) {
				files[name] = bytes.Replace(raw, []byte("  forge:\n"), fmt.Appendf(nil,
					"  forge:\n    github:\n      id: %d\n      login: %s\n", demoGitHubID(person), person), 1)
			}
		}
	}
}

// pushToGitHub starts the demo's GitHub and pushes main and the ledger there.
func (w *demoWorld) pushToGitHub(ctx context.Context, dir string) error {
	hub, err := githubtest.Start(ctx, filepath.Join(dir, "github"), w.clock, nil)
	if err != nil {
		return err
	}
	for _, who := range demoAccounts() {
		hub.Add(githubtest.User{ID: demoGitHubID(who), Login: who, Type: "User"}, demoToken(who))
	}
	hub.Add(githubtest.User{ID: demoEngineID, Login: "assent-engine", Type: "User"}, demoToken("engine"))
	w.hub = hub
	g, err := w.openGitHub(github.Personal(func() (string, error) { return demoToken("engine"), nil }), false)
	if err != nil {
		return err
	}
	for _, branch := range []string{w.settings.Spec.MainBranch(), w.settings.Spec.LedgerBranch()} {
		tip, err := w.db.Resolve("refs/heads/" + branch)
		if err == nil {
			err = w.db.Push(ctx, g.Remote(), "refs/heads/"+branch, "", tip)
		}
		if err != nil {
			return err
		}
	}
	w.upstream = g.Remote
	return w.reload(ctx)
}

// deskOf is where a person of the demo sits.
func (s *demoScript) deskOf(ctx context.Context, who string) (desk, error) {
	if s.hub != nil {
		d, _, err := s.sitWith(ctx, github.Personal(func() (string, error) { return demoToken(who), nil }))
		return d, err
	}
	f, err := s.openLocal(ctx)
	if err != nil {
		return nil, err
	}
	me, ok := resource.UserOf(s.snapshot.Set, resource.Name(who))
	if !ok {
		return nil, fmt.Errorf("no user %s", who)
	}
	return &localDesk{f, s.keys[who], s.author(me)}, nil
}

// either picks the words for the forge that the demo plays on.
func (s *demoScript) either(local, hub string) string {
	if s.hub != nil {
		return hub
	}
	return local
}

// refusedByForge reports whether the forge itself did not take a review.
func refusedByForge(err error) bool { return errors.Is(err, forge.ErrForbidden) }
