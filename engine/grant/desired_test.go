package grant_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const head = "apiVersion: assent.dev/v1\n"

// world is a small repository: two products over three tables on two
// connections, four people, one of them gone.
func world() map[string]string {
	user := func(name, more string) string {
		return head + "kind: User\nmetadata: {name: " + name + "}\nspec:\n  email: " + name + "@example.com\n" + more
	}
	source := func(connection, table, columns string) string {
		return head + "kind: DataSource\nmetadata: {name: " + table + "}\nspec:\n  connection: " + connection + "\n  path: [shop, public, " + table + "]\n  kind: table\n  columns:\n" + columns
	}
	return map[string]string{
		"assent.yaml":                                  head + "kind: Repository\nmetadata: {name: acme}\nspec: {id: acme-1, forge: local}\n",
		"directory/users/ana.yaml":                     user("ana", ""),
		"directory/users/ben.yaml":                     user("ben", "  accounts: {lake: ben-on-lake}\n"),
		"directory/users/cal.yaml":                     user("cal", "  validUntil: \"2026-11-24\"\n"),
		"directory/users/dan.yaml":                     user("dan", "  state: left\n"),
		"directory/groups/team.yaml":                   head + "kind: Group\nmetadata: {name: team}\nspec:\n  members: [{user: ana}, {user: ben}]\n",
		"connections/warehouse.yaml":                   head + "kind: Connection\nmetadata: {name: warehouse}\nspec: {platform: sandbox, mode: enforce, accounts: {template: \"{name}\"}}\n",
		"connections/lake.yaml":                        head + "kind: Connection\nmetadata: {name: lake}\nspec: {platform: sandbox, mode: enforce}\n",
		"domains/sales.yaml":                           head + "kind: Domain\nmetadata: {name: sales}\nspec: {owner: ana}\n",
		"products/orders.yaml":                         head + "kind: DataProduct\nmetadata: {name: orders}\nspec:\n  domain: sales\n  sources: [{source: warehouse/shop/public/customers}, {source: warehouse/shop/public/orders}]\n",
		"products/events.yaml":                         head + "kind: DataProduct\nmetadata: {name: events}\nspec:\n  domain: sales\n  sources: [{source: lake/shop/public/events}]\n",
		"masking/mail.yaml":                            head + "kind: MaskingPolicy\nmetadata: {name: mail}\nspec: {match: {tags: [pii.mail]}, mask: {type: \"null\"}}\n",
		"masking/tax.yaml":                             head + "kind: MaskingPolicy\nmetadata: {name: tax}\nspec: {match: {tags: [pii.tax]}, mask: {type: hash}, guardrail: true}\n",
		"sources/warehouse/shop/public/customers.yaml": source("warehouse", "customers", "    - {name: id}\n    - {name: mail, tags: [pii.mail]}\n    - {name: tax, tags: [pii.tax]}\n"),
		"sources/warehouse/shop/public/orders.yaml":    source("warehouse", "orders", "    - {name: id}\n    - {name: total}\n"),
		"sources/lake/shop/public/events.yaml":         source("lake", "events", "    - {name: at}\n"),
	}
}

type ask struct {
	name, target, people, more string
}

// file is the request file of an ask.
func (a ask) file() (string, string) {
	kind := "data-access"
	if strings.Contains(a.more, "columns") && strings.Contains(a.more, "unmask") {
		kind = "masking-exception"
	}
	more := strings.ReplaceAll(a.more, "unmask ", "")
	folder := "x"
	if product, ok := strings.CutPrefix(a.target, "{product: "); ok {
		folder = strings.TrimSuffix(product, "}")
	}
	return "requests/" + folder + "/" + a.name + ".yaml", head + "kind: AccessRequest\nmetadata: {name: " + a.name + "}\nspec:\n  type: " + kind +
		"\n  target: " + a.target + "\n  requester: ana\n  beneficiaries: " + a.people + "\n  duration: 90d\n" + more +
		"  form: {name: standard, digest: \"sha256:" + strings.Repeat("0", 64) + "\"}\n"
}

