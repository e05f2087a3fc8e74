package grant_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// draft is a request file in the making, for tests that edit it.
type draft struct {
	kind, target, people, columns, level, duration, until, notBefore, purpose string
}

func (d draft) text(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%skind: AccessRequest\nmetadata: {name: %s}\nspec:\n  type: %s\n  target: %s\n  requester: ana\n  beneficiaries: %s\n", head, name, d.kind, d.target, d.people)
	for _, f := range [][2]string{{"columns", d.columns}, {"accessLevel", d.level}, {"duration", d.duration}, {"until", d.until}, {"notBefore", d.notBefore}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "  %s: %s\n", f[0], f[1])
		}
	}
	fmt.Fprintf(&b, "  form: {name: standard, digest: \"sha256:%s\"}\n", strings.Repeat("0", 64))
	if d.purpose != "" {
		fmt.Fprintf(&b, "  answers: {purpose: %s}\n", d.purpose)
	}
	return b.String()
}

// approvedDraft is what the tests below edit: ana and ben, ten days to go, write.
func approvedDraft() draft {
	return draft{kind: "data-access", target: "{product: orders}", people: "[{user: ana}, {user: ben}]", level: "write", duration: "20d"}
}

// editable is the world with a product that also offers write.
func editable() map[string]string {
	files := world()
	files["products/orders.yaml"] += "  accessLevels: [read, write]\n"
	files["directory/users/eve.yaml"] = head + "kind: User\nmetadata: {name: eve}\nspec:\n  email: eve@example.com\n"
	return files
}

// onMain is the world with some request files.
func onMain(t testing.TB, requests map[string]draft) *resource.Set {
	t.Helper()
	files := editable()
	place(files, requests)
	return load(t, files)
}

// place adds request files to a repository.
func place(files map[string]string, requests map[string]draft) {
	for name, d := range requests {
		folder := "x"
		if product, ok := strings.CutPrefix(d.target, "{product: "); ok {
			folder = strings.TrimSuffix(product, "}")
		}
		files["requests/"+folder+"/"+name+".yaml"] = d.text(name)
	}
}

// decided approves requests of a set ten days ago, until what they ask for.
func decided(set *resource.Set) grant.Determinations {
	out := grant.Determinations{}
	for r := range resource.Of[*resource.AccessRequest](set) {
		at := now.AddDate(0, 0, -10)
		a := grant.Approval{Request: r.Ref().Name, ContentDigest: r.Digest(), DecidedAt: at, Approved: r, Seq: 7}
		a.NotBefore, _ = r.Spec.NotBefore.Time()
		if r.Spec.Until.Stated() {
			a.Until, _ = r.Spec.Until.Time()
		} else {
			a.Until, _, _ = r.Spec.Duration.After(at)
		}
		out[a.Request] = a
	}
	return out
}

// sights renders what people see, one line a person and source.
func sights(set *resource.Set, w grant.Wish) []string {
	var out []string
	for _, s := range grant.Sights(set, w.State) {
		line := fmt.Sprintf("%s %s %s:", s.Person, s.Source[strings.LastIndexByte(string(s.Source), '/')+1:], s.Level)
		for _, c := range s.Columns {
			switch c.How {
			case grant.Clear:
				line += " " + c.Name
			case grant.Masked:
				line += " (" + c.Name + ")"
			}
		}
		if !s.Until.IsZero() {
			line += " until " + s.Until.Format("Jan 2")
		}
		out = append(out, line)
	}
	return out
}

