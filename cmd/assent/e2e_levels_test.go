package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A request for a schema covers the tables that come later: one that a declared
// creator makes opens in the next round, behind its mask; one that nobody let
// the engine pass on keeps no other shut, and opens once its owner has run the
// statement that the outcome names.
func TestSchemaRequestCoversTablesThatComeLater(t *testing.T) {
	s := startServer(t, "shop", "shop_owner")
	for _, login := range []string{"ana", "etl", "rogue"} {
		s.exec("CREATE ROLE " + login + " LOGIN PASSWORD '" + login + "-pw'")
	}
	s.exec("GRANT CREATE, USAGE ON SCHEMA public TO etl, rogue")
	s.exec("SET ROLE etl; CREATE TABLE public.orders (id text, mail text); INSERT INTO public.orders VALUES ('1', 'ana@example.com');" +
		"COMMENT ON COLUMN public.orders.mail IS '@tag pii.contact'")
	t.Setenv("HOME", t.TempDir()) // nobody's own keys come into it
	g := &gov{t: t, dir: filepath.Join(t.TempDir(), "gov"), keys: map[string]string{}}
	g.ok("init", g.dir)
	for _, name := range []string{"products/example-orders.yaml", "sources/warehouse"} {
		if err := os.RemoveAll(filepath.Join(g.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	g.person("ana", "")
	g.person("gia", "  permissions:\n    - GOVERNANCE\n")
	g.write("connections/warehouse.yaml", `apiVersion: assent.dev/v1
kind: Connection
metadata:
  name: warehouse
spec:
  platform: postgres
  endpoint: {host: 127.0.0.1, port: `+strconv.Itoa(s.Port())+`, database: shop, tls: disable}
  credentialsFrom: env://LEVELS_CREDENTIAL
  mode: enforce
  accounts:
    template: "{name}"
  levels:
    - path: shop/public
      future: discovered
      creators: [etl]
      forms:
        dataAccess: levels
`)
	g.write("forms/levels.yaml", `apiVersion: assent.dev/v1
kind: RequestForm
metadata:
  name: levels
spec:
  onBehalfOf: never
  questions:
    - id: purpose
      title: What for?
      type: short-answer
  review:
    mode: stewards
    stages:
      - any: [{user: gia}]
`)
	s.exec(g.ok("setup", "warehouse"))
	s.exec("ALTER ROLE assent PASSWORD 'assent-pw'")
	t.Setenv("LEVELS_CREDENTIAL", "assent:assent-pw")
	holds(t, g.ok("discover", "warehouse"), "1 new")
	holds(t, g.ok("validate"), "valid: no mistakes found")
	g.git("add", "-A")
	g.git("commit", "-q", "-m", "govern a schema")

	holds(t, g.as("ana", "request", "new", "--path", "warehouse/shop/public", "--duration", "90d", "--answer", "purpose=All of it", "--name", "ana-shop"), "opened ana-shop")
	g.as("gia", "review", "approve", "ana-shop")
	holds(t, g.ok("determine"), "merged as")
	g.git("reset", "-q", "--hard", "main") // as a pull would
	out := g.ok("reconcile", "--once")
	_, role, _ := strings.Cut(out, "+ provision ")
	role, _, _ = strings.Cut(role, "_read:")
	reads := func(query, want string) {
		t.Helper()
		if got := s.ask("ana", query); got != want {
			t.Errorf("ana asks %s: %s, want %s", query, got, want)
		}
	}
	view := func(table string) string {
		return "SELECT mail FROM " + role + "." + table
	}
	reads(view("orders"), "an*************")
	reads("SELECT mail FROM public.orders", "refused")

	s.exec("SET ROLE etl; CREATE TABLE public.parcels (id text, mail text); INSERT INTO public.parcels VALUES ('7', 'ben@example.com');" +
		"COMMENT ON COLUMN public.parcels.mail IS '@tag pii.contact'")
	out = g.ok("reconcile", "--once")
	holds(t, out, "shop.public.parcels")
	reads(view("parcels"), "be*************")
	reads("SELECT id FROM public.parcels", "refused")

	s.exec("SET ROLE rogue; CREATE TABLE public.vault (id text); INSERT INTO public.vault VALUES ('42')")
	statement := `GRANT SELECT ON "public"."vault" TO "assent" WITH GRANT OPTION;`
	for range 2 { // it is said in every round
		out, _ = g.ends(exitPartial, "reconcile", "--once")
		holds(t, out, "[failed no-right]", "its owner (rogue) run "+statement)
		holds(t, g.ok("plan"), statement)
		reads("SELECT id FROM public.vault", "refused")
		reads(view("orders"), "an*************")
		reads(view("parcels"), "be*************")
	}
	s.exec("SET ROLE rogue; " + statement)
	holds(t, g.ok("reconcile", "--once"), "shop.public.vault")
	reads("SELECT id FROM public.vault", "42")
	reads(view("orders"), "an*************")
	holds(t, g.ok("reconcile", "--once"), "nothing to change")
	holds(t, g.ok("audit", "verify"), "ledger holds")
}
