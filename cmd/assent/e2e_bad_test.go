package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/signature"
)

// waiting is a crowd in which one person's access to new is approved and waits
// to be carried out.
func waiting(t *testing.T) *crowd {
	t.Helper()
	c := newCrowd(t, nil)
	c.clock = time.Now().UTC().Truncate(time.Second)
	c.reconcile() // what the products are made of is there
	c.ask("new", "90d", c.people[:1])
	c.determine()
	return c
}

// push commits a file to a branch of the bare repository.
func (c *crowd) push(branch, name string, change func([]byte) []byte) {
	c.t.Helper()
	tree := filepath.Join(c.t.TempDir(), "tree")
	git(c.t, c.t.TempDir(), "clone", "-q", "--branch", branch, c.dir, tree)
	file := filepath.Join(tree, filepath.FromSlash(name))
	raw, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	if err := writeFile(file, change(raw)); err != nil {
		c.t.Fatal(err)
	}
	git(c.t, tree, "add", "-A")
	git(c.t, tree, "commit", "-q", "-m", "change "+name)
	git(c.t, tree, "push", "-q", "origin", branch)
}

func lake(port int, database, credential string) string {
	return fmt.Sprintf(`apiVersion: assent.dev/v1
kind: Connection
metadata:
  name: lake
spec:
  platform: postgres
  endpoint: {host: 127.0.0.1, port: %d, database: %s, tls: disable}
  credentialsFrom: %s
  mode: enforce
`, port, database, credential)
}

// closedPort is a port on which nobody listens.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestPlatformThatCannotBeReachedHoldsUpNoOther(t *testing.T) {
	base := waiting(t)
	s := startServer(t, "lake", "lake_owner")
	s.setUp("LAKE_RIGHT")
	t.Setenv("LAKE_WRONG", "assent:open-sesame")
	t.Setenv("LAKE_SHAPELESS", "open-sesame")
	tests := []struct {
		name, connection string
		says             string
	}{
		{"nobody listens", lake(closedPort(t), "lake", "env://LAKE_RIGHT"), "connection lake: unreachable: connect:"},
		{"credential not set", lake(s.Port(), "lake", "env://LAKE_UNSET"), "connection lake: wrong-credential: environment variable LAKE_UNSET is not set"},
		{"credential file missing", lake(s.Port(), "lake", "file:///nowhere/lake"), "connection lake: wrong-credential: read credential: open /nowhere/lake"},
		{"credential without a colon", lake(s.Port(), "lake", "env://LAKE_SHAPELESS"), "connection lake: wrong-credential: the credential is not of the form user:password"},
		{"wrong password", lake(s.Port(), "lake", "env://LAKE_WRONG"), "connection lake: wrong-credential: connect:"},
		{"no such database", lake(s.Port(), "pond", "env://LAKE_RIGHT"), `connection lake: no-such-object: connect: FATAL: database "pond" does not exist`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base.goesOnBeside(t, tt.connection, tt.says)
		})
	}
}

// goesOnBeside adds the connection lake, which cannot be reached, and says why:
// whatever is due elsewhere is done all the same.
func (c *crowd) goesOnBeside(t *testing.T, connection, says string) {
	t.Helper()
	c = c.copied()
	c.t = t
	c.push("main", "connections/lake.yaml", func([]byte) []byte { return []byte(connection) })
	for _, args := range [][]string{{"plan"}, {"reconcile", "--once"}} {
		out, problems := c.ends(exitUnreachable, args...)
		holds(t, out, "+ grant assent_new_read to p00")
		holds(t, problems, "error: "+says, "hint: ")
		lacks(t, out+problems, "open-sesame", "assent-pw")
	}
	if got := c.readers("new"); !slices.Equal(got, []string{"p00"}) {
		t.Errorf("%v read new, want p00", got)
	}
	holds(t, c.ok("audit", "verify"), "ledger holds")
}

func TestDiscoverSaysWhyItCannotRead(t *testing.T) {
	g := &gov{t: t, dir: filepath.Join(t.TempDir(), "gov")}
	g.ok("init", g.dir)
	t.Setenv("LAKE_RIGHT", "assent:open-sesame")
	for connection, says := range map[string][]string{
		lake(closedPort(t), "lake", "env://LAKE_RIGHT"): {"error: connection lake: unreachable", "hint: check that the server runs"},
		lake(closedPort(t), "lake", "env://LAKE_UNSET"): {"error: connection lake: wrong-credential", "hint: set the variable or file that credentialsFrom names"},
	} {
		g.write("connections/lake.yaml", connection)
		_, problems := g.ends(exitUnreachable, "discover", "lake")
		holds(t, problems, says...)
		lacks(t, problems, "open-sesame")
	}
	_, problems := g.ends(exitUsage, "discover", "pond")
	holds(t, problems, `no connection "pond"`)
}

