package adopt_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/adopt"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

var now = time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC)

func user(name, email, account string) *resource.User {
	u := &resource.User{Header: resource.Header{Kind: resource.KindUser}}
	u.Metadata.Name, u.Spec.Email = name, email
	if account != "" {
		u.Spec.Accounts = map[resource.Name]string{"dw": account}
	}
	return u
}

func product(name string, levels []resource.AccessLevel, tables ...string) *resource.DataProduct {
	p := &resource.DataProduct{Header: resource.Header{Kind: resource.KindDataProduct}}
	p.Metadata.Name, p.Spec.AccessLevels = name, levels
	for _, t := range tables {
		p.Spec.Sources = append(p.Spec.Sources, resource.ProductSource{Source: resource.Name("dw/shop/public/" + t)})
	}
	return p
}

func connection() *resource.Connection {
	c := &resource.Connection{Header: resource.Header{Kind: resource.KindConnection}}
	c.Metadata.Name, c.Spec.Accounts.Template = "dw", "{name}"
	return c
}

func propose(set *resource.Set, survey platform.Survey, foreign ...platform.Foreign) adopt.Proposal {
	c, _ := resource.Get[*resource.Connection](set, resource.KindConnection, "dw")
	return adopt.Propose(adopt.Input{
		Set: set, Connection: c, Foreign: foreign, Survey: survey, Requester: "kim", Now: now,
		Covered: adopt.NewCover(set, "dw", grant.State{}, grant.State{}, survey.Members).Of,
	})
}

