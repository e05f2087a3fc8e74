package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/platform"
)

func TestEffective(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob", "cyd", "dan", "eve")
	clear, masked := f.clearRole(), f.maskedRole()
	f.ok(provision(clear), provision(masked), allow(clear, "ann"), allow(masked, "ann"))
	f.must(`CREATE ROLE staff; CREATE ROLE inner_role; GRANT SELECT (name) ON shop.people TO inner_role; GRANT inner_role TO staff; GRANT staff TO bob;
		GRANT SELECT, UPDATE ON shop.* TO cyd; GRANT INSERT ON shop.people TO PUBLIC; GRANT SELECT ON *.* TO dan; CREATE DATABASE other; GRANT SELECT ON other.* TO eve`)
	lines := func(q platform.Question) []string {
		got, err := f.p.Effective(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, a := range got.Access {
			if a.Principal == "owner" || a.Principal == "admin" {
				continue
			}
			via := strings.ReplaceAll(strings.Join(a.Via, ">"), f.ask("SELECT name FROM assent.umbrellas")[0][0], "own")
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %v %v %v %s %s", a.Principal, strings.Join(a.Path, "."), a.Privileges, a.Columns, a.Masked, a.Origin, via)))
		}
		return out
	}
	want := []string{
		"PUBLIC shop.people [INSERT] [] [] public",
		"ann shop.people [SELECT] [id name] [] assent own>assent_clear_read",
		"ann shop.people [SELECT] [id name iban] [name iban] assent own>assent_masked_read",
		"bob shop.people [SELECT] [name] [] others staff>inner_role",
		"cyd shop.people [SELECT UPDATE] [] [] database",
		"dan shop.people [SELECT] [] [] database",
	}
	if d := cmp.Diff(want, lines(platform.Question{Path: []string{"shop", "people"}})); d != "" {
		t.Errorf("the table (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want[1:3], lines(platform.Question{Principal: "ann"})); d != "" {
		t.Errorf("ann (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"eve other [SELECT] [] [] database"}, lines(platform.Question{Path: []string{"other"}})); d != "" {
		t.Errorf("the other database (-want +got):\n%s", d)
	}
}
