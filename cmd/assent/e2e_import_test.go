package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// brown is a database that people used for years before Assent came.
type brown struct {
	*gov
	*server
	t *testing.T
}

const hostile = "ev\"il'; DROP TABLE shop.orders; --\x1b[31m"

// TestImportsWhatWasThere takes a database with access that others granted, asks
// for it by pull request, grants it anew and hands the old over to who gave it.
func TestImportsWhatWasThere(t *testing.T) {
	b := newBrown(t)
	b.governs()
	b.imports()
	b.decides()
	b.handsOver()
	b.discovers()
}

func newBrown(t *testing.T) *brown {
	t.Helper()
	s := startServer(t, "shop", "shop_owner")
	quoted := `"` + strings.ReplaceAll(hostile, `"`, `""`) + `"`
	s.exec(`CREATE ROLE ana LOGIN PASSWORD 'ana-pw'; CREATE ROLE ben LOGIN PASSWORD 'ben-pw'; CREATE ROLE zoe LOGIN;
		CREATE ROLE analysts; GRANT analysts TO ana, ben, zoe; CREATE ROLE "Cyd.Long" LOGIN; CREATE ROLE boss LOGIN SUPERUSER;
		CREATE ROLE ` + quoted + ` LOGIN; CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader`)
	s.exec(`SET ROLE shop_owner;
		CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO PUBLIC;
		CREATE TABLE shop.orders (id int, total int); CREATE TABLE shop.people (id int, email text); CREATE TABLE shop.log (at int);
		INSERT INTO shop.orders VALUES (1, 7); INSERT INTO shop.people VALUES (1, 'ana@example.com');
		GRANT SELECT ON shop.orders TO ana; GRANT SELECT ON shop.people TO ana;
		GRANT SELECT (id) ON shop.people TO "Cyd.Long";
		GRANT SELECT, INSERT, UPDATE, DELETE ON shop.log TO ben;
		GRANT SELECT ON shop.log TO analysts;
		GRANT SELECT ON shop.orders TO PUBLIC, ` + quoted + `; GRANT TRUNCATE ON shop.log TO ben;
		GRANT SELECT ON shop.log TO ana WITH GRANT OPTION;
		CREATE FUNCTION shop.peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
		ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO ana;
		GRANT CREATE ON SCHEMA shop TO ben`)
	sql := `CREATE ROLE assent LOGIN CREATEROLE PASSWORD 'assent-pw'; GRANT pg_signal_backend, pg_read_all_stats TO assent;
		GRANT CONNECT, CREATE ON DATABASE shop TO assent; GRANT USAGE ON SCHEMA shop TO assent WITH GRANT OPTION;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO assent WITH GRANT OPTION`
	s.exec(sql)
	t.Setenv("SHOP_CREDENTIAL", "assent:assent-pw")
	t.Setenv("HOME", t.TempDir())
	return &brown{&gov{t: t, dir: filepath.Join(t.TempDir(), "gov"), keys: map[string]string{}}, s, t}
}

