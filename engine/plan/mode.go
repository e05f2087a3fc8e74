package plan

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// heed parts the changes that mode enforce would make into those that the mode of
// each role allows, and those that it leaves to people. See resource.Mode.
//
//	change                                  observe     adopt
//	revoke, expired or withdrawn            made        made
//	revoke, moved; every request lives on   left        made, unless the new role is left
//	revoke, moved; otherwise                made        made
//	revoke, unexpected                      left        left
//	retire                                  left        left while somebody stays in it
//	provision, of a role that shows more    left        left
//	  than the ledger says we made of it
//	provision, otherwise                    left        made
//	extend, to an earlier end               left        made
//	extend, grant                           left        made, unless the role is left
//
// A grant that observe leaves at its longer end is revoked at the shorter one,
// because its requests have ended then.
func heed(desired Desired, o Observed, changes []Change) (made, left []Change) {
	if desired.Mode == nil {
		return changes, nil
	}
	wanted := grantsOf(desired.State, o.Connection)
	h := heeder{
		desired: desired, modes: map[grant.RoleKey]resource.Mode{}, places: placesOf(wanted),
		stays: map[grant.RoleKey]bool{}, shut: map[grant.RoleKey]bool{},
	}
	for _, c := range changes {
		switch key := c.RoleKey(); {
		case c.Action == Revoke && c.Reason == ReasonUnexpected:
			h.stays[key] = true
		case c.Action == Provision && c.PriorRole != nil:
			h.shut[key] = h.mode(key) != resource.ModeEnforce && showsMore(*c.PriorRole, *c.Role, desired.AppliedRoles[key])
		}
	}
	for _, c := range changes {
		if h.makes(c) {
			made = append(made, c)
		} else {
			left = append(left, c)
		}
	}
	return made, left
}

type heeder struct {
	desired     Desired
	modes       map[grant.RoleKey]resource.Mode
	places      map[place]grant.Grant // what is wanted
	stays, shut map[grant.RoleKey]bool
}

func (h *heeder) mode(key grant.RoleKey) resource.Mode {
	mode, ok := h.modes[key]
	if !ok {
		mode = h.desired.Mode(key)
		h.modes[key] = mode
	}
	return mode
}

func (h *heeder) makes(c Change) bool {
	key := c.RoleKey()
	mode := h.mode(key)
	if mode == resource.ModeEnforce {
		return true
	}
	adopts := mode == resource.ModeAdopt
	switch {
	case c.Action == Revoke && c.Reason == ReasonMoved && h.livesOn(*c.Grant):
		return adopts && !h.shut[h.places[placeOf(*c.Grant)].RoleKey]
	case c.Action == Revoke:
		return c.Reason != ReasonUnexpected
	case !adopts:
		return false
	case c.Action == Retire:
		return !h.stays[key]
	case c.Action == Extend && earlier(*c.Grant, *c.PriorGrant):
		return true
	default:
		return !h.shut[key]
	}
}

// livesOn reports whether every request of a grant justifies the one that its
// principal moves to as well.
func (h *heeder) livesOn(g grant.Grant) bool {
	to := h.places[placeOf(g)]
	return !slices.ContainsFunc(g.Requests, func(r resource.Ref) bool { return !slices.Contains(to.Requests, r) })
}

func earlier(g, prior grant.Grant) bool {
	return !g.NotAfter.IsZero() && (prior.NotAfter.IsZero() || g.NotAfter.Before(prior.NotAfter))
}

// showsMore reports whether a role shows anything beyond what is wanted that we
// did not make it show: an object, a column, or a column without
// its mask.
func showsMore(there, want, made grant.Role) bool {
	known := map[string]grant.Object{}
	for _, o := range made.Objects {
		known[pathKey(o)] = o
	}
	for _, p := range pairs(there.Objects, want.Objects) {
		if p.was == nil || p.will != nil && !beyond(*p.was, *p.will) {
			continue
		}
		if ours, ok := known[pathKey(*p.was)]; !ok || beyond(*p.was, ours) {
			return true
		}
	}
	return false
}

// beyond reports whether an object shows or lets change more than another.
func beyond(o, than grant.Object) bool {
	if than.ReadOnly && !o.ReadOnly {
		return true
	}
	return slices.ContainsFunc(o.Columns, func(c grant.Column) bool {
		i := slices.IndexFunc(than.Columns, func(d grant.Column) bool { return d.Name == c.Name })
		return i < 0 || than.Columns[i].Mask != nil && !sameColumn(c, than.Columns[i])
	})
}

func pathKey(o grant.Object) string { return strings.Join(o.Path, "\x00") }
