package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform/sandbox"
)

// TestAccessTellsEveryWay follows ben from a grant by Assent, through one by
// hand beside it, to the residue that the hand leaves when Assent's ends.
func TestAccessTellsEveryWay(t *testing.T) {
	play := filepath.Join(t.TempDir(), "play")
	assent := func(want int, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != want {
			t.Fatalf("assent %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
		}
		return out.String()
	}
	assent(exitOK, "demo", "--keep", play)
	repo, keys := filepath.Join(play, "governance.git"), filepath.Join(play, "keys")
	in := func(want int, args ...string) string {
		t.Helper()
		return assent(want, append([]string{"-C", repo}, args...)...)
	}

	in(exitOK, "request", "new", "--key", filepath.Join(keys, "ben"), "--name", "mine", "--product", "customer-orders", "--accept-agreement",
		"--answer", "purpose=Quarterly report on customers for the board", "--answer", "project=quarterly-report", "--duration", "20d")
	for _, who := range []string{"raj", "lea"} {
		in(exitOK, "review", "approve", "mine", "--key", filepath.Join(keys, who), "--reason", "fine")
	}
	in(exitOK, "determine")
	in(exitOK, "reconcile", "--once")
	table := "warehouse/shop/public/customers"
	wants := func(text string, lines ...string) {
		t.Helper()
		for _, l := range lines {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), l) {
				t.Errorf("want %q in\n%s", l, text)
			}
		}
	}
	wants(in(exitOK, "access", "who", table), "ben "+table+" select (id, name, email*, phone*, country) by Assent: mine 20", "* seen behind a mask")

	s, err := sandbox.Open(t.Context(), sandbox.Config{Connection: "warehouse", Path: filepath.Join(repo, "assent", "sandbox", "warehouse.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.GrantByHand(t.Context(), "ben", []string{"shop", "public", "customers"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	both := in(exitOK, "access", "who", "customer-orders")
	wants(both, "by Assent: mine", "granted by others")
	if strings.Contains(both, "RESIDUAL") {
		t.Errorf("what is live is no residue:\n%s", both)
	}

	in(exitOK, "request", "cancel", "mine", "--key", filepath.Join(keys, "ben"), "--reason", "done")
	in(exitOK, "determine")
	in(exitPartial, "reconcile", "--once") // residual: it says so itself
	wants(in(exitOK, "access", "what", "ben"), "ben "+table+" select granted by others", "RESIDUAL after mine", "1 residual:")

	var rep accessReport
	if err := json.Unmarshal([]byte(in(exitOK, "access", "who", "warehouse/shop", "-o", "json")), &rep); err != nil {
		t.Fatal(err)
	}
	if len(rep.Access) != 1 || rep.Access[0].Residual != "mine" || rep.Access[0].Person != "ben" {
		t.Errorf("as JSON: %+v", rep)
	}
	in(exitUsage, "access", "who", "nowhere")
	in(exitUsage, "access", "what", "nobody")
}

// A platform that cannot be asked is unknown, and never shut.
func TestAccessOfAnUnreachablePlatformIsUnknown(t *testing.T) {
	play := filepath.Join(t.TempDir(), "play")
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"demo", "--keep", play}, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatal(errs.String())
	}
	repo := filepath.Join(play, "governance.git")
	breakSandbox(t, filepath.Join(repo, "assent", "sandbox", "warehouse.db"))
	out.Reset()
	code := run(t.Context(), []string{"-C", repo, "access", "what", "ana"}, strings.NewReader(""), &out, &errs)
	if code != exitUnreachable || !strings.Contains(out.String(), "unknown on warehouse") || strings.Contains(out.String(), "nothing is open") {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}
}

func breakSandbox(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, []byte("this is no database"), 0o600); err != nil {
		t.Fatal(err)
	}
}
