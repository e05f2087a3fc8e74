package grant_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// born adds a birthright to a product of the world.
func born(product, entries string) func(map[string]string) {
	return func(f map[string]string) { f["products/"+product+".yaml"] += "  birthright: " + entries + "\n" }
}

func set(file, old, to string) func(map[string]string) {
	return func(f map[string]string) {
		if !strings.Contains(f[file], old) {
			panic(file + " has no " + old)
		}
		f[file] = strings.Replace(f[file], old, to, 1)
	}
}

func add(file, text string) func(map[string]string) {
	return func(f map[string]string) { f[file] += text }
}

const service = head + "kind: User\nmetadata: {name: etl}\nspec: {kind: service, owner: ben, accounts: {warehouse: etl}}\n"

func TestBirthright(t *testing.T) {
	team := born("orders", "[{group: team}]")
	tests := []struct {
		name    string
		asks    []ask
		changes []func(map[string]string)
		want    []string
	}{
		{name: "none stated, nothing given"},
		{
			name: "a group, without any request", changes: []func(map[string]string){team},
			want: []string{"ana assent_orders_read until no end by orders", "ben assent_orders_read until no end by orders"},
		},
		{
			name: "an attribute", changes: []func(map[string]string){born("orders", "[{attribute: {key: team, value: sales}}]"), add("directory/users/ben.yaml", "  attributes: {team: [sales]}\n")},
			want: []string{"ben assent_orders_read until no end by orders"},
		},
		{name: "another value", changes: []func(map[string]string){born("orders", "[{attribute: {key: team, value: sales}}]"), add("directory/users/ben.yaml", "  attributes: {team: [ops]}\n")}},
		{
			name: "who left the group", changes: []func(map[string]string){team, set("directory/groups/team.yaml", "{user: ana}, ", "")},
			want: []string{"ben assent_orders_read until no end by orders"},
		},
		{
			name: "who left the company", changes: []func(map[string]string){team, add("directory/users/ana.yaml", "  state: left\n")},
			want: []string{"ben assent_orders_read until no end by orders"},
		},
		{
			name: "who is here for a time", changes: []func(map[string]string){team, add("directory/users/ana.yaml", "  validUntil: \"2026-12-01\"\n")},
			want: []string{"ana assent_orders_read until 2026-12-01 by orders", "ben assent_orders_read until no end by orders"},
		},
		{
			name: "a service account is nobody's birthright", changes: []func(map[string]string){team, set("directory/groups/team.yaml", "{user: ben}", "{serviceAccount: etl}"), add("directory/users/etl.yaml", service)},
			want: []string{"ana assent_orders_read until no end by orders"},
		},
		{name: "an account of its own only where there is one", changes: []func(map[string]string){born("events", "[{group: team}]")}, want: []string{"ben-on-lake assent_events_read until no end by events"}},
		{name: "a level that the product has not", changes: []func(map[string]string){born("orders", "[{group: team, accessLevel: write}]")}},
		{
			name: "a level that the product has", changes: []func(map[string]string){born("orders", "[{group: team, accessLevel: write}]"), add("products/orders.yaml", "  accessLevels: [read, write]\n")},
			want: []string{"ana assent_orders_write until no end by orders", "ben assent_orders_write until no end by orders"},
		},
		{name: "a product that is closed", changes: []func(map[string]string){team, add("products/orders.yaml", "  state: suspended\n")}},
		{name: "a connection that is only observed", changes: []func(map[string]string){team, set("connections/warehouse.yaml", "enforce", "observe")}},
		{
			name: "together with an approval", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}}, changes: []func(map[string]string){team},
			want: []string{"ana assent_orders_read until no end by a+orders", "ben assent_orders_read until no end by orders"},
		},
		{
			name: "an approval outlives the birthright", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}},
			want: []string{"ana assent_orders_read until 2026-12-09 by a"},
		},
		{
			name: "a time here bounds an approval too", asks: []ask{{"a", "{product: orders}", "[{user: ana}]", ""}}, changes: []func(map[string]string){add("directory/users/ana.yaml", "  validUntil: \"2026-12-01\"\n")},
			want: []string{"ana assent_orders_read until 2026-12-01 by a"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := world()
			for _, a := range tt.asks {
				name, text := a.file()
				files[name] = text
			}
			for _, change := range tt.changes {
				change(files)
			}
			s := load(t, files)
			got, _ := lines(grant.Desired(s, approve(s), now))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
		})
	}
}

