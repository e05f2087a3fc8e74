package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/forge/github/githubtest/judge"
)

// TestGitHubGuide plays examples/github against an imitation of GitHub. git
// reaches it below https://github.com/, as the guide writes it.
func TestGitHubGuide(t *testing.T) {
	t.Parallel() // it waits for an end
	if _, err := exec.LookPath("psql"); err != nil {
		missing(t, err)
	}
	pg := startServer(t, "shop", "shop_owner")
	hub, err := githubtest.Start(judge.Context(t), t.TempDir(), time.Now().Add(-time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	hub.Live(time.Now, time.Sleep)
	env := []string{
		"ASSENT_GITHUB_API=" + hub.URL, "ASSENT_GITHUB_GIT=" + hub.GitURL(), "GH_TOKEN=", "GITHUB_TOKEN=", "ASSENT_GITHUB_TOKEN=",
		"PGPORT=" + strconv.Itoa(pg.Port()),
	}
	for i, who := range []string{"engine", "gia", "kim", "ana"} {
		hub.Add(githubtest.User{ID: int64(100 + i), Login: who, Type: "User"}, "token-of-"+who)
		env = append(env, strings.ToUpper(who)+"=token-of-"+who)
	}
	at, _, _ := strings.Cut(hub.GitURL(), "/"+githubtest.Owner+"/")
	config := filepath.Join(t.TempDir(), "gitconfig")
	text := "[url \"" + strings.Replace(at, "://", "://x-access-token:token-of-gia@", 1) + "/\"]\n\tinsteadOf = https://github.com/\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	guide{"../../examples/github/README.md", pg.Port(), "port: 5432", append(env, "GIT_CONFIG_GLOBAL="+config), pg.exec}.play(t)
}