func TestAnEditNarrowsAtOnceAndWidensOnlyAfterADetermination(t *testing.T) {
	whole := []string{
		"ana customers read: id (mail) (tax) until Dec 4", "ana orders write: id total until Dec 4",
		"ben customers read: id (mail) (tax) until Dec 4", "ben orders write: id total until Dec 4",
	}
	tests := []struct {
		name  string
		edit  func(*draft)
		want  []string
		waits string
	}{
		{"nothing", func(*draft) {}, whole, ""},
		{"the answers", func(d *draft) { d.purpose = "other" }, whole, ""},
		{"a person fewer", func(d *draft) { d.people = "[{user: ana}]" }, whole[:2], ""},
		{"a person more", func(d *draft) { d.people = "[{user: ana}, {user: ben}, {user: eve}]" }, whole, "access for eve"},
		{"one for another", func(d *draft) { d.people = "[{user: ana}, {user: eve}]" }, whole[:2], "access for eve"},
		{"a group of the same people", func(d *draft) { d.people = "[{group: team}]" }, whole, ""},
		{"only columns", func(d *draft) { d.columns = "[id]" }, []string{
			"ana customers read: id until Dec 4", "ana orders write: id until Dec 4",
			"ben customers read: id until Dec 4", "ben orders write: id until Dec 4",
		}, ""},
		{"a lower level", func(d *draft) { d.level = "read" }, []string{
			"ana customers read: id (mail) (tax) until Dec 4", "ana orders read: id total until Dec 4",
			"ben customers read: id (mail) (tax) until Dec 4", "ben orders read: id total until Dec 4",
		}, ""},
		{"no level, which is read", func(d *draft) { d.level = ""; d.people = "[{user: ana}]" }, []string{
			"ana customers read: id (mail) (tax) until Dec 4", "ana orders read: id total until Dec 4",
		}, ""},
		{"a shorter duration", func(d *draft) { d.duration = "12d"; d.people = "[{user: ana}]" }, []string{
			"ana customers read: id (mail) (tax) until Nov 26", "ana orders write: id total until Nov 26",
		}, ""},
		{"a duration that is over", func(d *draft) { d.duration = "10d" }, nil, ""},
		{"a longer duration", func(d *draft) { d.duration = "21d" }, whole, "a later end"},
		{"no end", func(d *draft) { d.duration = "indefinite" }, whole, "a later end"},
		{"an earlier date", func(d *draft) { d.duration, d.until, d.people = "", "\"2026-11-25\"", "[{user: ana}]" }, []string{
			"ana customers read: id (mail) (tax) until Nov 25", "ana orders write: id total until Nov 25",
		}, ""},
		{"a later date", func(d *draft) { d.duration, d.until = "", "\"2027-11-25\"" }, whole, "a later end"},
		{"a later start", func(d *draft) { d.notBefore = "\"2026-11-25\"" }, nil, ""},
		{"another target", func(d *draft) { d.target = "{product: events}" }, nil, "another type or target"},
		{"a part of the target", func(d *draft) { d.target = "{source: warehouse/shop/public/orders}" }, nil, "another type or target"},
		{"an exception instead", func(d *draft) { d.kind, d.columns, d.level = "masking-exception", "[mail]", "" }, nil, "another type or target"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			approvals := decided(onMain(t, map[string]draft{"r": approvedDraft()}))
			d := approvedDraft()
			tt.edit(&d)
			set := onMain(t, map[string]draft{"r": d})
			w := grant.Desired(set, approvals, now)
			if diff := cmp.Diff(tt.want, sights(set, w)); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
			got := ""
			for _, p := range w.Prevented {
				if p.State == grant.StateEdited {
					_, got, _ = strings.Cut(p.Reason, "determination: ")
				}
			}
			if got != tt.waits {
				t.Errorf("waits %q, want %q", got, tt.waits)
			}
		})
	}
}

func TestColumnsOfAnEditAreThoseThatBothMean(t *testing.T) {
	tests := []struct{ name, approved, edited, want, waits string }{
		{"fewer", "[id, mail]", "[id]", "ana customers read: id; ana orders read: id", ""},
		{"more", "[id]", "[id, mail]", "ana customers read: id; ana orders read: id", "column warehouse/shop/public/customers/mail"},
		{"all of them", "[id]", "", "ana customers read: id; ana orders read: id", "every column"},
		{"one of two tables, spelt otherwise", "[id]", "[customers.id]", "ana customers read: id", ""},
		{"others", "[id]", "[mail]", "", "column warehouse/shop/public/customers/mail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := draft{kind: "data-access", target: "{product: orders}", people: "[{user: ana}]", duration: "indefinite", columns: tt.approved}
			approvals := decided(onMain(t, map[string]draft{"r": d}))
			d.columns = tt.edited
			set := onMain(t, map[string]draft{"r": d})
			w := grant.Desired(set, approvals, now)
			if got := strings.Join(sights(set, w), "; "); got != tt.want {
				t.Errorf("seen %q, want %q", got, tt.want)
			}
			waits := ""
			for _, p := range w.Prevented {
				_, waits, _ = strings.Cut(p.Reason, "determination: ")
			}
			if waits != tt.waits {
				t.Errorf("waits %q, want %q", waits, tt.waits)
			}
		})
	}
}

// A request whose approved text nobody has any more gives nothing once edited.
func TestAnEditOfAnUnknownRequestGivesNothing(t *testing.T) {
	approvals := decided(onMain(t, map[string]draft{"r": approvedDraft()}))
	edit(approvals, "r", func(a *grant.Approval) { a.Approved = nil })
	d := approvedDraft()
	d.people = "[{user: ana}]"
	w := grant.Desired(onMain(t, map[string]draft{"r": d}), approvals, now)
	if len(w.Grants) != 0 || len(w.Prevented) != 1 || w.Prevented[0].State != grant.StateEdited {
		t.Errorf("grants %v, prevented %v", w.Grants, w.Prevented)
	}
}