// asked are the requests in a few words each.
func asked(p adopt.Proposal) []string {
	var out []string
	for _, a := range p.Asked {
		s := a.Request.Spec
		var who []string
		for _, b := range s.Beneficiaries {
			who = append(who, string(b.User)+string(b.ServiceAccount))
		}
		text := strings.Join(who, "+") + " " + string(s.Level()) + " " + string(s.Target.Product) + string(s.Target.Source) + s.Target.Path
		if len(s.Columns) > 0 {
			text += " (" + strings.Join(s.Columns, ", ") + ")"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func locked(p adopt.Proposal) []string {
	var out []string
	for _, l := range p.Locked {
		out = append(out, l.Reason+": "+l.Principal+" "+l.Privilege+" "+strings.Join(l.Path, "."))
	}
	return out
}

func shop() []resource.Resource {
	return []resource.Resource{
		connection(), source("orders", "id", "total"), source("people", "id", "email"), source("log", "at"),
		user("ana", "ana@example.com", ""), user("ben", "ben@example.com", "bn"), user("bo", "b.bo@example.com", "-"), user("kim", "kim@example.com", ""),
		product("all", nil, "orders", "people"), product("orders", []resource.AccessLevel{resource.Read, resource.Write}, "orders"),
	}
}

func writes(principal, table string) []platform.Foreign {
	var out []platform.Foreign
	for _, p := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		out = append(out, has(principal, p, table))
	}
	return out
}

func TestImportAsksForTheLargestThatIsAllThere(t *testing.T) {
	for _, tt := range []struct {
		name    string
		foreign []platform.Foreign
		asked   []string
		locked  []string
	}{
		{"nothing", nil, nil, nil},
		{"a product", []platform.Foreign{has("ana", "SELECT", "orders"), has("ana", "SELECT", "people")}, []string{"ana read all"}, nil},
		{"a schema", []platform.Foreign{has("bn", "SELECT", "log"), has("bn", "SELECT", "people"), has("bn", "SELECT", "orders")}, []string{"ben read all", "ben read dw/shop/public/log"}, nil},
		{"a smaller product", []platform.Foreign{has("ana", "SELECT", "orders")}, []string{"ana read orders"}, nil},
		{"a source", []platform.Foreign{has("ana", "SELECT", "people")}, []string{"ana read dw/shop/public/people"}, nil},
		{"all columns", []platform.Foreign{has("ana", "SELECT", "people", "email", "id")}, []string{"ana read dw/shop/public/people"}, nil},
		{"some columns", []platform.Foreign{has("ana", "SELECT", "people", "id")}, []string{"ana read dw/shop/public/people (id)"}, nil},
		{"undeclared columns", []platform.Foreign{has("ana", "SELECT", "people", "id", "new")}, nil, []string{"columns: ana SELECT shop.public.people"}},
		{"writing", writes("ana", "orders"), []string{"ana write orders"}, nil},
		{"writing what no product writes", writes("ana", "log"), []string{"ana write dw/shop/public/log"}, nil},
		{"a part of writing", writes("ana", "log")[:2], []string{"ana read dw/shop/public/log"}, []string{"part-of-write: ana INSERT shop.public.log"}},
		{"other privileges", []platform.Foreign{has("ana", "TRUNCATE", "log")}, nil, []string{"other-privilege: ana TRUNCATE shop.public.log"}},
		{"a grant option", []platform.Foreign{{Principal: "ana", Privilege: "SELECT", Path: []string{"shop", "public", "log"}, Grantable: true}}, []string{"ana read dw/shop/public/log"}, []string{"grant-option: ana SELECT shop.public.log"}},
		{"everybody", []platform.Foreign{has("PUBLIC", "SELECT", "log")}, nil, []string{"public: PUBLIC SELECT shop.public.log"}},
		{"a role of ours", []platform.Foreign{has("assent_x_read", "SELECT", "log")}, nil, []string{"to-our-role: assent_x_read SELECT shop.public.log"}},
		{"a stranger", []platform.Foreign{has("zoe", "SELECT", "log")}, nil, []string{"unknown-account: zoe SELECT shop.public.log"}},
		{"a table that nobody declared", []platform.Foreign{has("ana", "SELECT", "secret")}, nil, []string{"no-source: ana SELECT shop.public.secret"}},
		{"a database", []platform.Foreign{{Principal: "ana", Privilege: "SELECT", Path: []string{"shop"}}, {Principal: "bn", Privilege: "SELECT", Path: []string{"*"}}}, nil, []string{"database-privilege: ana SELECT shop", "database-privilege: bn SELECT *"}},
		{"an account stated in the user's file", []platform.Foreign{has("bn", "SELECT", "log")}, []string{"ben read dw/shop/public/log"}, nil},
		{"a mail address", []platform.Foreign{has("Ana@Example.com", "SELECT", "log")}, []string{"ana read dw/shop/public/log"}, nil},
		{"a name spelt otherwise", []platform.Foreign{has("Bo", "SELECT", "log")}, []string{"bo read dw/shop/public/log"}, nil},
		{"a role", []platform.Foreign{has("team", "SELECT", "log")}, []string{"ana+ben read dw/shop/public/log"}, []string{"unknown-account: zoe SELECT shop.public.log"}},
		{"an empty role", []platform.Foreign{has("void", "SELECT", "log")}, nil, []string{"no-members: void SELECT shop.public.log"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := propose(resource.NewSet(shop()...), platform.Survey{Members: map[string][]string{"team": {"ana", "bn", "zoe"}, "void": nil}}, tt.foreign...)
			if d := cmp.Diff(tt.asked, asked(p)); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.locked, locked(p)); d != "" {
				t.Errorf("locked (-want +got):\n%s", d)
			}
			for _, l := range p.Locked {
				if l.Detail == "" || l.Next == "" {
					t.Errorf("%s has no reason or no next step", l.Reason)
				}
			}
		})
	}
}

// A whole schema is asked for where no product stands for a part of it.
func TestImportAsksForASchema(t *testing.T) {
	set := resource.NewSet(connection(), source("a", "id"), source("b", "id"), user("ana", "", ""))
	p := propose(set, platform.Survey{}, has("ana", "SELECT", "a"), has("ana", "SELECT", "b"))
	if d := cmp.Diff([]string{"ana read dw/shop/public"}, asked(p)); d != "" {
		t.Error(d)
	}
	p = propose(set, platform.Survey{}, has("ana", "SELECT", "a"))
	if d := cmp.Diff([]string{"ana read dw/shop/public/a"}, asked(p)); d != "" {
		t.Error(d)
	}
}

// A mask keeps a table from being written, so only reading is asked for.
func TestImportNeverAsksToWriteBehindAMask(t *testing.T) {
	d := source("people", "id", "email")
	d.Spec.Columns[1].Mask = &resource.Mask{Type: resource.MaskNull}
	p := propose(resource.NewSet(connection(), d, user("ana", "", "")), platform.Survey{}, writes("ana", "people")...)
	if d := cmp.Diff([]string{"ana read dw/shop/public/people"}, asked(p)); d != "" {
		t.Error(d)
	}
	if len(p.Locked) != 3 {
		t.Errorf("locked: %v", locked(p))
	}
}

// Every way that no privilege on a table tells of is locked with its reason.
func TestImportLocksWhatStands(t *testing.T) {
	reasons := []string{
		platform.StandsSuper, platform.StandsOwner, platform.StandsBuiltIn, platform.StandsDatabase,
		platform.StandsSchema, platform.StandsFunction, platform.StandsByDefault,
	}
	var survey platform.Survey
	for _, r := range reasons {
		survey.Standing = append(survey.Standing, platform.Standing{Foreign: platform.Foreign{Principal: "zoe", Path: []string{"shop"}, Privilege: "ALL"}, Reason: r})
	}
	p := propose(resource.NewSet(shop()...), survey)
	if len(p.Locked) != len(reasons) {
		t.Fatalf("locked %v", locked(p))
	}
	for _, l := range p.Locked {
		if l.Detail == "" || l.Next == "" {
			t.Errorf("%s has no reason or no next step", l.Reason)
		}
	}
}

// People who could be two, or who left, are nobody's guess.
func TestImportDoesNotGuessBetweenPeople(t *testing.T) {
	gone := user("gus", "", "")
	gone.Spec.State = resource.UserLeft
	set := resource.NewSet(connection(), source("log", "at"), gone, user("a1", "sam@one.example", "x1"), user("a2", "sam@two.example", "x2"))
	p := propose(set, platform.Survey{}, has("gus", "SELECT", "log"), has("sam", "SELECT", "log"))
	if d := cmp.Diff([]string{"ambiguous: sam SELECT shop.public.log", "inactive: gus SELECT shop.public.log"}, locked(p)); d != "" || len(p.Asked) > 0 {
		t.Errorf("asked %v\n%s", asked(p), d)
	}
}

// Once main holds what was proposed, nothing is new; and every access is told of
// once, whatever the order in which it was read.
func TestImportIsIdempotentAndLosesNothing(t *testing.T) {
	all := shop()
	foreign := slices.Concat(writes("ana", "orders"), []platform.Foreign{
		has("ana", "SELECT", "people", "id"), has("bn", "SELECT", "log"), has("team", "SELECT", "people"), has("PUBLIC", "SELECT", "log"), has("zoe", "SELECT", "orders"),
	})
	survey := platform.Survey{Members: map[string][]string{"team": {"ana", "bn"}}}
	first := propose(resource.NewSet(all...), survey, foreign...)
	told := len(first.Locked) + len(first.Known)
	for _, a := range first.Asked {
		told += len(a.For)
		all = append(all, a.Request)
	}
	if told != len(foreign) {
		t.Errorf("%d accesses, %d told of", len(foreign), told)
	}
	second := propose(resource.NewSet(all...), survey, foreign...)
	if len(second.Asked) > 0 || len(second.Locked) != len(first.Locked) || len(second.Known)+len(second.Locked) != len(foreign) {
		t.Errorf("the second time: asked %v, locked %v, %d known", asked(second), locked(second), len(second.Known))
	}
	slices.Reverse(foreign)
	again := propose(resource.NewSet(shop()...), survey, foreign...)
	if d := cmp.Diff(asked(first), asked(again)); d != "" {
		t.Error(d)
	}
}

// Names of platforms are anything; those of requests and their notes are not.
func TestImportMakesNamesOfHostileOnes(t *testing.T) {
	set := resource.NewSet(connection(), source("log", "at"), user("ana", "", "a\x1b[31m\"; DROP TABLE x; --\u202e"))
	p := propose(set, platform.Survey{}, has("a\x1b[31m\"; DROP TABLE x; --\u202e", "SELECT", "log"))
	if len(p.Asked) != 1 {
		t.Fatalf("%+v", p)
	}
	m := p.Asked[0].Request.Metadata
	if strings.ContainsAny(fmt.Sprint(m), "\x1b\u202e") || strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(m.Name) > 63 {
		t.Errorf("%+v", m)
	}
}

func BenchmarkPropose(b *testing.B) {
	all := []resource.Resource{connection()}
	var foreign []platform.Foreign
	for i := range 100 {
		all = append(all, source(fmt.Sprintf("t%03d", i), "id", "x"), user(fmt.Sprintf("u%03d", i), "", ""), product(fmt.Sprintf("p%03d", i), nil, fmt.Sprintf("t%03d", i)))
		for j := range 100 {
			foreign = append(foreign, has(fmt.Sprintf("u%03d", j), "SELECT", fmt.Sprintf("t%03d", i)))
		}
	}
	set := resource.NewSet(all...)
	for b.Loop() {
		if p := propose(set, platform.Survey{}, foreign...); len(p.Asked) != 10000 {
			b.Fatal(len(p.Asked))
		}
	}
}
