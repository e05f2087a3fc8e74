package grant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

func previewLines(p grant.Preview) []string {
	var out []string
	for _, r := range p.Rows {
		var columns []string
		for _, c := range r.Columns {
			columns = append(columns, fmt.Sprintf("%s %s>%s", c.Name, c.Now, c.Then))
		}
		level := func(l resource.AccessLevel) string {
			if l == "" {
				return "none"
			}
			return string(l)
		}
		line := fmt.Sprintf("%s %s %s>%s: %s", r.Person, r.Source[strings.LastIndexByte(string(r.Source), '/')+1:], level(r.Now), level(r.Then), strings.Join(columns, ", "))
		if len(r.Prevented) > 0 {
			line += "; " + strings.Join(r.Prevented, "; ")
		}
		out = append(out, line)
	}
	return out
}

func TestPreview(t *testing.T) {
	reading := draft{kind: "data-access", target: "{product: orders}", people: "[{user: ana}]", duration: "20d"}
	with := func(change func(*draft)) draft { d := reading; change(&d); return d }
	tests := []struct {
		name   string
		has    map[string]draft
		asks   draft
		change func(map[string]string)
		want   []string
	}{
		{"nothing yet", nil, reading, nil, []string{
			"ana customers none>read: id hidden>clear, mail hidden>masked, tax hidden>masked",
			"ana orders none>read: id hidden>clear, total hidden>clear",
		}},
		{"more of what is there", map[string]draft{"r": with(func(d *draft) { d.columns = "[total]" })}, reading, nil, []string{
			"ana customers none>read: id hidden>clear, mail hidden>masked, tax hidden>masked",
			"ana orders read>read: id hidden>clear, total clear>clear",
		}},
		{"an exception for a guardrail", map[string]draft{"r": reading}, with(func(d *draft) { d.kind, d.columns = "masking-exception", "[mail, tax]" }), nil, []string{
			"ana customers read>read: id clear>clear, mail masked>clear, tax masked>masked; guardrail tax keeps tax masked",
			"ana orders read>read: id clear>clear, total clear>clear",
		}},
		{"an exception without access", nil, with(func(d *draft) {
			d.kind, d.columns, d.target = "masking-exception", "[mail]", "{source: warehouse/shop/public/customers}"
		}), nil, []string{
			"ana customers none>none: id hidden>hidden, mail hidden>hidden, tax hidden>hidden; an exception alone gives no access: the person has no access to this data",
		}},
		{"writing behind a mask", nil, with(func(d *draft) { d.level = "write" }), nil, []string{
			"ana customers none>read: id hidden>clear, mail hidden>masked, tax hidden>masked; a table with masked columns can be read, and not written",
			"ana orders none>write: id hidden>clear, total hidden>clear",
		}},
		{"suspended", nil, reading, func(f map[string]string) { f["products/orders.yaml"] += "  state: suspended\n" }, []string{
			"ana customers none>none: id hidden>hidden, mail hidden>hidden, tax hidden>hidden; data product orders is suspended",
			"ana orders none>none: id hidden>hidden, total hidden>hidden; data product orders is suspended",
		}},
		{"unmapped, left, observed", nil, with(func(d *draft) { d.target, d.people = "{product: events}", "[{user: ana}, {user: ben}, {user: dan}]" }), nil, []string{
			"ana events none>none: at hidden>hidden; user ana has no account on lake",
			"ben events none>read: at hidden>clear",
			"dan events none>none: at hidden>hidden; user dan is not active",
		}},
		{"from tomorrow", nil, with(func(d *draft) { d.notBefore, d.target = "\"2026-11-25\"", "{source: warehouse/shop/public/orders}" }), nil, []string{
			"ana orders none>read: id hidden>clear, total hidden>clear",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := editable()
			if tt.change != nil {
				tt.change(files)
			}
			place(files, tt.has)
			set := load(t, files)
			place(files, map[string]draft{"new": tt.asks})
			req, _ := resource.Get[*resource.AccessRequest](load(t, files), resource.KindAccessRequest, "new")
			p := grant.PreviewOf(set, decided(set), req, now.AddDate(0, 0, 20), now)
			if diff := cmp.Diff(tt.want, previewLines(p)); diff != "" {
				t.Errorf("preview (-want +got):\n%s", diff)
			}
			// What is shown is what becomes true.
			both := load(t, files)
			d := decided(both)
			edit(d, "new", func(a *grant.Approval) { a.DecidedAt, a.NotBefore = now, p.At })
			for _, s := range grant.Sights(both, grant.Desired(both, d, p.At).State) {
				for _, r := range p.Rows {
					if r.Person == s.Person && r.Source == s.Source && r.Then != s.Level {
						t.Errorf("shown %s, became %s for %s", r.Then, s.Level, r.Source)
					}
				}
			}
		})
	}
}

// Sights of people who have nothing are not there; and a change of files alone
// shows who would lose and who would gain.
func TestShiftsTellWhoLosesAndWhoGains(t *testing.T) {
	requests := map[string]draft{
		"a": {kind: "data-access", target: "{product: orders}", people: "[{group: team}]", duration: "20d"},
	}
	was := onMain(t, requests)
	d := decided(was)
	files := editable()
	place(files, requests)
	files["products/orders.yaml"] = strings.Replace(files["products/orders.yaml"], ", {source: warehouse/shop/public/orders}", "", 1)
	delete(files, "masking/mail.yaml")
	will := load(t, files)
	var got []string
	for _, s := range grant.Shifts(grant.Sights(was, grant.Desired(was, d, now).State), grant.Sights(will, grant.Desired(will, d, now).State)) {
		got = append(got, fmt.Sprintf("%s %s loses %t gains %t", s.Person, s.Source, s.Loses(), s.Gains()))
	}
	want := []string{
		"ana warehouse/shop/public/customers loses false gains true", "ana warehouse/shop/public/orders loses true gains false",
		"ben warehouse/shop/public/customers loses false gains true", "ben warehouse/shop/public/orders loses true gains false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shifts (-want +got):\n%s", diff)
	}
}
