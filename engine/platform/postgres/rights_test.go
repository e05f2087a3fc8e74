package postgres

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// withheld requires that a provision ended without the right to do all of it,
// that its detail has these statements and no others, and that people join.
func (f *fixture) withheld(out []platform.Outcome, statements ...string) {
	f.t.Helper()
	for _, o := range out {
		switch {
		case o.Change.Action != plan.Provision:
			f.want([]platform.Outcome{o}, map[bool]string{true: "done", false: "applied"}[o.Status == platform.Done])
		case o.Status != platform.Failed || o.Code != platform.NoRight || !strings.HasSuffix(o.Detail, " run "+strings.Join(statements, " ")):
			f.t.Errorf("the provision ended %s/%s: %s\nwant the statements %s", o.Status, o.Code, o.Detail, strings.Join(statements, " "))
		}
	}
}

// What the engine may not pass on is left out, with the exact statements for
// its owner to run; these are enough, on every version.
func TestObjectsThatTheEngineMayNotOpen(t *testing.T) {
	tests := []struct {
		name string
		harm []string
		role func(f *fixture) *grant.Role
		says []string // ENGINE stands for the account
	}{
		{
			"nothing granted", []string{`REVOKE ALL ON shop.vault FROM ENGINE CASCADE`}, (*fixture).vault,
			[]string{`GRANT SELECT ON "shop"."vault" TO "ENGINE" WITH GRANT OPTION;`},
		}, {
			"granted without the option", []string{`REVOKE GRANT OPTION FOR ALL ON shop.vault FROM ENGINE CASCADE`}, (*fixture).vault,
			[]string{`GRANT SELECT ON "shop"."vault" TO "ENGINE" WITH GRANT OPTION;`},
		}, {
			"some columns", []string{`REVOKE ALL ON shop.vault FROM ENGINE CASCADE`, `GRANT SELECT (id) ON shop.vault TO ENGINE WITH GRANT OPTION`}, (*fixture).vault,
			[]string{`GRANT SELECT ("iban") ON "shop"."vault" TO "ENGINE" WITH GRANT OPTION;`},
		}, {
			"a view reads it", []string{`REVOKE ALL ON shop.vault FROM ENGINE CASCADE`, `GRANT SELECT (iban) ON shop.vault TO ENGINE WITH GRANT OPTION`},
			func(f *fixture) *grant.Role {
				return f.vaultWith(hiddenAs("iban", resource.Mask{Type: resource.MaskNull}))
			},
			[]string{`GRANT SELECT ("id") ON "shop"."vault" TO "ENGINE" WITH GRANT OPTION;`},
		}, {
			"to write", []string{`REVOKE INSERT, DELETE ON shop.vault FROM ENGINE CASCADE`},
			func(f *fixture) *grant.Role {
				r := f.vault()
				r.Access = resource.Write
				return r
			},
			[]string{`GRANT INSERT, DELETE ON "shop"."vault" TO "ENGINE" WITH GRANT OPTION;`},
		}, {
			"the schema", []string{`REVOKE ALL ON vaults."Gold" FROM ENGINE CASCADE`, `REVOKE ALL ON SCHEMA vaults FROM ENGINE CASCADE`},
			(*fixture).gold,
			[]string{`GRANT USAGE ON SCHEMA "vaults" TO "ENGINE" WITH GRANT OPTION;`, `GRANT SELECT ON "vaults"."Gold" TO "ENGINE" WITH GRANT OPTION;`},
		}, {
			"the option on the schema", []string{`REVOKE GRANT OPTION FOR USAGE ON SCHEMA vaults FROM ENGINE CASCADE`}, (*fixture).gold,
			[]string{`GRANT USAGE ON SCHEMA "vaults" TO "ENGINE" WITH GRANT OPTION;`},
		},
	}
	eachVersion(t, func(t *testing.T, s *Private) {
		f := newFixtureOn(t, s)
		f.people("ann")
		engine := "engine" + f.db[2:]
		in := strings.NewReplacer("ENGINE", engine)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				f.t = t
				mustExec(t, f.owner, `CREATE TABLE shop.vault (id text, iban text)`, `INSERT INTO shop.vault VALUES ('1', 'NO93')`)
				mustExec(t, f.admin, `CREATE SCHEMA vaults`, `CREATE TABLE vaults."Gold" AS TABLE shop.vault`,
					`GRANT USAGE ON SCHEMA vaults TO `+engine+` WITH GRANT OPTION`, `GRANT SELECT ON vaults."Gold" TO `+engine+` WITH GRANT OPTION`)
				mustExec(t, f.admin, in.Replace(strings.Join(tt.harm, ";")))
				r := tt.role(f)
				a := allow(r, "ann")
				var want []string
				for _, text := range tt.says {
					want = append(want, in.Replace(text))
				}
				for range 2 { // it is said in every round
					shown, err := f.p.Preview(t.Context(), []plan.Change{provision(r), a})
					if err != nil || !said(shown, want) {
						t.Errorf("the plan does not say it: %v, %v", shown, err)
					}
					f.withheld(f.apply(provision(r), a), want...)
					f.reads("ann", r, "id", "name") // its first object is people
					_, err = f.Select(t.Context(), "ann", f.p.Address(r.RoleKey, r.Objects[1]), "id")
					if err == nil {
						t.Error("ann reads what was withheld")
					}
					if d := f.diff([]*grant.Role{r}, []*grant.Grant{member(r, "ann")}); d == "" {
						t.Error("the table is believed to be open")
					}
				}
				mustExec(t, f.admin, want...)
				f.ok(provision(r), a)
				if _, err := f.Select(t.Context(), "ann", f.p.Address(r.RoleKey, r.Objects[1]), "id"); err != nil {
					t.Errorf("after the statements: %v", err)
				}
				f.ok(retire(r))
				mustExec(t, f.admin, `DROP SCHEMA vaults CASCADE`, `DROP TABLE shop.vault`)
			})
		}
		f.t = t
	})
}

