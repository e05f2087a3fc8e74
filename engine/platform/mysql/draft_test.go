package mysql

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// masksOfAll is a table with a column for each way of hiding one, and its role.
func (f *fixture) masksOfAll(product string) *grant.Role {
	f.t.Helper()
	f.must("CREATE TABLE shop.wide (id int PRIMARY KEY, gone int unsigned, code varchar(20), price decimal(10,2), born date, at timestamp NULL," +
		" day datetime, iban text, raw varbinary(8), mail text, name char(12), level enum('a','b'), note text)")
	return f.role(product, f.object("wide",
		seen("id"),
		hiddenAs("gone", resource.Mask{Type: resource.MaskNull}),
		hiddenAs("code", resource.Mask{Type: resource.MaskConstant, Value: "x'y`"}),
		hiddenAs("price", resource.Mask{Type: resource.MaskRound, Digits: -1}),
		hiddenAs("born", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitYear}),
		hiddenAs("at", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitHour}),
		hiddenAs("day", resource.Mask{Type: resource.MaskTruncate, Unit: resource.UnitMonth}),
		hiddenAs("iban", resource.Mask{Type: resource.MaskHash}),
		hiddenAs("raw", resource.Mask{Type: resource.MaskHash}),
		hiddenAs("mail", resource.Mask{Type: resource.MaskRegex, Pattern: "[^@]+@", Replacement: "…@"}),
		hiddenAs("name", resource.Mask{Type: resource.MaskPartial, KeepFirst: 1, KeepLast: 1}),
		hiddenAs("level", resource.Mask{Type: resource.MaskPartial}),
		seen("note"),
	))
}

func (f *fixture) sources() []platform.Source {
	f.t.Helper()
	var out []platform.Source
	for s, err := range f.p.Discover(f.t.Context()) {
		if err != nil {
			f.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// traced are the statements that an Apply of the changes runs.
func (f *fixture) traced(changes ...plan.Change) []string {
	f.t.Helper()
	var ran []string
	f.p.before = func(_ context.Context, sql string) error {
		if !strings.HasPrefix(sql, "UPDATE assent.meta SET mark_seq") && !strings.HasPrefix(sql, "UPDATE assent.meta SET epoch") {
			ran = append(ran, sql)
		}
		return nil
	}
	f.ok(changes...)
	f.p.before = nil
	server := literal(f.observe().ServerID)
	for i, sql := range ran {
		ran[i] = unsaid(strings.ReplaceAll(sql, server, literal(draftServer)))
	}
	return ran
}

var births = regexp.MustCompile(`"(created|seen)":"[^"]*",?|"id":[0-9]+,?`)

// unsaid leaves out of a statement what no file says, and the books alone hold:
// when each table was made.
func unsaid(sql string) string {
	if strings.HasPrefix(sql, "INSERT INTO assent.roles") {
		return births.ReplaceAllString(sql, "")
	}
	return sql
}

func (f *fixture) draft(changes ...plan.Change) (statements, remarks []string) {
	f.t.Helper()
	list, err := (&MySQL{}).Draft(f.t.Context(), platform.Draft{Connection: f.Connection(), Changes: changes, Sources: f.sources()})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, s := range list {
		switch {
		case s.Why == "":
			f.t.Errorf("%s: no reason given", s.Text)
		case s.IsRemark():
			remarks = append(remarks, s.Text)
		default:
			statements = append(statements, unsaid(s.Text))
		}
	}
	return statements, remarks
}

// What is drafted from the files is what Apply runs on an empty server, to the letter.
func TestDraftIsWhatApplyRuns(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	masked, clear := f.masksOfAll("masks"), f.clearRole()
	writes := f.role("writes", f.object("people", seen("id"), seen("name"), seen("iban")), f.object("wide", seen("id"), seen("note")))
	writes.Access = resource.Write
	forever := allow(writes, "bob@%")
	forever.Grant.NotAfter = time.Time{}
	changes := []plan.Change{provision(masked), provision(clear), provision(writes), allow(masked, "ann"), allow(clear, "ann"), allow(clear, "bob"), forever}
	drafted, remarks := f.draft(changes...)
	if diff := cmp.Diff(f.traced(changes...), drafted); diff != "" {
		t.Errorf("apply and draft differ (-apply +draft):\n%s", diff)
	}
	if len(remarks) != 2 {
		t.Errorf("remarks are %q", remarks)
	}
}

// Where the role is there already, who joins it is among what is drafted.
func TestDraftForARoleThatIsThere(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	clear := f.clearRole()
	f.ok(provision(clear), allow(clear, "ann"))
	whole, _ := f.draft(provision(clear), allow(clear, "bob"))
	only, _ := f.draft(allow(clear, "bob"))
	ran := f.traced(provision(clear), allow(clear, "bob"))
	if !strings.Contains(strings.Join(ran, "\n"), "GRANT `assent_clear_read` TO `assent_account_bob") {
		t.Fatalf("apply ran %q", ran)
	}
	for _, text := range ran {
		if !strings.Contains(strings.Join(whole, "\n"), text) {
			t.Errorf("%s is not drafted", text)
		}
	}
	if diff := cmp.Diff(ran, only); diff != "" {
		t.Errorf("who joins alone (-apply +draft):\n%s", diff)
	}
}

// Who leaves and what goes is drafted as well, such as at a masking exception.
func TestDraftOfWhatGoes(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	old, next := f.maskedRole(), f.clearRole()
	f.ok(provision(old), allow(old, "ann"))
	left, gone := revoke(old, "ann"), retire(old)
	left.PriorGrant, gone.PriorRole = left.Grant, gone.Role
	changes := []plan.Change{left, gone, provision(next), allow(next, "ann")}
	drafted, _ := f.draft(changes...)
	if diff := cmp.Diff(f.traced(changes...), drafted); diff != "" {
		t.Errorf("apply and draft differ (-apply +draft):\n%s", diff)
	}
}

// A mask of a column whose type no file says is named, and not made up.
func TestDraftWithoutTypes(t *testing.T) {
	role := &grant.Role{RoleKey: grant.RoleKey{
		Connection: "wh", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: "p"}, Access: resource.Read, Profile: grant.DefaultProfile,
	}}
	var sources []platform.Source
	for table, typ := range map[string]string{"a": "int(11)", "b": "geometry", "c\nDROP": ""} {
		path := []string{"shop", table}
		role.Objects = append(role.Objects, grant.Object{Path: path, Kind: "table", Columns: []grant.Column{seen("id"), hiddenAs("v", resource.Mask{Type: resource.MaskNull})}})
		sources = append(sources, platform.Source{Path: path, Columns: []resource.Column{{Name: "id"}, {Name: "v", Type: typ}}})
	}
	list, err := (&MySQL{}).Draft(t.Context(), platform.Draft{Connection: "wh", Changes: []plan.Change{provision(role)}, Sources: sources})
	if err != nil {
		t.Fatal(err)
	}
	var statements, remarks strings.Builder
	for _, s := range list {
		into := &statements
		if s.IsRemark() {
			into = &remarks
		}
		into.WriteString(s.Text + "\n")
	}
	if all := statements.String(); !strings.Contains(all, "CAST(NULL AS SIGNED) AS `v` FROM `shop`.`a`") || strings.Contains(all, "`shop`.`b`") || strings.Contains(all, "DROP") {
		t.Errorf("statements:\n%s", all)
	}
	for _, want := range []string{"shop.b has no statement here", "says geometry", "shop.c DROP has no statement here", "says none"} {
		if !strings.Contains(remarks.String(), want) {
			t.Errorf("no %q in:\n%s", want, remarks.String())
		}
	}
}