func load(t testing.TB, files map[string]string) *resource.Set {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	s, err := repo.LoadDir(t.Context(), fsys)
	if err != nil {
		t.Fatal(err)
	}
	if s.Problems.HasErrors() {
		t.Fatalf("fixture: %v", s.Problems)
	}
	return s.Set
}

// approve approves every request of the set as it is, for a month around now.
func approve(set *resource.Set) grant.Determinations {
	out := grant.Determinations{}
	for r := range resource.Of[*resource.AccessRequest](set) {
		out[r.Ref().Name] = grant.Approval{Request: r.Ref().Name, ContentDigest: r.Digest(), Until: now.AddDate(0, 0, 15), Seq: 7}
	}
	return out
}

func lines(w grant.Wish) (grants, prevented []string) {
	for _, g := range w.Grants {
		var requests []string
		for _, r := range g.Requests {
			requests = append(requests, string(r.Name))
		}
		end := "no end"
		if !g.NotAfter.IsZero() {
			end = g.NotAfter.Format(time.DateOnly)
		}
		grants = append(grants, fmt.Sprintf("%s %s until %s by %s", g.Principal, g.RoleName(), end, strings.Join(requests, "+")))
	}
	for _, p := range w.Prevented {
		prevented = append(prevented, string(p.Request)+" "+p.State)
	}
	return grants, prevented
}

func TestDesired(t *testing.T) {
	tests := []struct {
		name      string
		asks      []ask
		change    func(files map[string]string)
		approvals func(grant.Determinations)
		want      []string
		prevented []string
	}{
		{name: "nobody asked"},
		{name: "approved", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}}, want: []string{"ana assent_orders_read until 2026-12-09 by a"}},
		{name: "not approved", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}}, approvals: func(d grant.Determinations) { delete(d, "a") }},
		{
			name: "another file than the approved one", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) {
				edit(d, "a", func(a *grant.Approval) { a.ContentDigest = "sha256:other" })
			},
			prevented: []string{"a edited"},
		},
		{
			name: "not yet", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) {
				edit(d, "a", func(a *grant.Approval) { a.NotBefore = now.Add(time.Second) })
			},
			prevented: []string{"a waiting"},
		},
		{
			name: "from this second on", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) { edit(d, "a", func(a *grant.Approval) { a.NotBefore = now }) },
			want:      []string{"ana assent_orders_read until 2026-12-09 by a"},
		},
		{
			name: "over to the second", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) { edit(d, "a", func(a *grant.Approval) { a.Until = now }) },
			prevented: []string{"a expired"},
		},
		{
			name: "no end", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) { edit(d, "a", func(a *grant.Approval) { a.Until = time.Time{} }) },
			want:      []string{"ana assent_orders_read until no end by a"},
		},
		{
			name: "two approvals: the later end, one grant", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}, {"b", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) { edit(d, "a", func(a *grant.Approval) { a.Until = now.AddDate(0, 0, 1) }) },
			want:      []string{"ana assent_orders_read until 2026-12-09 by a+b"},
		},
		{
			name: "two approvals, one without an end", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}, {"b", "{product: orders}", "[{user: ana}]", ""}},
			approvals: func(d grant.Determinations) { edit(d, "b", func(a *grant.Approval) { a.Until = time.Time{} }) },
			want:      []string{"ana assent_orders_read until no end by a+b"},
		},
		{
			name: "a group, by its members now", asks: []ask{{"a", "{product: orders}", "[{group: team}]", ""}},
			want: []string{"ana assent_orders_read until 2026-12-09 by a", "ben assent_orders_read until 2026-12-09 by a"},
		},
		{name: "who left", asks: []ask{{"a", "{product: orders}", "[{user: dan}]", ""}}, prevented: []string{"a left"}},
		{name: "whose time is over today", asks: []ask{{"a", "{product: orders}", "[{user: cal}]", ""}}, prevented: []string{"a left"}},
		{
			name: "no account there", asks: []ask{{"a", "{product: events}", "[{group: team}]", ""}},
			want: []string{"ben-on-lake assent_events_read until 2026-12-09 by a"}, prevented: []string{"a unmapped"},
		},
		{
			name: "suspended", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			change:    func(f map[string]string) { f["products/orders.yaml"] += "  state: suspended\n" },
			prevented: []string{"a suspended"},
		},
		{
			name: "connection only observed", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			change: func(f map[string]string) {
				f["connections/warehouse.yaml"] = strings.Replace(f["connections/warehouse.yaml"], "enforce", "observe", 1)
			},
			prevented: []string{"a observed"},
		},
		{name: "no such product", asks: []ask{{"a", "{product: gone}", "[{user: ana}]", ""}}, prevented: []string{"a missing"}},
		{name: "one source", asks: []ask{{"a", "{source: warehouse/shop/public/orders}", "[{user: ana}]", ""}}, want: []string{"ana " + sourceRole("warehouse/shop/public/orders") + " until 2026-12-09 by a"}},
		{
			name: "everything below a schema", asks: []ask{{"a", "{path: warehouse/shop/public}", "[{user: ana}]", ""}},
			want: []string{"ana " + levelRole("warehouse/shop/public") + " until 2026-12-09 by a"},
		},
		{
			name: "an exception alone gives nothing", asks: []ask{{"m", "{product: orders}", "[{user: ana}]", "unmask   columns: [mail]\n"}},
		},
		{
			name: "a guardrail stays", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}, {"m", "{product: orders}", "[{user: ana}]", "unmask   columns: [tax]\n"}},
			want: []string{"ana assent_orders_read until 2026-12-09 by a"}, prevented: []string{"m prevented"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := world()
			for _, a := range tt.asks {
				name, text := a.file()
				files[name] = text
			}
			if tt.change != nil {
				tt.change(files)
			}
			set := load(t, files)
			determinations := approve(set)
			if tt.approvals != nil {
				tt.approvals(determinations)
			}
			grants, prevented := lines(grant.Desired(set, determinations, now))
			if diff := cmp.Diff(tt.want, grants); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.prevented, prevented); diff != "" {
				t.Errorf("prevented (-want +got):\n%s", diff)
			}
		})
	}
}