func TestLedgerThatDoesNotHoldGrantsNothing(t *testing.T) {
	base := waiting(t)
	made := records(t, base.dir)
	last := made[len(made)-1]
	if last.Type != "determination" {
		t.Fatalf("the last record is of type %s", last.Type)
	}
	number := "record " + last.Seq
	flip := func(raw []byte) []byte {
		at := bytes.Index(raw, []byte(`"approved"`)) + 3
		return slices.Concat(raw[:at], []byte{raw[at] ^ 1}, raw[at+1:])
	}
	tests := []struct {
		name   string
		damage func(c *crowd)
		verify string // what audit verify says; empty where it cannot know
	}{
		{"a byte of a record is flipped", func(c *crowd) { c.push("assent/ledger", last.path, flip) }, number},
		{"a signature is gone", func(c *crowd) { c.push("assent/ledger", last.path+".sig", func([]byte) []byte { return nil }) }, number},
		{"a byte of git's object is flipped", func(c *crowd) {
			oid := c.git("rev-parse", "assent/ledger:"+last.path)
			file := filepath.Join(c.dir, "objects", oid[:2], oid[2:])
			raw, err := os.ReadFile(file)
			if err != nil {
				c.t.Fatal(err)
			}
			raw[len(raw)/2] ^= 1
			if err := errors.Join(os.Remove(file), os.WriteFile(file, raw, 0o444)); err != nil {
				c.t.Fatal(err)
			}
		}, number},
		{"the branch is gone", func(c *crowd) { c.git("update-ref", "-d", "refs/heads/assent/ledger") }, "no ledger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := base.copied()
			c.t = t
			tt.damage(c)
			out, _ := c.ends(exitPartial, "reconcile", "--once")
			holds(t, out, "FROZEN")
			lacks(t, out, "+ grant")
			if got := c.readers("new"); len(got) > 0 {
				t.Errorf("%v read new", got)
			}
			_, problems := c.ends(exitFindings, "audit", "verify")
			holds(t, problems, tt.verify)
		})
	}
}

func TestLedgerThatWentBackFreezes(t *testing.T) {
	c := waiting(t)
	before := c.tip()
	c.ok("reconcile", "--once")
	c.git("update-ref", "refs/heads/assent/ledger", before)
	out, _ := c.ends(exitPartial, "reconcile", "--once")
	holds(t, out, "FROZEN")
	if got := c.tip(); got != before {
		t.Error("a frozen run wrote to the ledger")
	}
}

func TestWhatIsNotSetUpIsSaid(t *testing.T) {
	base := waiting(t)
	empty := t.TempDir()
	git(t, empty, "init", "-q", "-b", "main")
	plain := t.TempDir()
	git(t, plain, "init", "-q", "-b", "main")
	git(t, plain, "commit", "-q", "--allow-empty", "-m", "nothing")
	untrusted, elsewhere := base.copied(), base.copied()
	if err := os.Remove(filepath.Join(untrusted.dir, "assent", "trust.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(elsewhere.dir, "assent", "trust.json"), []byte(`{"repo": "another", "root": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dir string
		says      string
	}{
		{"no repository", filepath.Join(t.TempDir(), "nowhere"), "hint: run it in a governance repository"},
		{"no commit", empty, "it has no branch main"},
		{"no assent.yaml", plain, "error: main has no readable assent.yaml"},
		{"no trust file", untrusted.dir, "hint: `assent init` pins one"},
		{"trust of another repository", elsewhere.dir, `pinned for repository "another", but this one is "crowd-test"`},
	}
	for _, tt := range tests {
		for _, args := range [][]string{{"plan"}, {"reconcile", "--once"}, {"determine"}, {"audit", "verify"}} {
			t.Run(tt.name+"/"+args[0], func(t *testing.T) {
				g := &gov{t: t, dir: tt.dir}
				out, problems := g.ends(exitUsage, args...)
				holds(t, problems, tt.says, "hint: ")
				lacks(t, out, "+ grant")
			})
		}
	}
	if got := untrusted.readers("new"); len(got) > 0 {
		t.Errorf("%v read new", got)
	}
}

func TestKeyThatCannotBeUsedIsSaid(t *testing.T) {
	c := waiting(t)
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	_, unknown, err := signature.Generate("nobody")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"unknown": unknown, "garbage": []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n"), "empty": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	locked := filepath.Join(dir, "locked")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "a passphrase", "-f", locked).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	for name, says := range map[string]string{
		"unknown": "no user on main has the key SHA256:",
		"garbage": "not an OpenSSH private key",
		"empty":   "not an OpenSSH private key",
		"locked":  "it is encrypted",
		"missing": "no such file",
	} {
		t.Run(name, func(t *testing.T) {
			key := filepath.Join(dir, name)
			for _, args := range [][]string{
				{"review", "approve", "stranger-new", "--key", key},
				{"request", "new", "--product", "old", "--duration", "1d", "--key", key},
			} {
				_, problems := c.ends(exitUsage, args...)
				holds(t, problems, "error: ", says, "hint: ")
				lacks(t, problems, "PRIVATE KEY-----")
			}
			if name == "unknown" {
				return
			}
			t.Setenv("ASSENT_RECONCILING_KEY", key)
			_, problems := c.ends(exitUsage, "reconcile", "--once")
			holds(t, problems, "error: load the reconciling key: ", says, "hint: ")
		})
	}
	if got := c.readers("new"); len(got) > 0 {
		t.Errorf("%v read new", got)
	}
	// A key that is whole, but that no seal names, signs nothing that counts.
	t.Setenv("ASSENT_RECONCILING_KEY", filepath.Join(dir, "unknown"))
	before := c.tip()
	if code, out, problems := c.call("reconcile", "--once"); code == exitOK {
		t.Errorf("an unknown key reconciles:\n%s%s", out, problems)
	}
	if c.tip() != before {
		t.Error("an unknown key wrote to the ledger")
	}
	holds(t, c.ok("audit", "verify"), "ledger holds")
	if strings.Contains(c.ok("plan"), "FROZEN") {
		t.Error("the ledger is frozen")
	}
}
