package resource_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const people = `
-- users/ana.yaml --
kind: User
metadata: {name: ana}
spec: {attributes: {role: [analyst, dpo]}, permissions: [AUDIT]}
-- users/bob.yaml --
kind: User
metadata: {name: bob}
spec: {permissions: [GOVERNANCE]}
-- users/cy.yaml --
kind: User
metadata: {name: cy}
spec: {state: left, permissions: [GOVERNANCE]}
-- users/etl.yaml --
kind: User
metadata: {name: etl}
spec: {kind: service, owner: ana, permissions: [GOVERNANCE]}
-- groups/inner.yaml --
kind: Group
metadata: {name: inner}
spec: {members: [{user: bob}, {user: nobody}, {group: outer}, {serviceAccount: etl}]}
-- groups/outer.yaml --
kind: Group
metadata: {name: outer}
spec: {members: [{group: inner}, {user: ana}, {user: cy}, {user: ana}]}
-- groups/empty.yaml --
kind: Group
metadata: {name: empty}
spec: {members: []}
`

func TestMembersFollowsGroupsAndEndsOnACycle(t *testing.T) {
	s := setOf(t, people)
	for group, want := range map[resource.Name][]resource.Name{
		"outer":  {"ana", "bob", "cy", "etl"},
		"inner":  {"ana", "bob", "cy", "etl"},
		"empty":  {},
		"absent": {},
	} {
		if diff := cmp.Diff(want, resource.Members(s, group)); diff != "" {
			t.Errorf("Members(%s): %s", group, diff)
		}
	}
}

