package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The account that `assent setup` makes is well; a warning does not hold up a
// round and is said in it; a superuser holds its connection up and no other.
// A new password counts from the next round on.
func TestEngineAccountIsJudged(t *testing.T) {
	c := waiting(t)
	s := startServer(t, "lake", "lake_owner")
	s.setUp("LAKE_RIGHT")
	secret := filepath.Join(t.TempDir(), "lake")
	keep := func(text string) {
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keep("assent:assent-pw\n")
	c.push("main", "connections/lake.yaml", func([]byte) []byte { return []byte(lake(s.Port(), "lake", "file://"+secret)) })
	out := c.ok("doctor", "lake")
	holds(t, out, "lake (postgres, mode enforce)", "ok      PostgreSQL ", "no TLS, as account assent", "ok      it can be read", "open sessions are ended")
	lacks(t, out, "warning", "refused")

	s.exec("ALTER ROLE assent BYPASSRLS")
	holds(t, c.ok("plan"), "lake: the engine's account: bypassrls (`assent doctor lake` says more)")
	holds(t, c.ok("doctor", "lake"), "warning bypassrls: the engine's account bypasses row-level security", `fix: ALTER ROLE "assent" NOBYPASSRLS`)
	holds(t, c.ok("doctor", "lake", "-o", "json"), `"code": "bypassrls"`, `"refuse": false`, `"product": "PostgreSQL `)

	s.exec("ALTER ROLE assent SUPERUSER")
	out, _ = c.ends(exitFindings, "doctor", "lake")
	holds(t, out, "refused superuser: the engine's account assent is a superuser", "fix: use the account that `assent setup` makes")
	for _, args := range [][]string{{"plan"}, {"reconcile", "--once"}} {
		out, problems := c.ends(exitUnreachable, args...)
		holds(t, out, "+ grant assent_new_read to p00") // on the other connection
		holds(t, problems, "error: connection lake: engine-too-broad: ", "hint: use the account that `assent setup` makes")
	}
	_, problems := c.ends(exitUnreachable, "discover", "lake", "--dry-run")
	holds(t, problems, "engine-too-broad")

	s.exec("ALTER ROLE assent NOSUPERUSER NOBYPASSRLS; ALTER ROLE assent PASSWORD 'changed'")
	out, _ = c.ends(exitUnreachable, "doctor", "lake")
	holds(t, out, "failed  connection lake: wrong-credential")
	keep("assent:changed\r\n\n")
	holds(t, c.ok("doctor", "lake"), "as account assent")
}