func edit(d grant.Determinations, name resource.Name, change func(*grant.Approval)) {
	a := d[name]
	change(&a)
	d[name] = a
}

func levelRole(path string) string {
	return grant.RoleKey{Scope: resource.LevelRef(path), Access: resource.Read, Profile: grant.DefaultProfile}.RoleName()
}

func sourceRole(name resource.Name) string {
	return grant.RoleKey{Scope: resource.Ref{Kind: resource.KindDataSource, Name: name}, Access: resource.Read, Profile: grant.DefaultProfile}.RoleName()
}

// masks renders what a role shows of the customers table.
func masks(w grant.Wish, k grant.RoleKey) string {
	for _, r := range w.Roles {
		if r.RoleKey != k {
			continue
		}
		var out []string
		for _, c := range r.Objects[0].Columns {
			text := c.Name
			if c.Mask != nil {
				text += "=" + string(c.Mask.Type)
			}
			out = append(out, text)
		}
		return strings.Join(out, " ")
	}
	return "no role"
}

func TestPublishedProductsHaveTheirRolesWithMasksBeforeAnybodyJoins(t *testing.T) {
	w := grant.Desired(load(t, world()), nil, now)
	if len(w.Roles) != 2 || len(w.Grants) != 0 {
		t.Fatalf("%d roles and %d grants, want 2 and 0", len(w.Roles), len(w.Grants))
	}
	if got := masks(w, w.Roles[1].RoleKey); got != "id mail=null tax=hash" {
		t.Errorf("orders shows %q", got)
	}
}

