package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform"
)

func (f *fixture) findings() (codes []string, refused bool) {
	f.t.Helper()
	_ = f.p.Close()
	f.reopen()
	found, err := f.p.SelfAudit(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, x := range found {
		codes = append(codes, x.Code)
		refused = refused || x.Refuse
		if x.Text == "" || x.Fix == "" {
			f.t.Errorf("%+v is incomplete", x)
		}
	}
	return codes, refused
}

func TestSelfAudit(t *testing.T) {
	tests := []struct {
		name, statements, after string
		want                    []string
		refuse                  bool
	}{
		{name: "as set up"},
		{name: "super", statements: "GRANT SUPER ON *.* TO engine", want: []string{"superuser"}, refuse: true},
		{name: "everything", statements: "GRANT ALL ON *.* TO engine WITH GRANT OPTION", want: []string{"superuser"}, refuse: true},
		{name: "reads everything", statements: "GRANT SELECT, FILE ON *.* TO engine", want: []string{"global-privilege", "global-privilege"}},
		{name: "lacks", statements: "REVOKE SET USER, CONNECTION ADMIN ON *.* FROM engine; DROP PROCEDURE assent.default_role", want: []string{"no-connection-admin", "no-set-user", "no-default-role"}},
		{name: "no events", statements: "SET GLOBAL event_scheduler = OFF", after: "SET GLOBAL event_scheduler = ON", want: []string{"no-events"}},
		{name: "a replica", statements: "SET GLOBAL read_only = ON", after: "SET GLOBAL read_only = OFF", want: []string{"read-only"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			if tt.statements != "" {
				f.must(tt.statements)
			}
			got, refused := f.findings()
			if tt.after != "" {
				f.must(tt.after)
			}
			if !slices.Equal(got, tt.want) || refused != tt.refuse {
				t.Errorf("found %q, refused %v", got, refused)
			}
		})
	}
}

// An engine that may do everything gives nothing, and takes away.
func TestSuperuserGivesNothingAndTakesAway(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	f.must("GRANT ALL ON *.* TO engine WITH GRANT OPTION")
	_ = f.p.Close()
	f.reopen()
	if _, err := f.try(t.Context(), allow(clear, "bob")); platform.CodeOf(err) != platform.TooBroad {
		t.Errorf("want engine-too-broad, got %v", err)
	}
	f.want(f.apply(revoke(clear, "ann")), "applied")
	f.refused("bob", "shop.people", "id")
}

func TestDescribe(t *testing.T) {
	f := newFixture(t)
	d, err := f.p.Describe(t.Context())
	if err != nil || !strings.HasPrefix(d.Product, "MariaDB 1") || d.Account != "engine@%" || d.TLS != "" {
		t.Errorf("%+v, %v", d, err)
	}
}