func TestPeopleLeavesOutUnknownNamesAndRepeats(t *testing.T) {
	s := setOf(t, people)
	got := resource.People(s, []resource.Subject{{User: "bob"}, {User: "ghost"}, {ServiceAccount: "etl"}, {Group: "empty"}, {User: "bob"}})
	if diff := cmp.Diff([]resource.Name{"bob", "etl"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestGroupsOfSeesNestedGroups(t *testing.T) {
	s := setOf(t, people)
	if diff := cmp.Diff([]resource.Name{"inner", "outer"}, resource.GroupsOf(s, "bob")); diff != "" {
		t.Error(diff)
	}
}

func TestActive(t *testing.T) {
	for _, tc := range []struct {
		name  string
		state resource.UserState
		until resource.Instant
		want  bool
	}{
		{"unstated", "", "", true},
		{"active", resource.UserActive, "", true},
		{"left", resource.UserLeft, "", false},
		{"left with a future end", resource.UserLeft, "2030-01-01", false},
		{"valid one second longer", "", "2026-11-24T12:00:01Z", true},
		{"the end is exclusive", "", "2026-11-24T12:00:00Z", false},
		{"past", "", "2026-11-23", false},
		{"unreadable", "", "soon", false},
	} {
		u := &resource.User{Spec: resource.UserSpec{State: tc.state, ValidUntil: tc.until}}
		if got := resource.Active(u, noon); got != tc.want {
			t.Errorf("%s: Active = %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestAccountOf(t *testing.T) {
	for _, tc := range []struct {
		name, stated, template, email, want string
		has                                 bool
	}{
		{"stated wins over the template", "ANA_L", "{name}", "", "ANA_L", true},
		{"stated as nothing is none", "", "{name}", "", "", true},
		{"template with the name", "", "corp\\{name}", "", `corp\ana`, false},
		{"template with the mail", "", "{email}", "ana@x.org", "ana@x.org", false},
		{"mail is missing", "", "{email}", "", "", false},
		{"unknown part", "", "{name}-{login}", "", "", false},
		{"template without a part", "", "shared", "", "", false},
		{"neither", "", "", "", "", false},
	} {
		u := &resource.User{Spec: resource.UserSpec{Email: tc.email}}
		u.Metadata.Name = "ana"
		if tc.has {
			u.Spec.Accounts = map[resource.Name]string{"dw": tc.stated}
		}
		conn := &resource.Connection{Spec: resource.ConnectionSpec{Accounts: resource.AccountMapping{Template: tc.template}}}
		conn.Metadata.Name = "dw"
		got, ok := resource.AccountOf(u, conn)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: AccountOf = %q, %v; want %q", tc.name, got, ok, tc.want)
		}
	}
}

func TestTagMatchesOnlyAtDots(t *testing.T) {
	for _, tc := range []struct {
		want, tag string
		ok        bool
	}{
		{"pii", "pii", true},
		{"pii", "pii.email", true},
		{"pii", "pii.email.work", true},
		{"pii", "piii", false},
		{"pii.email", "pii", false},
		{"", "pii", false},
		{"", "", false},
		{"", ".x", false},
	} {
		if got := resource.TagMatches(tc.want, tc.tag); got != tc.ok {
			t.Errorf("TagMatches(%q, %q) = %v", tc.want, tc.tag, got)
		}
	}
}

func TestPathMatches(t *testing.T) {
	const name = "dw/shop/public/orders"
	for _, tc := range []struct {
		glob string
		ok   bool
	}{
		{"dw/shop/public/orders", true},
		{"dw/shop/public/*", true},
		{"dw/shop/*", false},
		{"dw/**", true},
		{"**", true},
		{"**/orders", true},
		{"dw/**/public/**/orders", true},
		{"dw/**/**/orders", true},
		{"dw/shop/public/orders/**", true},
		{"dw/shop/public/orders/*", false},
		{"dw/shop/public/ord[", false},
		{"dw/shop/public/o?ders", true},
		{"shop/public/orders", false},
		{"", false},
	} {
		if got := resource.PathMatches(tc.glob, name); got != tc.ok {
			t.Errorf("PathMatches(%q) = %v", tc.glob, got)
		}
	}
}

func TestPathMatchesItselfAndAnyDepth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z]{1,4}(/[a-z]{1,4}){0,4}`).Draw(t, "name")
		if !resource.PathMatches(name, resource.Name(name)) || !resource.PathMatches("**/"+name, resource.Name(name)) {
			t.Fatalf("%s does not match itself", name)
		}
		if resource.PathMatches(name+"/x", resource.Name(name)) {
			t.Fatalf("%s matches a deeper glob", name)
		}
	})
}

const sources = `
-- sources/dw/shop/public/orders.yaml --
kind: DataSource
metadata: {name: orders}
spec: {connection: dw, path: [shop, public, orders], kind: table, tags: [sales.eu], columns: [{name: id}, {name: email, tags: [pii.email]}], subjectMatterExperts: [{user: ana}]}
-- sources/dw/shop/public/stock.yaml --
kind: DataSource
metadata: {name: stock}
spec: {connection: dw, path: [shop, public, stock], kind: table, columns: [{name: id}]}
-- sources/dw/shop/secret/pay.yaml --
kind: DataSource
metadata: {name: pay}
spec: {connection: dw, path: [shop, secret, pay], kind: table, tags: [sales], columns: [{name: id}]}
-- sources/dw/shopping/public/list.yaml --
kind: DataSource
metadata: {name: list}
spec: {connection: dw, path: [shopping, public, list], kind: table, columns: [{name: id}]}
-- domains/sales.yaml --
kind: Domain
metadata: {name: sales}
spec: {owner: ana, members: {match: {tags: [sales]}, sources: [dw/shop/public/stock]}, permissions: {manageDataProducts: [{group: outer}], managePolicies: [{user: bob}]}}
-- domains/pay.yaml --
kind: Domain
metadata: {name: pay}
spec: {owner: ana, members: {match: {paths: ["dw/*/secret/**"]}}}
-- products/orders.yaml --
kind: DataProduct
metadata: {name: orders}
spec: {domain: sales, sources: [{match: {tags: [sales]}}, {source: dw/shop/public/stock}, {source: dw/shop/public/orders}, {source: gone}], subjectMatterExpert: {user: bob}, maxDuration: 90d}
-- products/lost.yaml --
kind: DataProduct
metadata: {name: lost}
spec: {domain: nowhere, sources: [{match: {tags: [sales], paths: ["dw/shop/public/*"]}}, {match: {}}]}
`

func TestSourcesOfListsAndMatchesOnce(t *testing.T) {
	s := setOf(t, people+sources)
	for product, want := range map[resource.Name][]resource.Name{
		"orders": {"dw/shop/public/orders", "dw/shop/public/stock", "dw/shop/secret/pay"},
		"lost":   {"dw/shop/public/orders"}, // tags and paths must both hold; an empty match selects nothing
	} {
		p, _ := resource.Get[*resource.DataProduct](s, resource.KindDataProduct, product)
		if diff := cmp.Diff(want, names(resource.SourcesOf(s, p))); diff != "" {
			t.Errorf("%s: %s", product, diff)
		}
	}
}

func TestSourcesOfTargetStopsAtSegmentEnds(t *testing.T) {
	s := setOf(t, people+sources)
	for path, want := range map[string]int{"dw": 4, "dw/shop": 3, "dw/shop/": 3, "dw/shop/public": 2, "dw/sho": 0, "d": 0} {
		if got := len(resource.SourcesOfTarget(s, resource.Target{Path: path})); got != want {
			t.Errorf("path %s covers %d sources, want %d", path, got, want)
		}
	}
}

func names(list []*resource.DataSource) []resource.Name {
	var out []resource.Name
	for _, d := range list {
		out = append(out, d.Ref().Name)
	}
	return out
}

func TestDomainOfTarget(t *testing.T) {
	s := setOf(t, people+sources)
	for _, tc := range []struct {
		name   string
		target resource.Target
		want   resource.Name
		ok     bool
	}{
		{"a product's own", resource.Target{Product: "orders"}, "sales", true},
		{"a product of an unknown domain", resource.Target{Product: "lost"}, "nowhere", false},
		{"an unknown product", resource.Target{Product: "ghost"}, "", false},
		{"a source by tag", resource.Target{Source: "dw/shop/public/orders"}, "sales", true},
		{"a listed source", resource.Target{Source: "dw/shop/public/stock"}, "sales", true},
		{"a source of two domains", resource.Target{Source: "dw/shop/secret/pay"}, "", false},
		{"a source of none", resource.Target{Source: "dw/shopping/public/list"}, "", false},
		{"a path of one domain", resource.Target{Path: "dw/shop/public"}, "sales", true},
		{"a path of two domains", resource.Target{Path: "dw/shop"}, "", false},
		{"a path without sources", resource.Target{Path: "dw/none"}, "", false},
		{"nothing", resource.Target{}, "", false},
	} {
		got, ok := resource.DomainOfTarget(s, tc.target)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: DomainOfTarget = %q, %v; want %q, %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestStewards(t *testing.T) {
	s := setOf(t, people+sources)
	product := resource.Target{Product: "orders"}
	for _, tc := range []struct {
		name   string
		source resource.StewardSource
		target resource.Target
		want   []resource.Name
	}{
		{"user", resource.StewardSource{User: "ana"}, product, []resource.Name{"ana"}},
		{"user who left", resource.StewardSource{User: "cy"}, product, nil},
		{"unknown user", resource.StewardSource{User: "ghost"}, product, nil},
		{"service account", resource.StewardSource{User: "etl"}, product, nil},
		{"group without the one who left and the service account", resource.StewardSource{Group: "outer"}, product, []resource.Name{"ana", "bob"}},
		{"attribute", resource.StewardSource{Attribute: &resource.AttributeMatch{Key: "role", Value: "dpo"}}, product, []resource.Name{"ana"}},
		{"attribute without a key", resource.StewardSource{Attribute: &resource.AttributeMatch{}}, product, nil},
		{"permission", resource.StewardSource{Permission: resource.PermissionGovernance}, product, []resource.Name{"bob"}},
		{"domain permission", resource.StewardSource{DomainPermission: resource.ManageDataProducts}, product, []resource.Name{"ana", "bob"}},
		{"domain permission nobody has", resource.StewardSource{DomainPermission: resource.AuditActivity}, product, nil},
		{"domain permission without a domain", resource.StewardSource{DomainPermission: resource.ManageDataProducts}, resource.Target{Source: "dw/shopping/public/list"}, nil},
		{"domain permission between two domains", resource.StewardSource{DomainPermission: resource.ManageDataProducts}, resource.Target{Source: "dw/shop/secret/pay"}, nil},
		{"expert of a product", resource.StewardSource{SubjectMatterExpert: true}, product, []resource.Name{"bob"}},
		{"expert of a source", resource.StewardSource{SubjectMatterExpert: true}, resource.Target{Source: "dw/shop/public/orders"}, []resource.Name{"ana"}},
		{"expert of a path", resource.StewardSource{SubjectMatterExpert: true}, resource.Target{Path: "dw"}, nil},
		{"nothing", resource.StewardSource{}, product, nil},
		{"two things", resource.StewardSource{User: "ana", Group: "outer"}, product, nil},
	} {
		got := resource.Stewards(s, tc.source, tc.target, noon)
		if len(got) == 0 && len(tc.want) == 0 {
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}
