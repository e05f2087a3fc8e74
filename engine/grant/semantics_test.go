package grant_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// The tests of this file are named after rules that people are used to from
// data marketplaces: what approvals, exceptions, guardrails and products mean
// for each other over time.

// story is a world in the making: files, approvals, and what is seen.
type story struct {
	t     *testing.T
	files map[string]string
	ends  map[resource.Name]time.Time // other than what the file asks for
	gone  map[resource.Name]bool      // approvals that were revoked
}

func newStory(t *testing.T, requests map[string]draft) *story {
	s := &story{t: t, files: editable(), ends: map[resource.Name]time.Time{}, gone: map[resource.Name]bool{}}
	place(s.files, requests)
	return s
}

func (s *story) change(file, from, to string) {
	s.t.Helper()
	if !strings.Contains(s.files[file], from) {
		s.t.Fatalf("%s does not hold %q", file, from)
	}
	s.files[file] = strings.Replace(s.files[file], from, to, 1)
}

func (s *story) at(when time.Time) (*resource.Set, grant.Wish) {
	s.t.Helper()
	set := load(s.t, s.files)
	d := decided(set)
	for name, end := range s.ends {
		edit(d, name, func(a *grant.Approval) { a.Until = end })
	}
	for name := range s.gone {
		delete(d, name)
	}
	return set, grant.Desired(set, d, when)
}

// sees compares what people see at an instant.
func (s *story) sees(when time.Time, want ...string) {
	s.t.Helper()
	set, w := s.at(when)
	if diff := cmp.Diff(want, sights(set, w)); diff != "" {
		s.t.Errorf("at %s (-want +got):\n%s", when.Format(time.RFC3339), diff)
	}
}

// prevented are the states of a request that gives less than it asks for.
func (s *story) prevented(when time.Time, request resource.Name) []string {
	s.t.Helper()
	_, w := s.at(when)
	var out []string
	for _, p := range w.Prevented {
		if p.Request == request {
			out = append(out, p.State+": "+p.Reason)
		}
	}
	return out
}

func reads(target, people string) draft {
	return draft{kind: "data-access", target: target, people: people, duration: "indefinite"}
}

func unmasks(columns, people string) draft {
	return draft{kind: "masking-exception", target: "{product: orders}", people: people, columns: columns, duration: "indefinite"}
}

func TestSemantic29_SourcesAddedToAProductReachItsMembersAndRemovedOnesLeave(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]")})
	s.change("products/orders.yaml", ", {source: warehouse/shop/public/orders}", "")
	s.sees(now, "ana customers read: id (mail) (tax)")
	s.change("products/orders.yaml", "{source: warehouse/shop/public/customers}", "{source: warehouse/shop/public/orders}")
	s.sees(now, "ana orders read: id total")
}

func TestSemantic29_ApprovalOfAParentCoversTablesThatComeLater(t *testing.T) {
	s := newStory(t, map[string]draft{
		"a": reads("{path: warehouse/shop/public}", "[{user: ana}]"), "b": reads("{path: warehouse}", "[{user: ben}]"),
	})
	text := s.files["sources/warehouse/shop/public/orders.yaml"]
	delete(s.files, "products/orders.yaml")
	delete(s.files, "sources/warehouse/shop/public/orders.yaml")
	s.sees(now, "ana customers read: id (mail) (tax)", "ben customers read: id (mail) (tax)")
	s.files["sources/warehouse/shop/public/later.yaml"] = strings.ReplaceAll(text, "orders", "later")
	s.files["sources/warehouse/shop/hr/staff.yaml"] = strings.NewReplacer("orders", "staff", "public", "hr").Replace(text)
	s.sees(now, "ana customers read: id (mail) (tax)", "ana later read: id total",
		"ben staff read: id total", "ben customers read: id (mail) (tax)", "ben later read: id total")
}

