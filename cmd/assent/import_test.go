package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform/sandbox"
)

// TestImportOnTheSandbox takes what the owner of the demo's data grants by hand
// through drift, import and a determination, without touching it.
func TestImportOnTheSandbox(t *testing.T) {
	play := filepath.Join(t.TempDir(), "play")
	g := &gov{t: t, dir: filepath.Join(play, "governance.git"), keys: map[string]string{}}
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"demo", "--keep", play}, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatal(errs.String())
	}
	for _, who := range []string{"ana", "ben", "lea", "raj"} {
		g.keys[who] = filepath.Join(play, "keys", who)
	}
	hand := func(do func(s *sandbox.Sandbox) error) {
		t.Helper()
		s, err := sandbox.Open(t.Context(), sandbox.Config{Connection: "warehouse", Path: filepath.Join(g.dir, "assent", "sandbox", "warehouse.db")})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := do(s); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, g.ok("drift"), "as it should be", "0 missing, 0 extra, 0 altered, 0 foreign, 0 unknown")
	hand(func(s *sandbox.Sandbox) error {
		if err := s.CreateAccount(t.Context(), "stranger"); err != nil {
			return err
		}
		for _, who := range []string{"ben", "ana", "stranger"} {
			if err := s.GrantByHand(t.Context(), who, []string{"shop", "public", "customers"}); err != nil {
				return err
			}
		}
		return s.AddByHand(t.Context(), "stranger", "assent_customer_orders_read")
	})
	text, _ := g.ends(exitFindings, "drift", "warehouse")
	holds(t, text, "extra    assent_customer_orders_read for stranger: no approval gave it", "foreign  3 of others on governed objects", "0 missing, 1 extra, 0 altered, 3 foreign")

	args := []string{"import", "warehouse", "--key", g.keys["ben"], "--accept-agreement", "--answer", "project=other", "--answer", "project-name=Before Assent"}
	text = g.ok(append(args, "--dry-run")...)
	holds(t, text, "for ben is ben: the account that Assent knows of", "locked   unknown-account (1)", "stranger has select on shop.public.customers, granted by owner")
	again := g.ok(append(args, "--dry-run")...)
	if again != text {
		t.Errorf("the second time:\n%s\nafter\n%s", again, text)
	}
	dir := t.TempDir()
	g.ok(append(args, "--out", dir)...)
	files, err := filepath.Glob(filepath.Join(dir, "requests", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	holds(t, string(raw), "assent.dev/imported-from: warehouse", "requester: ben", "accepted: true")

	var rep importReport
	if err := json.Unmarshal([]byte(g.ok(append(args, "--propose", "-o", "json")...)), &rep); err != nil {
		t.Fatal(err)
	}
	told := len(rep.Locked) + len(rep.Known)
	for _, r := range rep.Requests {
		told += len(r.For)
	}
	if told != 3 || rep.PullRequest == "" {
		t.Errorf("3 accesses, %d told: %+v", told, rep)
	}
	holds(t, g.ok(append(args, "--propose")...), "0 requests", "by an earlier import: "+rep.PullRequest)
	g.ends(exitUsage, "import", "nowhere", "--key", g.keys["ben"])
	g.ends(exitUsage, "import", "warehouse", "--key", g.keys["ben"])
	breakSandbox(t, filepath.Join(g.dir, "assent", "sandbox", "warehouse.db"))
	text, _ = g.ends(exitUnreachable, "drift")
	holds(t, text, "unknown  ", "0 missing, 0 extra, 0 altered, 0 foreign, 1 unknown")
	g.ends(exitUnreachable, append(args, "--dry-run")...)
}
