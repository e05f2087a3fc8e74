package ledger_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/ledger"
)

// auditor works with a plain clone, git and ssh-keygen, and nothing of ours.
type auditor struct {
	t     *testing.T
	clone string
}

func newAuditor(t *testing.T, from string) auditor {
	t.Helper()
	for _, tool := range []string{"git", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing", tool)
			}
			t.Skipf("%s is missing", tool)
		}
	}
	a := auditor{t, t.TempDir()}
	a.run("git", "clone", "-q", from, a.clone)
	a.run("git", "-C", a.clone, "checkout", "-q", branch)
	return a
}

func (a auditor) try(in []byte, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(a.t.Context(), name, args...)
	cmd.Dir, cmd.Stdin = a.clone, bytes.NewReader(in)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (a auditor) run(name string, args ...string) string {
	a.t.Helper()
	out, err := a.try(nil, name, args...)
	if err != nil {
		a.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// verify is the line of the manual: ssh-keygen -Y verify -f allowed_signers …
func (a auditor) verify(record, principal, namespace string) error {
	data, err := os.ReadFile(filepath.Join(a.clone, record))
	if err != nil {
		a.t.Fatal(err)
	}
	_, err = a.try(data, "ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", principal, "-n", namespace, "-s", record+".sig")
	return err
}

func TestAuditorVerifiesEveryRecordWithSSHKeygenAlone(t *testing.T) {
	w := grown(t)
	w.rotate(0)
	w.append(w.determining, determination("after-rotation"))
	a := newAuditor(t, w.dir)
	records, err := collect(t.Context(), w.open())
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 32 {
		t.Fatalf("the ledger has %d records, want 32", len(records))
	}
	principals := []string{"assent-root", "assent-determining", "assent-reconciling"}
	tried := map[ledger.Type]bool{}
	for _, v := range records {
		role, _ := v.Type.Signs()
		right := "assent-" + string(role)
		if err := a.verify(v.Path, right, v.Type.Namespace()); err != nil {
			t.Errorf("%s: %v", v.Path, err)
		}
		if tried[v.Type] { // what must fail is tried once a type
			continue
		}
		tried[v.Type] = true
		for _, p := range principals {
			for _, other := range allTypes() {
				if p == right && other == v.Type {
					continue
				}
				if a.verify(v.Path, p, other.Namespace()) == nil {
					t.Errorf("%s verifies as %s of %s", v.Path, other, p)
				}
			}
		}
	}
	if len(tried) != len(allTypes()) {
		t.Errorf("the ledger has %d types of records, want all %d", len(tried), len(allTypes()))
	}
}

func TestGitVerifiesEveryCommitOfTheLedger(t *testing.T) {
	w := grown(t)
	a := newAuditor(t, w.dir)
	commits := strings.Fields(a.run("git", "rev-list", "--first-parent", "HEAD"))
	if len(commits) != 14 {
		t.Fatalf("%d commits, want 14", len(commits))
	}
	for _, c := range commits {
		a.run("git", "-c", "gpg.ssh.allowedSignersFile=allowed_signers", "verify-commit", c)
		if w.read(w.files()["allowed_signers"]) == nil {
			t.Fatal("no allowed_signers")
		}
	}
	a.run("git", "fsck", "--strict")
	// Nothing but additions, the signers file apart.
	changed := a.run("git", "log", "--first-parent", "--name-status", "--format=", "--diff-filter=adt", "--no-renames", "HEAD")
	if lines := strings.Fields(strings.ReplaceAll(changed, "M\tallowed_signers", "")); slices.ContainsFunc(lines, func(s string) bool { return s == "M" || s == "D" }) {
		t.Errorf("history changes files:\n%s", changed)
	}
}
