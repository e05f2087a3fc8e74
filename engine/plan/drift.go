package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// DriftKind says which way a platform differs from what should be.
type DriftKind string

// The kinds of drift, in the order they are listed.
const (
	DriftMissing DriftKind = "missing" // wanted, and not there
	DriftExtra   DriftKind = "extra"   // there by our hand or on a role of ours, and not wanted
	DriftAltered DriftKind = "altered" // there, but not as it should be
	DriftUnknown DriftKind = "unknown" // could not be read, so neither missing nor gone
)

// Drift is one difference between what should be and what a platform holds.
type Drift struct {
	Kind DriftKind     `json:"kind"`
	Role grant.RoleKey `json:"role"`
	// Principal is the account whose membership differs; empty where the role
	// itself does.
	Principal string `json:"principal,omitempty"`
	Reason    Reason `json:"reason,omitempty"`
	// Requests justify the membership, or did.
	Requests []resource.Ref `json:"requests,omitempty"`
	// What says what differs.
	What []Difference `json:"what,omitempty"`
}

// Difference is one thing that is not as it should be.
type Difference struct {
	Path []string `json:"path,omitempty"` // the object that it is about; none for the role or the grant itself
	Text string   `json:"text"`           // a clause whose subject is the object, such as "shows column email"
	// Vague says that the platform may know better what happened.
	Vague bool `json:"-"`
}

// String is the difference with its subject.
func (d Difference) String() string {
	return strings.TrimPrefix(strings.Join(d.Path, ".")+" "+d.Text, " ")
}

// Compare orders drift by kind, role and principal.
func (d Drift) Compare(o Drift) int {
	kinds := []DriftKind{DriftMissing, DriftExtra, DriftAltered, DriftUnknown}
	return cmp.Or(slices.Index(kinds, d.Kind)-slices.Index(kinds, o.Kind), d.Role.Compare(o.Role), cmp.Compare(d.Principal, o.Principal))
}

// FindDrift compares one platform with what should be, without any limit.
// unread are the paths that could not be read, objects or all below a prefix: a
// difference that only they make is unknown.
//
//	change                    drift
//	grant                     missing
//	extend                    altered
//	revoke                    extra
//	retire                    extra
//	provision, no role        missing
//	provision, other objects  altered
func FindDrift(desired Desired, o Observed, unread [][]string) []Drift {
	var out []Drift
	for _, c := range diff(desired, o) {
		out = append(out, driftOf(c, unread))
	}
	slices.SortFunc(out, Drift.Compare)
	return out
}

func driftOf(c Change, unread [][]string) Drift {
	d := Drift{Role: c.RoleKey(), Reason: c.Reason}
	if g := c.Grant; g != nil {
		d.Principal, d.Requests = g.Principal, g.Requests
	}
	switch c.Action {
	case Allow:
		d.Kind = DriftMissing
	case Revoke, Retire:
		d.Kind = DriftExtra
	case Extend:
		d.Kind, d.What = DriftAltered, grantDifferences(*c.PriorGrant, *c.Grant)
	default:
		d.Kind = DriftMissing
		had := grant.Role{}
		if c.PriorRole != nil {
			d.Kind, had = DriftAltered, *c.PriorRole
		}
		var hidden bool
		d.What, hidden = RoleDifferences(had, *c.Role, unread)
		if hidden && len(d.What) == 0 {
			d.Kind = DriftUnknown
		}
		if d.Kind == DriftMissing {
			d.What = nil // all of it is missing
		}
	}
	return d
}

func grantDifferences(had, want grant.Grant) []Difference {
	var out []Difference
	if !had.NotAfter.Equal(want.NotAfter) {
		out = append(out, Difference{Text: fmt.Sprintf("ends %s and should end %s", end(had), end(want))})
	}
	if !slices.Equal(had.Requests, want.Requests) {
		out = append(out, Difference{Text: fmt.Sprintf("is booked for %s and rests on %s", names(had.Requests), names(want.Requests))})
	}
	return out
}

func end(g grant.Grant) string {
	if g.NotAfter.IsZero() {
		return "never"
	}
	return g.NotAfter.UTC().Format("2006-01-02 15:04:05Z")
}

func names(refs []resource.Ref) string {
	var out []string
	for _, r := range refs {
		out = append(out, string(r.Name))
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// RoleDifferences says what of a role is not as it should be, object by object.
// What concerns a path that could not be read is left out, and hidden tells so.
func RoleDifferences(had, want grant.Role, unread [][]string) (what []Difference, hidden bool) {
	tell := func(path []string, vague bool, text string) {
		if covered(unread, path) {
			hidden = true
			return
		}
		what = append(what, Difference{Path: path, Text: text, Vague: vague})
	}
	matched := map[int]bool{}
	for _, w := range want.Objects {
		i := slices.IndexFunc(had.Objects, func(o grant.Object) bool { return slices.Equal(o.Path, w.Path) })
		matched[i] = true
		switch {
		case i < 0:
			tell(w.Path, true, "is not open")
		case len(had.Objects[i].Columns) == 0:
			tell(w.Path, true, "is not open as it should be")
		default:
			for _, text := range objectDifferences(had.Objects[i], w) {
				tell(w.Path, false, text)
			}
		}
	}
	for i, o := range had.Objects {
		switch {
		case matched[i]:
		case o.Kind == grant.AlteredRole:
			tell(nil, true, "is not as it was made")
		default:
			tell(o.Path, false, "is open"+with(o)+" and should not be")
		}
	}
	return what, hidden
}

// with names the clear columns of an object.
func with(o grant.Object) string {
	var names []string
	for _, c := range o.Columns {
		if c.Mask == nil {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " with " + strings.Join(names, ", ") + " clear"
}

func objectDifferences(had, want grant.Object) []string {
	find := func(o grant.Object, name string) (grant.Column, bool) {
		for _, c := range o.Columns {
			if c.Name == name {
				return c, true
			}
		}
		return grant.Column{}, false
	}
	var out []string
	for _, w := range want.Columns {
		c, ok := find(had, w.Name)
		switch {
		case !ok:
			out = append(out, "hides column "+w.Name)
		case c.Mask == nil && w.Mask != nil:
			out = append(out, "shows column "+w.Name+" clear")
		case c.Mask != nil && w.Mask == nil:
			out = append(out, "masks column "+w.Name)
		case c.Mask != nil && *c.Mask != *w.Mask:
			out = append(out, "masks column "+w.Name+" in another way")
		}
	}
	for _, c := range had.Columns {
		if _, ok := find(want, c.Name); !ok {
			out = append(out, "shows column "+c.Name)
		}
	}
	if had.ReadOnly && !want.ReadOnly {
		out = append(out, "cannot be written")
	}
	if !had.ReadOnly && want.ReadOnly {
		out = append(out, "can be written")
	}
	if len(out) == 0 && !slices.EqualFunc(had.Columns, want.Columns, sameColumn) {
		out = append(out, "has its columns in another order")
	}
	return out
}

// covered reports whether a path, or something above it, could not be read.
func covered(unread [][]string, path []string) bool {
	return slices.ContainsFunc(unread, func(u []string) bool {
		return len(u) > 0 && len(u) <= len(path) && slices.Equal(u, path[:len(u)])
	})
}