func TestSemantic30_RevokingOneApprovalKeepsWhatAnotherJustifies(t *testing.T) {
	s := newStory(t, map[string]draft{
		"a": reads("{product: orders}", "[{user: ana}]"), "b": reads("{product: orders}", "[{group: team}]"),
		"c": reads("{source: warehouse/shop/public/orders}", "[{user: ana}]"),
	})
	s.gone["b"] = true
	s.sees(now, "ana customers read: id (mail) (tax)", "ana orders read: id total")
	s.gone["a"] = true
	s.sees(now, "ana orders read: id total")
	s.gone["c"] = true
	s.sees(now)
}

func TestSemantic30_RevokingAnApprovalKeepsWhatABirthrightGives(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]")})
	s.files["products/orders.yaml"] += "  birthright: [{group: team}]\n"
	s.sees(now, "ana customers read: id (mail) (tax)", "ana orders read: id total", "ben customers read: id (mail) (tax)", "ben orders read: id total")
	s.gone["a"] = true
	s.sees(now, "ana customers read: id (mail) (tax)", "ana orders read: id total", "ben customers read: id (mail) (tax)", "ben orders read: id total")
}

// Two approvals that overlap are one grant, until the later end.
func TestSemantic30_OverlappingApprovalsExtendAndNeverDuplicateAGrant(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]"), "renewal": reads("{product: orders}", "[{user: ana}]")})
	first, second := now.AddDate(0, 0, 3), now.AddDate(0, 0, 9)
	s.ends["a"], s.ends["renewal"] = first, second
	for _, when := range []time.Time{now, first.Add(-time.Second), first, second.Add(-time.Second)} {
		_, w := s.at(when)
		if len(w.Grants) != 1 || !w.Grants[0].NotAfter.Equal(second) || w.Grants[0].Profile != grant.DefaultProfile {
			t.Errorf("at %s: %v, want one grant until %s", when, w.Grants, second)
		}
	}
	s.sees(second)
}

// What a column was approved for ends with it, also where another approval of
// the same data goes on for other columns.
func TestSemantic30_EachColumnEndsWithTheApprovalThatGaveIt(t *testing.T) {
	total, id := reads("{source: warehouse/shop/public/orders}", "[{user: ana}]"), reads("{source: warehouse/shop/public/orders}", "[{user: ana}]")
	total.columns, id.columns = "[total]", "[id]"
	s := newStory(t, map[string]draft{"a": total, "b": id})
	end := now.AddDate(0, 0, 3)
	s.ends["a"] = end
	s.sees(now, "ana orders read: id total until Nov 27")
	s.sees(end, "ana orders read: id")
}

func TestSemantic31_AGuardrailLeavesAnApprovedRequestWithoutEffectAndSaysSo(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]"), "m": unmasks("[tax]", "[{user: ana}]")})
	s.sees(now, "ana customers read: id (mail) (tax)", "ana orders read: id total")
	if got := s.prevented(now, "m"); !slices.Equal(got, []string{"prevented: guardrail tax keeps tax of warehouse/shop/public/customers masked"}) {
		t.Errorf("prevented %q", got)
	}
	s.change("masking/tax.yaml", "guardrail: true", "guardrail: false")
	s.sees(now, "ana customers read: id (mail) tax", "ana orders read: id total")
	if got := s.prevented(now, "m"); got != nil {
		t.Errorf("still prevented: %q", got)
	}
}

func TestSemantic32_AnExceptionIsOfOnePersonAndColumnAndGivesNoAccess(t *testing.T) {
	s := newStory(t, map[string]draft{"m": unmasks("[mail]", "[{user: ana}]")})
	s.sees(now)
	place(s.files, map[string]draft{"a": reads("{product: orders}", "[{group: team}]")})
	s.sees(now, "ana customers read: id mail (tax)", "ana orders read: id total",
		"ben customers read: id (mail) (tax)", "ben orders read: id total")
	s.gone["a"] = true
	s.sees(now)
	// It lifts the mask for access that comes another way, too.
	place(s.files, map[string]draft{"s": reads("{source: warehouse/shop/public/customers}", "[{user: ana}]")})
	s.sees(now, "ana customers read: id mail (tax)")
}