// A birthright shows the default profile: its masks stay, and only an approved
// exception lifts one, for the one person.
func TestBirthrightKeepsMasks(t *testing.T) {
	files := world()
	born("orders", "[{group: team}]")(files)
	name, text := ask{"m", "{product: orders}", "[{user: ana}]", "unmask   columns: [mail]\n"}.file()
	files[name] = text
	s := load(t, files)
	w := grant.Desired(s, approve(s), now)
	if len(w.Grants) != 2 {
		t.Fatalf("%d grants, want 2", len(w.Grants))
	}
	for _, g := range w.Grants {
		want := map[string]string{"ana": "id mail tax=hash", "ben": "id mail=null tax=hash"}[g.Principal]
		if got := masks(w, g.RoleKey); got != want {
			t.Errorf("%s sees %q, want %q", g.Principal, got, want)
		}
	}
}

func TestBirthrightsSayWhereTheyAreWrittenAndWhyNot(t *testing.T) {
	files := world()
	born("orders", "[{group: team}]")(files)
	born("events", "[{group: team}]")(files)
	files["connections/lake.yaml"] += ""
	var got []string
	for _, x := range grant.Birthrights(load(t, files), now) {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s %s", x.Person, x.Product, x.Entry, x.At, x.Role, x.State)))
	}
	want := []string{
		"ana events group team products/events.yaml:7:16  unmapped",
		"ben events group team products/events.yaml:7:16 assent_events_read",
		"ana orders group team products/orders.yaml:7:16 assent_orders_read",
		"ben orders group team products/orders.yaml:7:16 assent_orders_read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("birthrights (-want +got):\n%s", diff)
	}
}

func TestServiceAccountsNeedAnOwnerWhoIsHere(t *testing.T) {
	tests := []struct {
		name    string
		changes []func(map[string]string)
		want    []string
		why     string
	}{
		{name: "an owner", want: []string{"etl assent_orders_read until 2026-12-09 by a"}},
		{name: "who left", changes: []func(map[string]string){add("directory/users/ben.yaml", "  state: left\n")}, why: "its owner ben has left"},
		{name: "whose time is over", changes: []func(map[string]string){add("directory/users/ben.yaml", "  validUntil: \"2026-11-24\"\n")}, why: "its owner ben has left"},
		{
			name: "whose time will be over", changes: []func(map[string]string){add("directory/users/ben.yaml", "  validUntil: \"2026-11-30\"\n")},
			want: []string{"etl assent_orders_read until 2026-11-30 by a"},
		},
		{name: "nobody", changes: []func(map[string]string){set("directory/users/etl.yaml", " owner: ben,", "")}, why: "it has no owner"},
		{name: "unknown", changes: []func(map[string]string){set("directory/users/etl.yaml", "owner: ben", "owner: ghost")}, why: "its owner ghost does not exist"},
		{name: "itself", changes: []func(map[string]string){set("directory/users/etl.yaml", "owner: ben", "owner: etl")}, why: "its owner etl is no person"},
		{name: "another owner", changes: []func(map[string]string){add("directory/users/ben.yaml", "  state: left\n"), set("directory/users/etl.yaml", "owner: ben", "owner: ana")}, want: []string{"etl assent_orders_read until 2026-12-09 by a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := world()
			files["directory/users/etl.yaml"] = service
			name, text := ask{"a", "{product: orders}", "[{serviceAccount: etl}]", ""}.file()
			files[name] = text
			for _, change := range tt.changes {
				change(files)
			}
			s := load(t, files)
			w := grant.Desired(s, approve(s), now)
			got, _ := lines(w)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
			why := ""
			for _, p := range w.Prevented {
				why += p.State + ": " + p.Reason
			}
			if want := "left: service account etl gets nothing: " + tt.why + "; name a new owner in directory/users/etl.yaml"; tt.why != "" && why != want || tt.why == "" && why != "" {
				t.Errorf("prevented %q, want %q", why, want)
			}
		})
	}
}

