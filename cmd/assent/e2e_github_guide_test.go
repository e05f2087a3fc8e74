package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
	for i, who := range []string{"gia", "kim", "ana", "ben"} {
		hub.Add(githubtest.User{ID: int64(101 + i), Login: who, Type: "User"}, "token-of-"+who)
		env = append(env, strings.ToUpper(who)+"=token-of-"+who)
	}
	at, _, _ := strings.Cut(hub.GitURL(), "/"+githubtest.Owner+"/")
	config := filepath.Join(t.TempDir(), "gitconfig")
	text := "[url \"" + strings.Replace(at, "://", "://x-access-token:token-of-gia@", 1) + "/\"]\n\tinsteadOf = https://github.com/\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// The engine's server is a process of its own, which the guide starts and stops.
	listen := freeAddress(t)
	hub.Reach("https://assent.example.com", "http://"+listen)
	home := filepath.Join(t.TempDir(), "home")
	t.Cleanup(func() { endServer(t, home) })
	addGuideApp(t, hub, home)
	guide{
		"../../examples/github/README.md", pg.Port(), "port: 5432", append(env, "GIT_CONFIG_GLOBAL="+config), pg.exec,
		[]string{"127.0.0.1:8080", listen}, home,
	}.play(t)
	if t.Failed() {
		return
	}
	log, err := os.ReadFile(filepath.Join(home, "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), `"trigger":"webhook"`) {
		t.Errorf("no webhook made the server look; GitHub was answered %v:\n%s", hub.Sent(), log)
	}
}

// addGuideApp is what a person does in the browser: it makes an App, installs it,
// and leaves its private key where the guide says.
func addGuideApp(t *testing.T, hub *githubtest.Server, home string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := writeFile(filepath.Join(home, "app.pem"), text); err != nil {
		t.Fatal(err)
	}
	hub.AddApp(githubtest.App{ID: 7001, Installation: 8001, Slug: "acme-assent", Bot: 9001, Key: &key.PublicKey})
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// endServer waits until the server that a guide stopped has ended, and requires
// that it did so by itself. One that runs on because the guide failed is killed.
func endServer(t *testing.T, home string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(home, "serve.pid"))
	if err != nil {
		return // it was not reached
	}
	ended := func() bool {
		log, _ := os.ReadFile(filepath.Join(home, "serve.log"))
		return strings.Contains(string(log), `"msg":"stopped"`)
	}
	for began := time.Now(); !t.Failed() && time.Since(began) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		if ended() {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(home, "serve.log"))
	t.Errorf("the server does not end:\n%s", log)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil && pid > 1 && !ended() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