func TestSemantic33_OverlappingExceptionsEndSeparatelyForEachColumn(t *testing.T) {
	s := newStory(t, map[string]draft{
		"a": reads("{product: orders}", "[{user: ana}]"),
		"m": unmasks("[mail]", "[{user: ana}]"), "n": unmasks("[id, mail]", "[{user: ana}]"), "o": unmasks("[name]", "[{user: ana}]"),
	})
	s.change("sources/warehouse/shop/public/customers.yaml", "{name: id}", "{name: id, tags: [pii.mail]}\n    - {name: name, tags: [pii.mail]}")
	first, second := now.AddDate(0, 0, 2), now.AddDate(0, 0, 5)
	s.ends["n"], s.ends["m"], s.ends["o"] = first, second, now.AddDate(0, 0, 9)
	rest := func(until string) string { return "ana orders read: id total" + until }
	s.sees(now, "ana customers read: id name mail (tax) until Nov 26", rest(" until Nov 26"))
	s.sees(first, "ana customers read: (id) name mail (tax) until Nov 29", rest(" until Nov 29"))
	s.sees(second, "ana customers read: (id) name (mail) (tax) until Dec 3", rest(" until Dec 3"))
	s.sees(now.AddDate(0, 0, 9), "ana customers read: (id) (name) (mail) (tax)", rest(""))
}

// The role that somebody moves to when an exception ends is wanted before, with
// the same objects, so that the move waits for nothing.
func TestSemantic33_TheNextProfileIsMadeAhead(t *testing.T) {
	s := newStory(t, map[string]draft{
		"a": reads("{product: orders}", "[{user: ana}]"), "m": unmasks("[mail]", "[{user: ana}]"), "o": unmasks("[name]", "[{user: ana}]"),
	})
	s.change("sources/warehouse/shop/public/customers.yaml", "{name: id}", "{name: id}\n    - {name: name, tags: [pii.mail]}")
	first, second := now.AddDate(0, 0, 2), now.AddDate(0, 0, 5)
	s.ends["m"], s.ends["o"] = first, second
	_, had := s.at(now)
	for _, at := range []time.Time{first, second} {
		_, w := s.at(at)
		role := w.Grants[0].RoleKey
		find := func(w grant.Wish) *grant.Role {
			i := slices.IndexFunc(w.Roles, func(r grant.Role) bool { return r.RoleKey == role })
			if i < 0 {
				return nil
			}
			return &w.Roles[i]
		}
		before, after := find(had), find(w)
		if before == nil || !reflect.DeepEqual(before, after) || role == had.Grants[0].RoleKey {
			t.Errorf("%s: %v before, %v then", at, before, after)
		}
		had = w
	}
}

// A column that a longer exception still lifts is not masked in between.
func TestSemantic33_TheLongerOfTwoExceptionsForOneColumnCounts(t *testing.T) {
	s := newStory(t, map[string]draft{
		"a": reads("{product: orders}", "[{user: ana}]"), "m": unmasks("[mail]", "[{user: ana}]"), "n": unmasks("[mail]", "[{user: ana}]"),
	})
	s.ends["m"], s.ends["n"] = now.AddDate(0, 0, 2), now.AddDate(0, 0, 5)
	_, w := s.at(now)
	if len(w.Grants) != 1 || !w.Grants[0].NotAfter.Equal(s.ends["n"]) {
		t.Errorf("%v, want one grant until %s", w.Grants, s.ends["n"])
	}
	s.sees(s.ends["m"], "ana customers read: id mail (tax) until Nov 29", "ana orders read: id total until Nov 29")
}

func TestSemantic34_SuspendedKeepsApprovalsAndTheirClock(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]")})
	end := now.AddDate(0, 0, 3)
	s.ends["a"] = end
	s.files["products/orders.yaml"] += "  state: suspended\n"
	s.sees(now)
	if got := s.prevented(now, "a"); !slices.Equal(got, []string{"suspended: data product orders is suspended"}) {
		t.Errorf("prevented %q", got)
	}
	s.change("products/orders.yaml", "suspended", "published")
	s.sees(now.AddDate(0, 0, 1), "ana customers read: id (mail) (tax) until Nov 27", "ana orders read: id total until Nov 27")
	s.sees(end)
}