func anyDraft(t *rapid.T, label string) draft {
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label+" "+what) }
	d := draft{
		kind:      pick("kind", "data-access", "data-access", "masking-exception"),
		target:    pick("target", "{product: orders}", "{product: orders}", "{source: warehouse/shop/public/customers}", "{path: warehouse/shop}"),
		people:    pick("people", "[{user: ana}]", "[{user: ben}]", "[{group: team}]", "[{user: ana}, {user: eve}]", "[{user: eve}, {group: team}]"),
		level:     pick("level", "", "read", "write"),
		notBefore: pick("notBefore", "", "", "\"2026-11-20\"", "\"2026-11-25\""),
		columns:   pick("columns", "", "", "[id]", "[mail]", "[id, mail]", "[customers.id, total]", "[warehouse/shop/public/customers/mail]", "[tax, mail]"),
		duration:  pick("duration", "12d", "20d", "3mo", "indefinite", ""),
	}
	if d.duration == "" {
		d.until = pick("until", "\"2026-11-25\"", "\"2026-12-24\"")
	}
	if d.kind == "masking-exception" {
		d.level = ""
		if d.columns == "" {
			d.columns = "[mail]"
		}
	}
	return d
}

// covers reports whether everything that a sees at an instant, b sees too.
func covers(b, a []grant.Sight) error {
	for _, s := range grant.Shifts(b, a) {
		if s.Gains() {
			return fmt.Errorf("%s sees more of %s: %+v, and not only %+v", s.Person, s.Source, s.Will, s.Was)
		}
	}
	return nil
}

// noMore checks that files on main give nobody more than the approved requests
// give, at instants before, at and after every bound; and that what a grant
// leaves open until its own end, with no engine there, is no more either.
func noMore(approved, edited *resource.Set, d grant.Determinations) error {
	at := []time.Time{now, now.AddDate(0, 0, 1), now.AddDate(0, 0, 11), now.AddDate(0, 2, 0)}
	for _, a := range d {
		for _, t := range []time.Time{a.NotBefore, a.Until} {
			if !t.IsZero() {
				at = append(at, t.Add(-time.Second), t)
			}
		}
	}
	for _, t := range at {
		got := grant.Desired(edited, d, t)
		may := grant.Sights(approved, grant.Desired(approved, d, t).State)
		if err := covers(may, grant.Sights(edited, got.State)); err != nil {
			return fmt.Errorf("at %s: %w", t, err)
		}
		for _, g := range got.Grants {
			last := g.NotAfter.Add(-time.Second)
			if g.NotAfter.IsZero() {
				last = t.AddDate(10, 0, 0)
			}
			alone := grant.Sights(edited, grant.State{Roles: got.Roles, Grants: []grant.Grant{g}})
			if err := covers(grant.Sights(approved, grant.Desired(approved, d, last).State), alone); err != nil {
				return fmt.Errorf("at %s, left alone until %s: %w", t, last, err)
			}
		}
	}
	return nil
}

func TestAnEditAloneNeverGivesMoreThanWasApproved(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]draft{"r": anyDraft(t, "approved r"), "s": anyDraft(t, "approved s")}
		approved := onMain(outer, files)
		d := decided(approved)
		edits := maps.Clone(files)
		edits["r"] = anyDraft(t, "edited r")
		if err := noMore(approved, onMain(outer, edits), d); err != nil {
			t.Fatal(err)
		}
	})
}

// However files are edited, added, removed and brought back, without a
// determination nobody ever sees what no approved request gave them.
func TestNoSequenceOfEditsReachesWhatADeterminationShouldHaveAllowed(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]draft{"r": anyDraft(t, "approved r"), "s": anyDraft(t, "approved s")}
		approved := onMain(outer, files)
		d := decided(approved)
		main := maps.Clone(files)
		for range rapid.IntRange(1, 4).Draw(t, "edits") {
			name := rapid.SampledFrom([]string{"r", "s", "new"}).Draw(t, "file")
			switch rapid.SampledFrom([]string{"edit", "edit", "remove", "swap"}).Draw(t, "what") {
			case "edit":
				main[name] = anyDraft(t, "edit of "+name)
			case "remove":
				delete(main, name)
			case "swap":
				r, hasR := main["r"]
				s, hasS := main["s"]
				if hasR && hasS {
					main["r"], main["s"] = s, r
				}
			}
			if err := noMore(approved, onMain(outer, main), d); err != nil {
				t.Fatalf("%s: %v", strings.Join(slices.Sorted(maps.Keys(main)), ", "), err)
			}
		}
	})
}
