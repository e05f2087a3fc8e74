package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

func drifts(found []plan.Drift) []string {
	var out []string
	for _, d := range found {
		text := string(d.Kind) + " " + string(d.Role.Scope.Name)
		if d.Principal != "" {
			text += " " + d.Principal
		}
		if d.Reason != "" {
			text += " (" + string(d.Reason) + ")"
		}
		for _, w := range d.What {
			text += "; " + w.String()
		}
		out = append(out, text)
	}
	return out
}

func TestDriftSaysWhatDiffersBothWays(t *testing.T) {
	hide := resource.Mask{Type: resource.MaskNull}
	orders, people := table("orders", "id", "total"), table("people", "id", "email")
	readOnly := table("orders", "id", "total")
	readOnly.ReadOnly = true
	mark := grant.Object{Path: []string{"shop", "", "assent_a_read"}, Kind: grant.AlteredRole}
	where := strings.Join(orders.Path, ".")
	for _, tt := range []struct {
		name      string
		want, had grant.State
		applied   string
		unread    [][]string
		drift     []string
	}{
		{name: "nothing", want: state([]grant.Role{role("a", orders)}, allow("a", "ana", "r")), had: state([]grant.Role{role("a", orders)}, allow("a", "ana", "r"))},
		{
			name: "members", applied: "ana",
			want:  state([]grant.Role{role("a", orders)}, allow("a", "ana", "r"), allow("a", "ben", "q")),
			had:   state([]grant.Role{role("a", orders)}, allow("a", "eve")),
			drift: []string{"missing a ana (drift)", "missing a ben (approved)", "extra a eve (unexpected)"},
		},
		{
			name:  "an end",
			want:  state([]grant.Role{role("a", orders)}, until(allow("a", "ana", "r"), end)),
			had:   state([]grant.Role{role("a", orders)}, until(allow("a", "ana", "q"), time.Time{})),
			drift: []string{"altered a ana (approved); ends never and should end " + end.Format("2006-01-02 15:04:05Z") + "; is booked for q and rests on r"},
		},
		{
			name: "roles", want: state([]grant.Role{role("a", orders)}), had: state([]grant.Role{role("b", orders)}),
			drift: []string{"missing a (product)", "extra b (product)"},
		},
		{
			name: "objects", want: state([]grant.Role{role("a", orders)}), had: state([]grant.Role{role("a", people)}),
			drift: []string{"altered a (product); " + where + " is not open; " + strings.Join(people.Path, ".") + " is open with id, email clear and should not be"},
		},
		{
			name: "past its view", want: state([]grant.Role{role("a", masked(orders, 0, hide))}), had: state([]grant.Role{role("a", masked(orders, 0, hide), orders)}),
			drift: []string{"altered a (product); " + where + " is open with id, total clear and should not be"},
		},
		{
			name: "columns", want: state([]grant.Role{role("a", masked(table("orders", "id", "total"), 1, hide))}),
			had:   state([]grant.Role{role("a", table("orders", "total", "more"))}),
			drift: []string{"altered a (product); " + where + " hides column id; " + where + " shows column total clear; " + where + " shows column more"},
		},
		{
			name: "masks", want: state([]grant.Role{role("a", masked(masked(table("orders", "id", "total"), 0, hide), 1, resource.Mask{}))}),
			had:   state([]grant.Role{role("a", masked(masked(table("orders", "id", "total"), 0, resource.Mask{Type: resource.MaskHash}), 1, resource.Mask{}))}),
			drift: []string{"altered a (product); " + where + " masks column id in another way"},
		},
		{
			name: "writing", want: state([]grant.Role{role("a", readOnly)}), had: state([]grant.Role{role("a", orders)}),
			drift: []string{"altered a (product); " + where + " can be written"},
		},
		{
			name: "attributes", want: state([]grant.Role{role("a", orders)}), had: state([]grant.Role{role("a", mark, orders)}),
			drift: []string{"altered a (product); is not as it was made"},
		},
		{
			name: "unread", want: state([]grant.Role{role("a", orders), role("b", orders, people)}), had: state([]grant.Role{role("a", people), role("b", people)}),
			unread: [][]string{orders.Path}, drift: []string{"altered a (product); " + strings.Join(people.Path, ".") + " is open with id, email clear and should not be", "unknown b (product)"},
		},
		{
			name: "unread schema", want: state([]grant.Role{role("a", orders)}), had: state(nil),
			unread: [][]string{orders.Path[:2]}, drift: []string{"unknown a (product)"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			desired := plan.Desired{State: tt.want, Applied: map[grant.Key]bool{}}
			for _, g := range tt.want.Grants {
				desired.Applied[g.Key()] = g.Principal == tt.applied
			}
			got := plan.FindDrift(desired, plan.Observed{Connection: "warehouse", State: tt.had}, tt.unread)
			if d := cmp.Diff(tt.drift, drifts(got)); d != "" {
				t.Errorf("drift (-want +got):\n%s", d)
			}
		})
	}
}

// There is drift exactly where there is something to change, and each has words.
func TestDriftIsWhereAPlanIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := plan.Desired{State: anyState(t, "desired")}
		o := plan.Observed{Connection: "warehouse", State: anyState(t, "observed")}
		p, _ := plan.Compute(desired, []plan.Observed{o}, plan.Limits{Count: 1000})
		found := plan.FindDrift(desired, o, nil)
		if len(found) != len(p.Changes) {
			t.Fatalf("%d changes, %d differences: %v", len(p.Changes), len(found), drifts(found))
		}
		for _, d := range found {
			if d.Kind == plan.DriftAltered && len(d.What) == 0 {
				t.Fatalf("%+v is altered in no way", d)
			}
		}
	})
}
