package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/assent-dev/assent/engine/ledger"
)

// gov is a governance repository that a test drives through the program, as
// people do: every call is a whole command line.
type gov struct {
	t    *testing.T
	dir  string            // the work tree
	keys map[string]string // by person: the file of the private key
}

// call runs the program in this process.
func (g *gov) call(args ...string) (code int, stdout, stderr string) {
	g.t.Helper()
	var out, problems bytes.Buffer
	code = run(g.t.Context(), append([]string{"-C", g.dir}, args...), strings.NewReader(""), &out, &problems)
	for _, text := range []string{out.String(), problems.String()} {
		if strings.Contains(text, "goroutine ") || strings.Contains(text, "panic:") {
			g.t.Fatalf("assent %s panics:\n%s", strings.Join(args, " "), text)
		}
	}
	return code, out.String(), problems.String()
}

// ends runs the program and requires its exit code.
func (g *gov) ends(want int, args ...string) (stdout, stderr string) {
	g.t.Helper()
	code, stdout, stderr := g.call(args...)
	if code != want {
		g.t.Fatalf("assent %s ends with %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout, stderr)
	}
	return stdout, stderr
}

// ok runs the program, which must succeed.
func (g *gov) ok(args ...string) string {
	g.t.Helper()
	stdout, _ := g.ends(exitOK, args...)
	return stdout
}

// as runs the program as a person, with that person's key.
func (g *gov) as(person string, args ...string) string {
	g.t.Helper()
	return g.ok(append(args, "--key", g.keys[person])...)
}

// holds requires every part in a text.
func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

// lacks requires that no part is in a text.
func lacks(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in:\n%s", p, text)
		}
	}
}

// write writes a file of the work tree.
func (g *gov) write(name, content string) {
	g.t.Helper()
	if err := writeFile(filepath.Join(g.dir, filepath.FromSlash(name)), []byte(content)); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gov) git(args ...string) string { return git(g.t, g.dir, args...) }

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// person makes a key with ssh-keygen and the file of a user who has it.
func (g *gov) person(name, more string) {
	g.t.Helper()
	key := filepath.Join(g.t.TempDir(), name)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name+"@example.com", "-f", key).CombinedOutput(); err != nil {
		g.t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		g.t.Fatal(err)
	}
	g.keys[name] = key
	g.write("directory/users/"+name+".yaml", fmt.Sprintf(`apiVersion: assent.dev/v1
kind: User
metadata:
  name: %[1]s
spec:
  email: %[1]s@example.com
  forge:
    ssh:
      - %[2]s
%[3]s`, name, strings.TrimSpace(string(public)), more))
}

// record is what a stranger to our code reads in the ledger.
type record struct {
	Type    string `json:"type"`
	Seq     string `json:"seq"`
	Subject struct {
		Request    string `json:"request"`
		Connection string `json:"connection"`
	} `json:"subject"`
	Body struct {
		Outcome   string `json:"outcome"`
		Role      string `json:"role"`
		Principal string `json:"principal"`
		Reason    string `json:"reason"`
		Status    string `json:"status"`
		Code      string `json:"code"`
	} `json:"body"`
	path string
}

// line is the record in a few words.
func (r record) line() string {
	return strings.Join(strings.Fields(r.Type+" "+r.Body.Outcome+" "+r.Body.Role+" "+r.Body.Principal+" "+r.Body.Code+" "+r.Body.Reason), " ")
}

// records reads the ledger with git alone.
func records(t *testing.T, dir string) []record {
	t.Helper()
	var names strings.Builder
	var out []record
	for name := range strings.SplitSeq(git(t, dir, "ls-tree", "-r", "--name-only", "assent/ledger", "records/"), "\n") {
		if strings.HasSuffix(name, ".json") {
			names.WriteString("assent/ledger:" + name + "\n")
			out = append(out, record{path: name})
		}
	}
	cmd := exec.Command("git", "cat-file", "--batch=")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(names.String())
	raw, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	for i := range out {
		if err := dec.Decode(&out[i]); err != nil {
			t.Fatalf("read %s: %v", out[i].path, err)
		}
	}
	if err := dec.Decode(&struct{}{}); err != io.EOF {
		t.Fatalf("after the last record: %v", err)
	}
	return out
}

// since are the records after the first n, in a few words each.
func since(t *testing.T, dir string, n int) []string {
	t.Helper()
	var lines []string
	for _, r := range records(t, dir)[n:] {
		lines = append(lines, r.line())
	}
	return lines
}

// tip is where the ledger ends.
func (g *gov) tip() string { return g.git("rev-parse", "assent/ledger") }

// missing ends a test that needs what this machine has not: a defect in CI,
// and a reason to skip elsewhere.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// verified replays the ledger with the product's own verifier.
func (g *gov) verified() []ledger.Verified {
	g.t.Helper()
	w, err := openWorkspace(g.t.Context(), g.dir, "", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	l, err := w.openLedger()
	if err != nil {
		g.t.Fatal(err)
	}
	var out []ledger.Verified
	for v, err := range l.Replay(g.t.Context()) {
		if err != nil {
			g.t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// shared is output that is read while it is written.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// String is what was written so far.
func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