func TestCertify(t *testing.T) {
	rule := func(every resource.Duration, unanswered resource.Unanswered) *resource.Recertify {
		return &resource.Recertify{Every: every, Unanswered: unanswered}
	}
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	tests := []struct {
		name              string
		rule              *resource.Recertify
		until, at         time.Time
		wantUntil, wantBy time.Time
		lapses            bool
	}{
		{name: "no rule, no end", at: now},
		{name: "no rule", until: day(9), at: now, wantUntil: day(9)},
		{name: "drop bounds what has no end", rule: rule("30d", ""), at: now, wantUntil: day(30), wantBy: day(30), lapses: true},
		{name: "drop, stated", rule: rule("30d", resource.UnansweredDrop), until: day(90), at: now, wantUntil: day(30), wantBy: day(30), lapses: true},
		{name: "kept later, counted from then", rule: rule("30d", ""), until: day(90), at: day(20), wantUntil: day(50), wantBy: day(50), lapses: true},
		{name: "never beyond what was agreed", rule: rule("30d", ""), until: day(40), at: day(20), wantUntil: day(40)},
		{name: "ends at the same second", rule: rule("30d", ""), until: day(30), at: now, wantUntil: day(30)},
		{name: "keep only asks", rule: rule("30d", resource.UnansweredKeep), until: day(90), at: now, wantUntil: day(90), wantBy: day(30)},
		{name: "indefinite asks nobody", rule: rule("indefinite", ""), at: now},
		{name: "unreadable ends at once", rule: rule("soon", ""), until: day(90), at: now, wantUntil: now},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := grant.Certify(grant.Approval{Until: day(1000), CertifyBy: day(1), Lapses: true}, tt.rule, tt.until, tt.at)
			want := grant.Approval{Until: tt.wantUntil, Certified: tt.at, CertifyBy: tt.wantBy, Lapses: tt.lapses}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever a record says, an emergency is over four hours after it was decided.
func TestEmergencyAccessIsOverInTime(t *testing.T) {
	files := world()
	name, text := ask{"e", "{product: orders}", "[{user: ana}]", ""}.file()
	files[name] = strings.Replace(text, "data-access", "emergency-access", 1)
	s := load(t, files)
	for _, tt := range []struct {
		name           string
		decided, until time.Time
		at             time.Time
		want           string
	}{
		{name: "in time", decided: now, until: now.Add(time.Hour), at: now, want: "2026-11-24T13:00:00Z"},
		{name: "too long a time", decided: now, until: now.AddDate(0, 1, 0), at: now, want: "2026-11-24T16:00:00Z"},
		{name: "no end at all", decided: now, at: now, want: "2026-11-24T16:00:00Z"},
		{name: "over to the second", decided: now, at: now.Add(4 * time.Hour)},
		{name: "begun nobody knows when", at: now},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := approve(s)
			edit(d, "e", func(a *grant.Approval) { a.DecidedAt, a.Until = tt.decided, tt.until })
			got := ""
			for _, g := range grant.Desired(s, d, tt.at).Grants {
				got += g.NotAfter.Format(time.RFC3339)
				if g.Profile != grant.DefaultProfile {
					t.Errorf("it shows profile %s", g.Profile)
				}
			}
			if got != tt.want {
				t.Errorf("ends %q, want %q", got, tt.want)
			}
		})
	}
}