// An exception moves one person to a role of its own, which ends with the
// shorter of the two; afterwards the person is back in the role of all.
func TestMaskingExceptionMovesOnePersonAndEndsByItself(t *testing.T) {
	files := world()
	for _, a := range []ask{{"a", "{product: orders}", "[{group: team}]", ""}, {"m", "{product: orders}", "[{user: ana}]", "unmask   columns: [mail]\n"}} {
		name, text := a.file()
		files[name] = text
	}
	set := load(t, files)
	d := approve(set)
	edit(d, "m", func(a *grant.Approval) { a.Until = now.AddDate(0, 0, 3) })
	w := grant.Desired(set, d, now)
	if len(w.Grants) != 2 {
		t.Fatalf("%d grants, want 2", len(w.Grants))
	}
	var ana, ben grant.Grant
	for _, g := range w.Grants {
		if g.Principal == "ana" {
			ana = g
		} else {
			ben = g
		}
	}
	if ben.Profile != grant.DefaultProfile || ana.Profile == grant.DefaultProfile {
		t.Fatalf("ben in %s, ana in %s", ben.Profile, ana.Profile)
	}
	if got := masks(w, ana.RoleKey); got != "id mail tax=hash" {
		t.Errorf("ana sees %q", got)
	}
	if got := masks(w, ben.RoleKey); got != "id mail=null tax=hash" {
		t.Errorf("ben sees %q", got)
	}
	if want := now.AddDate(0, 0, 3); !ana.NotAfter.Equal(want) {
		t.Errorf("ana's grant ends %s, want %s", ana.NotAfter, want)
	}
	w = grant.Desired(set, d, now.AddDate(0, 0, 3))
	grants, _ := lines(w)
	if diff := cmp.Diff([]string{"ana assent_orders_read until 2026-12-09 by a", "ben assent_orders_read until 2026-12-09 by a"}, grants); diff != "" {
		t.Errorf("after the exception (-want +got):\n%s", diff)
	}
}

func TestColumnsAskedForAreAllThatIsSeen(t *testing.T) {
	files := world()
	name, text := ask{"a", "{product: orders}", "[{user: ana}]", "  columns: [customers.id, total]\n"}.file()
	files[name] = text
	set := load(t, files)
	w := grant.Desired(set, approve(set), now)
	if len(w.Grants) != 1 || w.Grants[0].Profile == grant.DefaultProfile {
		t.Fatalf("grants %v", w.Grants)
	}
	for _, r := range w.Roles {
		if r.RoleKey != w.Grants[0].RoleKey {
			continue
		}
		var got []string
		for _, o := range r.Objects {
			for _, c := range o.Columns {
				got = append(got, o.Path[2]+"."+c.Name)
			}
		}
		if diff := cmp.Diff([]string{"customers.id", "orders.total"}, got); diff != "" {
			t.Errorf("columns (-want +got):\n%s", diff)
		}
	}
}

func TestNextIsTheEarliestBoundaryAhead(t *testing.T) {
	set := load(t, world())
	d := grant.Determinations{
		"a": {Until: now.Add(time.Hour)}, "b": {NotBefore: now.Add(time.Minute), Until: now.Add(2 * time.Hour)}, "over": {Until: now},
	}
	at, ok := grant.Next(set, d, now)
	if !ok || !at.Equal(now.Add(time.Minute)) {
		t.Errorf("next = %v %v", at, ok)
	}
	if at, ok := grant.Next(set, grant.Determinations{"over": {Until: now}, "forever": {}}, now); ok {
		t.Errorf("next = %v although nothing lies ahead", at)
	}
}

