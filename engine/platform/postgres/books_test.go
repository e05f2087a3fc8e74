package postgres

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// Whoever edits the books by hand, or drops them whole, gains nothing: what is
// so follows from the catalog, and the next round writes the books anew.
func TestBooksThatWereEditedByHand(t *testing.T) {
	cases := []struct {
		name string
		sql  []string
	}{
		{"a member is forgotten", []string{`DELETE FROM assent.member WHERE account = 'ann'`}},
		{"a member is invented", []string{`INSERT INTO assent.member (role, account, not_after, requests) VALUES ('assent_clear_read', 'eve', NULL, 'null')`}},
		{"an end is put off", []string{`UPDATE assent.member SET not_after = '2299-01-01'`}},
		{"a view is forgotten", []string{`DELETE FROM assent.view`}},
		{"a view's digest is changed", []string{`UPDATE assent.view SET def = 'x', text = 'y'`}},
		{"a role opens more on paper", []string{`UPDATE assent.role SET body = replace(body, '"people"', '"wages"')`}},
		{"a role is another on paper", []string{`UPDATE assent.role SET body = replace(body, '"clear"', '"other"')`}},
		{"a role is nothing on paper", []string{`UPDATE assent.role SET body = 'x'`}},
		{"reasons are nothing on paper", []string{`UPDATE assent.member SET requests = 'x'`}},
		{"a role is forgotten", []string{`DELETE FROM assent.role`}},
		{"all books are dropped", []string{`DROP SCHEMA assent CASCADE`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "eve")
			clear, masked := f.clearRole(), f.role("masked", f.object("people", seen("id"), starred("iban")))
			f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "ann"))
			mustExec(t, f.admin, c.sql...)
			for _, g := range f.observe().Ours.Grants {
				if g.Principal == "eve" {
					t.Error("eve is taken for a member")
				}
			}
			f.refused("eve", "shop.people", "id")
			f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "ann"), revoke(clear, "eve"))
			if d := f.diff([]*grant.Role{clear, masked}, []*grant.Grant{member(clear, "ann"), member(masked, "ann")}); d != "" {
				t.Errorf("after the repair (-want +got):\n%s", d)
			}
			f.refused("ann", "shop.people", "iban")
			f.ok(revoke(clear, "ann"))
			f.refused("ann", "shop.people", "id")
		})
	}
}

// A ledger position moved ahead by hand stops what gives, never what takes.
func TestPositionMovedAheadByHand(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	mustExec(t, f.admin, `UPDATE assent.meta SET mark_seq = 1000000`)
	if out, err := f.try(t.Context(), allow(clear, "bob")); platform.CodeOf(err) != platform.Behind {
		t.Errorf("%v, %v", statuses(out), err)
	}
	f.refused("bob", "shop.people", "id")
	f.ok(revoke(clear, "ann"))
	f.refused("ann", "shop.people", "id")
}

// A role of ours that somebody drops is missing and comes back with its people;
// one that becomes a superuser, or may bypass row security, is seen, cannot be
// mended by the engine, says so, and keeps nobody of another role waiting.
func TestRoleThatSomebodyDropsOrRaises(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "bob")
		clear, other := f.clearRole(), f.role("other", f.object("people", seen("id")))
		f.ok(provision(clear), provision(other), allow(clear, "ann"))
		f.asEngine(`REVOKE ALL ON shop.people FROM assent_clear_read`)
		mustExec(t, f.admin, `DROP ROLE assent_clear_read`)
		if d := f.diff([]*grant.Role{other}, nil); d != "" {
			t.Errorf("dropped (-want +got):\n%s", d)
		}
		f.ok(provision(clear), allow(clear, "ann"))
		f.reads("ann", clear, "id", "name")

		mustExec(t, f.admin, `ALTER ROLE assent_clear_read SUPERUSER`)
		if ours := f.observe().Ours; slices.ContainsFunc(ours.Roles, func(r grant.Role) bool { return sameRole(r, *clear) }) {
			t.Error("nothing is seen of it")
		}
		out := f.apply(provision(clear), allow(clear, "bob"), allow(other, "bob"))
		f.want(out, "failed/no-right", "failed/no-right", "applied")
		if out[0].Detail == "" {
			t.Error("no detail")
		}
		mustExec(t, f.admin, `ALTER ROLE assent_clear_read NOSUPERUSER`)
		f.ok(provision(clear), allow(clear, "bob"))
	})
}

// What another grantor gave to a role of ours is not taken back, and nobody is
// said to be out: the person who left our role reads on, and the role stays.
func TestGrantOfAnotherGrantorIsNotSaidRevoked(t *testing.T) {
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann", "dba")
		mustExec(t, f.owner, `GRANT SELECT ON shop.people TO dba WITH GRANT OPTION`)
		clear, narrow := f.clearRole(), f.role("clear", f.object("people", seen("id")))
		f.ok(provision(clear), allow(clear, "ann"))
		err := f.as(t.Context(), "dba", func(c *pgx.Conn) error {
			_, err := c.Exec(t.Context(), `GRANT SELECT ON shop.people TO assent_clear_read`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		f.apply(provision(narrow))
		shown := slices.ContainsFunc(f.observe().Foreign, func(x platform.Foreign) bool {
			return x.Principal == "assent_clear_read" && x.Grantor == "dba" && x.Privilege == "SELECT"
		})
		if !shown {
			t.Errorf("the grant is not shown: %v", f.observe().Foreign)
		}
		f.want(f.apply(retire(clear)), "failed/not-ours")
	})
}