func said(shown []platform.Statement, statements []string) bool {
	for _, s := range shown {
		if strings.HasPrefix(s.Text, "-- ") && strings.HasSuffix(s.Text, strings.Join(statements, " ")) {
			return true
		}
	}
	return false
}

func (f *fixture) vault() *grant.Role { return f.vaultWith(seen("iban")) }

func (f *fixture) vaultWith(iban grant.Column) *grant.Role {
	return f.role("safe", f.object("people", seen("id"), seen("name")), f.object("vault", seen("id"), iban))
}

func (f *fixture) gold() *grant.Role {
	r := f.vault()
	r.Objects[1].Path = []string{f.db, "vaults", "Gold"}
	return r
}

// A level holds many tables: all that their owners have to run is said at once,
// up to a bound.
func TestManyObjectsThatTheEngineMayNotOpen(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	objects := []grant.Object{f.object("people", seen("id"))}
	for i := range maxListed + 2 {
		name := "v" + string(rune('a'+i))
		mustExec(t, f.admin, `CREATE TABLE shop.`+name+` (id text)`, `REVOKE ALL ON shop.`+name+` FROM engine`+f.db[2:])
		objects = append(objects, f.object(name, seen("id")))
	}
	r := f.role("safe", objects...)
	out := f.apply(provision(r), allow(r, "ann"))
	f.want(out, "failed/no-right", "applied")
	if d := out[0].Detail; strings.Count(d, "WITH GRANT OPTION;") != maxListed || !strings.Contains(d, "and 11 more to others") || !strings.HasSuffix(d, " and 2 more of the kind") {
		t.Error(d)
	}
	f.reads("ann", f.role("safe", objects[0]), "id")
}

// A right that the engine has through a role that it is in, it passes on.
func TestRightsThroughARole(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "stewards")
	n := f.db[2:]
	mustExec(t, f.admin, `REVOKE ALL ON shop.people FROM engine`+n, `GRANT SELECT ON shop.people TO stewards WITH GRANT OPTION`, `GRANT stewards TO engine`+n)
	r := f.role("safe", f.object("people", seen("id"), seen("name")))
	f.ok(provision(r), allow(r, "ann"))
	f.reads("ann", r, "id", "name")
}

// A right that is taken between the reading and the grant, which then only
// warns, is a failure and no access.
func TestGrantThatOnlyWarned(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.ok(provision(f.role("before", f.object("people", seen("id"))))) // so that the books are there
	clear := f.clearRole()
	ran := f.meanwhile(f.owner, "ON TABLE "+ident("shop", "people"), `REVOKE GRANT OPTION FOR SELECT ON shop.people FROM engine`+f.db[2:]+` CASCADE`)
	out := f.apply(provision(clear), allow(clear, "ann"))
	if !*ran || out[0].Status != platform.Failed || out[0].Code != platform.NoRight {
		t.Errorf("it ran: %v; %+v", *ran, out[0])
	}
	f.refused("ann", "shop.people", "name")
}