func TestSemantic35_WhatIsRegisteredLaterResolvesByItself(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{source: warehouse/shop/public/later}", "[{user: ana}]")})
	s.sees(now)
	if got := s.prevented(now, "a"); len(got) != 1 || !strings.HasPrefix(got[0], "missing: ") {
		t.Errorf("prevented %q", got)
	}
	s.files["sources/warehouse/shop/public/later.yaml"] = strings.ReplaceAll(s.files["sources/warehouse/shop/public/orders.yaml"], "orders", "later")
	s.sees(now, "ana later read: id total")
}

func TestSemantic37_RegisteringAConnectionWantsNothingOfIt(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{path: warehouse}", "[{user: ana}]")})
	s.change("connections/warehouse.yaml", "mode: enforce", "mode: observe")
	_, w := s.at(now)
	for _, r := range w.Roles {
		if r.Connection == "warehouse" {
			t.Errorf("role %s is desired", r.RoleName())
		}
	}
	if len(w.Grants) != 0 {
		t.Errorf("%v", w.Grants)
	}
}

func TestSemantic38_ARequestNextToABirthrightTakesNothingFromAnybody(t *testing.T) {
	s := newStory(t, nil)
	s.files["products/orders.yaml"] += "  birthright: [{group: team}]\n"
	set, before := s.at(now)
	was := grant.Sights(set, before.State)
	for name, d := range map[string]draft{
		"whole": reads("{product: orders}", "[{user: ana}]"), "columns": {kind: "data-access", target: "{product: orders}", people: "[{user: ben}]", columns: "[id]", duration: "10d"},
		"exception": unmasks("[mail]", "[{user: ana}]"),
	} {
		next := newStory(t, map[string]draft{name: d})
		next.files["products/orders.yaml"] = s.files["products/orders.yaml"]
		set, w := next.at(now)
		for _, shift := range grant.Shifts(was, grant.Sights(set, w.State)) {
			if shift.Loses() {
				t.Errorf("%s: %s loses of %s", name, shift.Person, shift.Source)
			}
		}
	}
}

// Two people behind one account are one for the platform: what ends for one
// stays while the other has it, and nobody is told otherwise.
func TestSemantic39_ASharedAccountHasWhatAnyOfItsPeopleHas(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]"), "b": reads("{product: orders}", "[{user: ben}]")})
	for _, who := range []string{"ana", "ben"} {
		s.files["directory/users/"+who+".yaml"] = head + "kind: User\nmetadata: {name: " + who + "}\nspec:\n  email: " + who + "@example.com\n  accounts: {warehouse: shared}\n"
	}
	s.gone["a"] = true
	set, w := s.at(now)
	if len(w.Grants) != 1 || w.Grants[0].Principal != "shared" {
		t.Fatalf("grants %v", w.Grants)
	}
	for _, who := range []resource.Name{"ana", "ben"} {
		if !slices.ContainsFunc(grant.Sights(set, w.State), func(x grant.Sight) bool { return x.Person == who && x.Level == resource.Read }) {
			t.Errorf("%s is not said to see the data", who)
		}
	}
}

// A source that no longer matches leaves the product, and comes back with its tag.
func TestSemantic40_ASourceThatLosesItsTagLeavesTheProductAndComesBack(t *testing.T) {
	s := newStory(t, map[string]draft{"a": reads("{product: orders}", "[{user: ana}]")})
	s.change("products/orders.yaml", "sources: [{source: warehouse/shop/public/customers}, {source: warehouse/shop/public/orders}]",
		"sources: [{source: warehouse/shop/public/customers}, {match: {tags: [sales]}}]")
	s.sees(now, "ana customers read: id (mail) (tax)")
	s.change("sources/warehouse/shop/public/orders.yaml", "  kind: table\n", "  kind: table\n  tags: [sales.orders]\n")
	s.sees(now, "ana customers read: id (mail) (tax)", "ana orders read: id total")
	s.change("sources/warehouse/shop/public/orders.yaml", "sales.orders", "other")
	s.sees(now, "ana customers read: id (mail) (tax)")
}
