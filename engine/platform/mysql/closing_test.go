package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// A table that a role must close, and the server does not let the engine close,
// holds nothing else up: the rest opens, people go, nobody joins, it shows as
// drift, and the outcome has the statement that is enough.
func TestTableThatTheEngineMayNotClose(t *testing.T) {
	hidden := hiddenAs("iban", resource.Mask{Type: resource.MaskNull})
	const lost = "REVOKE GRANT OPTION ON shop.vault FROM engine"
	for _, tt := range []struct {
		name, harm, mend string
		vault            []grant.Column // none: it left the product
		says             string
	}{
		{"it left the product", lost, "", nil, "REVOKE SELECT (`iban`, `id`) ON TABLE `shop`.`vault` FROM `ROLE`;"},
		{"the right is given back", lost, "GRANT SELECT ON shop.vault TO engine WITH GRANT OPTION", nil, "REVOKE SELECT (`iban`, `id`) ON TABLE `shop`.`vault` FROM `ROLE`;"},
		{"a column is masked now", lost, "", []grant.Column{seen("id"), hidden}, "REVOKE SELECT (`iban`, `id`) ON TABLE `shop`.`vault` FROM `ROLE`;"},
		{"a column left", lost, "", []grant.Column{seen("id")}, "REVOKE SELECT (`iban`, `id`) ON TABLE `shop`.`vault` FROM `ROLE`;"},
		{"somebody opened it", lost + "; GRANT SELECT, DELETE ON shop.vault TO `ROLE`", "GRANT SELECT, DELETE ON shop.vault TO engine WITH GRANT OPTION", nil, "REVOKE SELECT ON TABLE `shop`.`vault` FROM `ROLE`;"},
		{"somebody opened the database", "GRANT SELECT ON shop.* TO `ROLE`; " + lost, "", nil, "REVOKE SELECT ON `shop`.* FROM `ROLE`;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.accounts("ann", "bob", "cem")
			before := f.vaults("GRANT SELECT ON shop.vault TO engine WITH GRANT OPTION", seen("iban"), resource.Read)
			f.ok(provision(before), allow(before, "ann"), allow(before, "bob"))
			in := strings.NewReplacer("ROLE", before.RoleName())
			f.must(in.Replace(tt.harm))
			now := f.role("safe", f.object("people", seen("id"), seen("name"), seen("iban")))
			if tt.vault != nil {
				now.Objects = append(now.Objects, f.object("vault", tt.vault...))
			}
			other := f.role("other", f.object("people", seen("id")))
			says := in.Replace(tt.says)
			changes := []plan.Change{revoke(before, "bob"), provision(now), provision(other), allow(now, "cem"), allow(other, "cem")}
			shown, err := f.p.Preview(t.Context(), changes)
			if err != nil || tt.name != "somebody opened the database" && !slices.ContainsFunc(shown, func(s platform.Statement) bool {
				return strings.HasPrefix(s.Text, "-- ") && strings.Contains(s.Text, says)
			}) {
				t.Errorf("the plan does not say it: %v, %v", shown, err)
			}
			for n := range 2 { // it is tried and said in every round
				out := f.apply(changes...)
				f.want(out[1:], "failed/no-right", map[int]string{0: "applied", 1: "done"}[n], "failed/no-right", map[int]string{0: "applied", 1: "done"}[n])
				if out[0].Status == platform.Failed || !strings.Contains(out[1].Detail, says) || !strings.Contains(out[3].Detail, says) {
					t.Errorf("%v: %s; %s", statuses(out), out[1].Detail, out[3].Detail)
				}
				f.reads("ann", now, "id", "name", "iban") // its first object is people
				f.refused("bob", "shop.people", "name")
				f.refused("bob", "shop.vault", "id")
				f.refused("cem", "shop.people", "name")
				f.refused("cem", "shop.vault", "id")
				f.extra(now, "vault")
			}
			if tt.mend == "" {
				tt.mend = says
				if len(tt.vault) > 0 {
					tt.mend += " GRANT SELECT ON shop.vault TO engine WITH GRANT OPTION"
				}
			}
			if tt.name == "somebody opened the database" {
				tt.mend += in.Replace(" GRANT SELECT ON shop.vault TO engine WITH GRANT OPTION")
			}
			f.must(tt.mend)
			f.ok(provision(now), allow(now, "cem"))
			if d := f.diff([]*grant.Role{other, now}, []*grant.Grant{member(other, "cem"), member(now, "ann"), member(now, "cem")}); d != "" {
				t.Error(d)
			}
		})
	}
}

// extra requires that a role is seen to be other than this one.
func (f *fixture) extra(r *grant.Role, table string) {
	f.t.Helper()
	for _, o := range f.observe().Ours.Roles {
		if o.RoleKey == r.RoleKey && !sameRole(o, *r) {
			return
		}
	}
	f.t.Errorf("%s of %s is believed to be closed", table, r.RoleName())
}

// A retired role is gone whatever the engine may still take back: what only the
// owner of the views holds on to is said.
func TestRetiredRoleWhoseTableTheEngineMayNotClose(t *testing.T) {
	f := newFixture(t)
	f.accounts("ann")
	r := f.vaults("GRANT SELECT ON shop.vault TO engine WITH GRANT OPTION", hiddenAs("iban", resource.Mask{Type: resource.MaskNull}), resource.Read)
	f.ok(provision(r), allow(r, "ann"))
	f.must("REVOKE GRANT OPTION ON shop.vault FROM engine")
	out := f.apply(retire(r))
	f.want(out, "applied")
	if !strings.Contains(out[0].Detail, "run REVOKE SELECT (`id`) ON TABLE `shop`.`vault` FROM ") {
		t.Error(out[0].Detail)
	}
	if d := f.diff(nil, nil); d != "" {
		t.Error(d)
	}
	f.refused("ann", "shop.people", "name")
}