func (b *brown) governs() {
	b.ok("init", b.dir)
	for _, name := range []string{"connections/warehouse.yaml", "masking/contact-data.yaml", "products/example-orders.yaml", "sources/warehouse"} {
		if err := os.RemoveAll(filepath.Join(b.dir, name)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.write("connections/shop.yaml", fmt.Sprintf(`apiVersion: assent.dev/v1
kind: Connection
metadata:
  name: shop
spec:
  platform: postgres
  endpoint:
    host: 127.0.0.1
    port: %d
    database: shop
    tls: disable
  credentialsFrom: env://SHOP_CREDENTIAL
  mode: observe
  accounts:
    template: "{name}"
`, b.Port()))
	for _, name := range []string{"ana", "ben", "kim", "sue"} {
		b.person(name, "")
	}
	b.person("cyd", "  accounts:\n    shop: Cyd.Long\n")
	b.person("gia", "  permissions:\n    - GOVERNANCE\n")
	b.write("forms/old.yaml", `apiVersion: assent.dev/v1
kind: RequestForm
metadata:
  name: old
spec:
  onBehalfOf: anyone
  questions:
    - id: purpose
      title: What for?
      type: short-answer
    - id: ticket
      title: Which ticket?
      type: ticket
  review:
    mode: stewards
    stages:
      - any: [{user: sue}]
`)
	b.write("assent.yaml", strings.Replace(b.read("assent.yaml"), "maxDuration: 1y", "maxDuration: 1y\n    form: old", 1))
	b.write("products/sales.yaml", `apiVersion: assent.dev/v1
kind: DataProduct
metadata:
  name: sales
spec:
  domain: example
  sources:
    - source: shop/shop/shop/orders
    - source: shop/shop/shop/people
  maxDuration: 180d
`)
	holds(b.t, b.ok("discover", "shop"), "shop: 3 new")
	holds(b.t, b.ok("validate"), "valid: no mistakes found")
	b.git("add", "-A")
	b.git("commit", "-q", "-m", "govern the shop")
}

func (b *brown) read(name string) string {
	b.t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(raw)
}

// acls are all privileges on tables, as the server has them.
func (b *brown) acls() string {
	return b.ask("shop_owner", `SELECT string_agg(coalesce(relacl::text, '-') || coalesce((SELECT string_agg(attacl::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid), ''), ';' ORDER BY relname)
		FROM pg_class c WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r'`)
}

func (b *brown) imports() {
	before := b.acls()
	// The form asks for a ticket that nobody can invent.
	out := b.ok("import", "shop", "--dry-run", "--key", b.keys["kim"])
	holds(b.t, out, "0 requests", "locked   invalid", "--answer ticket=")
	args := []string{"import", "shop", "--key", b.keys["kim"], "--answer", "ticket=OLD-1"}
	out = b.ok(append(args, "--dry-run")...)
	holds(b.t, out,
		"read on data product sales for ana is ana: the account that Assent knows of",
		"read on data source shop/shop/shop/people for Cyd.Long is cyd",
		"write on data source shop/shop/shop/log for ben is ben",
		"locked   public (1)", "PUBLIC has SELECT on shop.shop.orders, granted by shop_owner",
		"locked   unknown-account", `ev"il'; DROP TABLE shop.orders; --\u001b[31m has SELECT`,
		"locked   other-privilege (1)", "ben has TRUNCATE on shop.shop.log",
		"locked   grant-option (1)", "locked   superuser", "boss has ALL",
		"locked   predefined-role (1)", "reader has MEMBER OF pg_read_all_data",
		"locked   owner", "shop_owner has ALL on shop.shop.log",
		"locked   function (1)", "PUBLIC has EXECUTE on shop.shop.peek",
		"locked   default-privilege (1)", "ana has SELECT on shop.shop, granted by shop_owner",
		"locked   schema-privilege (1)", "ben has CREATE on shop.shop",
		"in role analysts: no user is known to have this account", "nothing was changed there", "next: the same with --propose")
	lacks(b.t, out, "\x1b")
	if out2 := b.ok(append(args, "--dry-run")...); out2 != out {
		b.t.Error("the same import says something else the second time")
	}

	out = b.ok(append(args, "--propose")...)
	holds(b.t, out, "opened import-shop-")
	_, id, _ := strings.Cut(out, "opened ")
	id, _, _ = strings.Cut(id, "\n")
	holds(b.t, b.ok("explain", id), "What no request of this import stands for: locked")
	holds(b.t, b.ok("explain", id, "-o", "json"), "locked   public", "superuser") // the page cuts long words
	holds(b.t, b.ok(append(args, "--propose")...), "0 requests", "by an earlier import: "+id)
	if after := b.acls(); after != before {
		b.t.Errorf("an import changed the platform from %s to %s", before, after)
	}
	holds(b.t, b.as("sue", "review", "approve", id, "--reason", "it was so before"), "approved")
	holds(b.t, b.ok("determine"), "approved, merged as")
	b.git("reset", "-q", "--hard", "main")
	raw := b.read("requests/sales/" + b.only("requests/sales"))
	holds(b.t, raw, "duration: 180d", "requester: kim", "user: ana", "purpose: \"Imported: this access existed on shop before\"", "assent.dev/imported-account: ana")
	holds(b.t, b.ok(append(args, "--dry-run")...), "0 requests for 0 accesses of others")
	if after := b.acls(); after != before {
		b.t.Errorf("an approval changed the platform from %s to %s", before, after)
	}
}

// only is the one file of a folder.
func (b *brown) only(dir string) string {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.dir, dir))
	if err != nil || len(entries) != 1 {
		b.t.Fatalf("%v in %s: %v", entries, dir, err)
	}
	return entries[0].Name()
}

