package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/resource"
)

// effectivePlace has a table that people reach in every way there is: dora,
// mara and vera through Assent, and the others without it.
func effectivePlace(t *testing.T) (*place, *Postgres) {
	t.Helper()
	h := newPlace(t)
	ctx := t.Context()
	for _, a := range []string{"dora", "mara", "gus", "olga", "rita", "nina", "vera", "wim", "boss", "zoe"} {
		if err := h.CreateAccount(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []string{"people", "open"} {
		err := h.CreateTable(ctx, platformtest.Table{Name: n, Columns: []string{"id", "iban"}, Rows: [][]string{{"1", "NO1"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := h.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	key := func(name string) grant.RoleKey {
		return grant.RoleKey{Connection: "warehouse", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(name)}, Access: resource.Read, Profile: grant.DefaultProfile}
	}
	path := []string{h.db, "shop", "people"}
	mask := &resource.Mask{Type: resource.MaskNull}
	clear := grant.Role{RoleKey: key("clear"), Objects: []grant.Object{{Path: path, Kind: "table", Columns: []grant.Column{{Name: "id"}, {Name: "iban"}}}}}
	masked := grant.Role{RoleKey: key("masked"), Objects: []grant.Object{{Path: path, Kind: "table", Columns: []grant.Column{{Name: "id"}, {Name: "iban", Mask: mask}}}}}
	var changes []plan.Change
	for _, r := range []grant.Role{clear, masked} {
		changes = append(changes, plan.Change{Action: plan.Provision, Role: &r})
	}
	for account, r := range map[string]grant.RoleKey{"dora": clear.RoleKey, "mara": masked.RoleKey} {
		changes = append(changes, plan.Change{Action: plan.Allow, Grant: &grant.Grant{RoleKey: r, Principal: account}})
	}
	out, err := p.Apply(ctx, platform.Batch{Changes: changes, Mark: platform.Mark{Seq: 1, Digest: "sha256:1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Status != platform.Applied {
			t.Fatalf("%s: %s %s", o.Change.Action, o.Status, o.Detail)
		}
	}
	mustExec(t, h.owner,
		"GRANT SELECT (id) ON shop.people TO gus",
		"GRANT SELECT ON shop.open TO PUBLIC",
		"CREATE VIEW shop.peek AS SELECT iban FROM shop.people", "GRANT SELECT ON shop.peek TO vera",
	)
	mustExec(t, h.admin,
		"CREATE ROLE analysts NOLOGIN", "CREATE ROLE seniors NOLOGIN", "GRANT analysts TO seniors", "GRANT seniors TO rita",
		"GRANT SELECT ON shop.people TO analysts",
		"CREATE ROLE dormant NOLOGIN", "GRANT SELECT, UPDATE ON shop.people TO dormant", "ALTER ROLE nina NOINHERIT", grantTo(h, "dormant", "nina"),
		"GRANT pg_read_all_data TO wim", "GRANT "+owner(h)+" TO olga", "ALTER ROLE boss SUPERUSER",
		"CREATE SCHEMA closed", "CREATE TABLE closed.secret (id int)", "GRANT SELECT ON closed.secret TO zoe",
	)
	return h, p
}

func owner(h *place) string { return "owner" + strings.TrimPrefix(h.db, "db") }

// grantTo puts a member into a role that he has to SET ROLE to.
func grantTo(h *place, role, member string) string {
	var version int
	_ = h.admin.QueryRow(h.t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&version)
	if version >= 160000 {
		return "GRANT " + role + " TO " + member + " WITH INHERIT FALSE, SET TRUE"
	}
	return "GRANT " + role + " TO " + member
}

func ask(t *testing.T, p *Postgres, q platform.Question) []string {
	t.Helper()
	e, err := p.Effective(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range e.Access {
		if a.Principal == "admin" {
			continue // the administrator of the private server
		}
		line := fmt.Sprintf("%s %s %s by %s", a.Principal, strings.Join(a.Path[1:], "."), strings.Join(a.Privileges, "+"), a.Origin)
		if a.Columns != nil {
			line += " columns " + strings.Join(a.Columns, ",")
		}
		if a.Masked != nil {
			line += " masked " + strings.Join(a.Masked, ",")
		}
		if len(a.Via) > 0 {
			line += " via " + strings.Join(a.Via, " > ")
		}
		out = append(out, line)
	}
	return out
}

func TestEffectiveNamesEveryWay(t *testing.T) {
	h, p := effectivePlace(t)
	want := []string{
		"boss shop.people ALL by superuser",
		"dora shop.people SELECT by assent columns id,iban via assent_clear_read",
		"gus shop.people SELECT by others columns id",
		"mara shop.people SELECT by assent columns id,iban masked iban via assent_masked_read",
		"nina shop.people SELECT+UPDATE by others via dormant (by SET ROLE)",
		"olga shop.people ALL by owner via " + owner(h),
		owner(h) + " shop.people ALL by owner",
		"rita shop.people SELECT by others via seniors > analysts",
		"vera shop.people SELECT by others via view shop.peek",
		"wim shop.people SELECT by predefined via pg_read_all_data",
	}
	got := ask(t, p, platform.Question{Path: []string{h.db, "shop", "people"}})
	got = slices.DeleteFunc(got, func(l string) bool { return strings.HasSuffix(l, "view shop.peek") && !strings.HasPrefix(l, "vera") })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who reads the table (-want +got):\n%s", diff)
	}
}

func TestEffectiveOfOnePrincipal(t *testing.T) {
	h, p := effectivePlace(t)
	for who, want := range map[string][]string{
		"zoe":  {"zoe shop.open SELECT by public"}, // closed.secret is shut: she may not use its schema
		"gus":  {"gus shop.open SELECT by public", "gus shop.people SELECT by others columns id"},
		"dora": {"dora shop.open SELECT by public", "dora shop.people SELECT by assent columns id,iban via assent_clear_read"},
	} {
		if diff := cmp.Diff(want, ask(t, p, platform.Question{Principal: who})); diff != "" {
			t.Errorf("what %s reads (-want +got):\n%s", who, diff)
		}
	}
	got := ask(t, p, platform.Question{Path: []string{h.db, "shop", "open"}, Principal: "zoe"})
	if diff := cmp.Diff([]string{"zoe shop.open SELECT by public"}, got); diff != "" {
		t.Errorf("zoe on one table (-want +got):\n%s", diff)
	}
}

// The server itself is asked, table by table and login by login, who may read a
// column; whoever may must be in the answer, and nobody else by a way that
// needs no SET ROLE and no view.
func TestEffectiveAgreesWithTheServer(t *testing.T) {
	h, p := effectivePlace(t)
	rows, err := h.admin.Query(t.Context(), `
		SELECT r.rolname || ' ' || n.nspname || '.' || c.relname
		FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE r.rolcanlogin AND r.rolname !~ '^engine' AND c.relkind IN ('r', 'v') AND n.nspname IN ('shop', 'closed')
		  AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_any_column_privilege(r.oid, c.oid, 'SELECT') ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Effective(t.Context(), platform.Question{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	public := map[string]bool{}
	for _, a := range e.Access {
		at := strings.Join(a.Path[1:], ".")
		switch {
		case a.Principal == everybody:
			public[at] = true
		case a.Masked == nil && !slices.ContainsFunc(a.Via, func(v string) bool { return strings.HasSuffix(v, bySetRole) || strings.HasPrefix(v, "view ") }):
			got = append(got, a.Principal+" "+at)
		}
	}
	want = slices.DeleteFunc(want, func(l string) bool { _, at, _ := strings.Cut(l, " "); return public[at] })
	got = slices.DeleteFunc(got, func(l string) bool { _, at, _ := strings.Cut(l, " "); return public[at] })
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("who reads without detours (-server +answer):\n%s", diff)
	}
}