// Between two boundaries that Next names, Desired gives the same answer.
func TestNothingChangesBeforeNext(t *testing.T) {
	files := world()
	for i := range 4 {
		name, text := ask{fmt.Sprintf("r%d", i), []string{"{product: orders}", "{product: events}"}[i%2], "[{group: team}]", ""}.file()
		files[name] = text
	}
	set := load(t, files)
	rapid.Check(t, func(t *rapid.T) {
		d := approve(set)
		for _, name := range []resource.Name{"r0", "r1", "r2", "r3"} {
			edit(d, name, func(a *grant.Approval) {
				a.NotBefore = now.Add(time.Duration(rapid.IntRange(-100, 100).Draw(t, "from")) * time.Second)
				a.Until = a.NotBefore.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "for")) * time.Second)
			})
		}
		next, ok := grant.Next(set, d, now)
		if !ok {
			return
		}
		before := grant.Desired(set, d, now).State
		if diff := cmp.Diff(before, grant.Desired(set, d, next.Add(-time.Second)).State); diff != "" {
			t.Fatalf("changed before %s:\n%s", next, diff)
		}
		for _, g := range grant.Desired(set, d, next).Grants {
			if !g.NotAfter.After(next) {
				t.Fatalf("%v is desired although it ends at %s", g, g.NotAfter)
			}
		}
	})
}

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// Names of our roles follow the grammar whatever the scope is called, and two
// keys never share one.
func TestRoleNamesFollowTheGrammarAndDiffer(t *testing.T) {
	seen := map[string]grant.RoleKey{}
	hostile := []string{"a", "a-b", "a_b", "a.b", "A", "a--b", "a__b", "warehouse/db/public/a", "warehouse/db/publica", "ü", strings.Repeat("long-", 20), strings.Repeat("long-", 20) + "x", "x\"; DROP", "orders_read", "orders", "orders-read", "orders-x1234abcd", "A-" + "559aead0"}
	for _, name := range hostile {
		for _, kind := range []resource.Kind{resource.KindDataProduct, resource.KindDataSource} {
			for _, level := range []resource.AccessLevel{resource.Read, resource.Write} {
				for _, profile := range []string{grant.DefaultProfile, "x1234abcd"} {
					k := grant.RoleKey{Scope: resource.Ref{Kind: kind, Name: resource.Name(name)}, Access: level, Profile: profile}
					got := k.RoleName()
					if !roleName.MatchString(got) {
						t.Errorf("%v: %q is not a name", k, got)
					}
					if other, ok := seen[got]; ok {
						t.Errorf("%v and %v share %q", k, other, got)
					}
					seen[got] = k
					if s := k.SchemaName(); !roleName.MatchString(s) {
						t.Errorf("%v: %q is not a schema name", k, s)
					}
				}
			}
		}
	}
}

func TestSchemaNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"orders", "orders-read", "orders-x1234abcd", "orders_x1234abcd", "a-b", "a.b"} {
		for _, profile := range []string{grant.DefaultProfile, "x1234abcd"} {
			k := grant.RoleKey{Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(name)}, Access: resource.Read, Profile: profile}
			id := name + "/" + profile
			if other, ok := seen[k.SchemaName()]; ok {
				t.Errorf("%s and %s share schema %q", id, other, k.SchemaName())
			}
			seen[k.SchemaName()] = id
		}
	}
}

func TestResultIsOrdered(t *testing.T) {
	files := world()
	for i := range 6 {
		name, text := ask{fmt.Sprintf("r%d", i), []string{"{product: orders}", "{product: events}", "{path: warehouse/shop}"}[i%3], "[{group: team}]", ""}.file()
		files[name] = text
	}
	set := load(t, files)
	w := grant.Desired(set, approve(set), now)
	if !slices.IsSortedFunc(w.Grants, grant.Grant.Compare) {
		t.Error("grants are not ordered")
	}
	if !slices.IsSortedFunc(w.Roles, func(a, b grant.Role) int { return a.RoleKey.Compare(b.RoleKey) }) {
		t.Error("roles are not ordered")
	}
	for range 5 {
		if diff := cmp.Diff(w, grant.Desired(set, approve(set), now), cmpopts.IgnoreUnexported(grant.Wish{})); diff != "" {
			t.Fatalf("the same question got another answer:\n%s", diff)
		}
	}
}