// decides puts the connection into mode enforce and grants.
func (b *brown) decides() {
	out, _ := b.ends(exitFindings, "drift")
	holds(b.t, out, "shop (postgres, mode observe)", "missing  assent_sales_read for ana: approved, and not carried out yet", "mode observe leaves it")
	b.write("connections/shop.yaml", strings.Replace(b.read("connections/shop.yaml"), "mode: observe", "mode: enforce", 1))
	b.git("commit", "-q", "-am", "enforce")
	out, _ = b.ends(exitFindings, "drift")
	holds(b.t, out, "`assent reconcile --once` would let the account in")
	before := b.acls()
	b.ok("reconcile", "--once")
	out = b.ok("drift")
	holds(b.t, out, "0 missing, 0 extra, 0 altered", "`assent drift --handover`")
	for _, item := range strings.FieldsFunc(before, func(r rune) bool { return strings.ContainsRune("{},;", r) }) {
		if !strings.Contains(b.acls(), item) {
			b.t.Errorf("%s is gone", item)
		}
	}
	b.exec(`REVOKE assent_sales_read FROM ana; ALTER ROLE assent_sales_read LOGIN; SET ROLE shop_owner; GRANT SELECT ON shop.log TO assent_sales_read`)
	out, _ = b.ends(exitFindings, "drift", "shop", "--foreign")
	holds(b.t, out, "missing  assent_sales_read for ana: it was there, and somebody took it away (", "altered  assent_sales_read: it has the attribute LOGIN",
		"foreign  assent_sales_read has SELECT on shop.shop.log, granted by shop_owner")
	b.exec(`SET ROLE shop_owner; REVOKE SELECT ON shop.log FROM assent_sales_read`)
	b.ok("reconcile", "--once")
}

// handsOver runs, as the grantor, what the program prints.
func (b *brown) handsOver() {
	out := b.ok("drift", "--handover")
	holds(b.t, out, `SET ROLE "shop_owner"; REVOKE SELECT ON TABLE "shop"."orders" FROM "ana"; -- covered by ana-sales-`,
		`REVOKE SELECT ("id") ON TABLE "shop"."people" FROM "Cyd.Long"`, `REVOKE DELETE ON TABLE "shop"."log" FROM "ben"`)
	lacks(b.t, out, "PUBLIC", "TRUNCATE", "evil", `FROM "analysts"`)
	b.exec(out)
	for login, want := range map[string]string{"ana": "1 7", "ben": "1 7"} { // ben by PUBLIC, ana by us too
		if got := b.ask(login, "SELECT * FROM shop.orders"); got != want {
			b.t.Errorf("%s reads %s, want %s", login, got, want)
		}
	}
	if got := b.ask("ana", "SELECT id FROM shop.people"); got != "1" {
		b.t.Errorf("after the hand-over ana reads %s", got)
	}
	var rep struct {
		Connections []struct {
			Drift   []any
			Foreign []struct{ Covered []any }
		}
	}
	if err := json.Unmarshal([]byte(b.ok("drift", "-o", "json")), &rep); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range rep.Connections[0].Foreign {
		if len(f.Covered) > 0 {
			b.t.Errorf("still there: %+v", f)
		}
	}
}

// discovers follows changes of the tables, by pull request.
func (b *brown) discovers() {
	b.git("reset", "-q", "--hard", "main")
	b.write("connections/shop.yaml", b.read("connections/shop.yaml")+"  discover:\n    exclude: [\"*.*.tmp_*\"]\n    tags:\n      - match: people.phone\n        tags: [pii.phone]\n")
	b.git("commit", "-q", "-am", "tag phones")
	b.exec(`SET ROLE shop_owner; ALTER TABLE shop.people ADD COLUMN phone text; ALTER TABLE shop.people ALTER COLUMN id TYPE bigint;
		CREATE TABLE shop.tmp_x (a int); CREATE TABLE shop."Odd name""; --" (a int); COMMENT ON COLUMN shop."Odd name""; --".a IS 'Mail. @tag pii.contact'; DROP TABLE shop.log`)
	out := b.ok("discover", "shop", "--propose", "--key", b.keys["kim"])
	holds(b.t, out, "changed  sources/shop/shop/shop/people.yaml\n         ~ id: integer → bigint\n         + phone text\n",
		"new      sources/shop/shop/shop/odd-name-", "gone     sources/shop/shop/shop/log.yaml (delete the file", "shop: 1 new, 1 changed, 1 gone, 3 in all", "opened discover-shop-")
	_, id, _ := strings.Cut(out, "opened ")
	id, _, _ = strings.Cut(id, "\n")
	if got := b.git("diff", "--name-only", "main", "request/"+id); strings.Count(got, "\n") != 1 {
		b.t.Errorf("the pull request changes %s", got)
	}
	holds(b.t, b.git("diff", "main", "request/"+id), "+        - new", "+        - pii.phone", "+        - pii.contact")
	if b.git("status", "--porcelain") != "" {
		b.t.Error("--propose changed the work tree")
	}
	holds(b.t, b.ok("discover", "shop", "--propose", "--key", b.keys["kim"]), "opened "+id) // the same again
	b.ok("discover", "shop")
	if got := b.git("status", "--porcelain"); strings.Count(got, "\n") != 1 {
		b.t.Errorf("the work tree has %s", got)
	}
	holds(b.t, b.ok("discover", "shop"), "shop: 0 new, 0 changed, 1 gone")
}
