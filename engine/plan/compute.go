package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// Desired is what should be, and what the ledger knows of how it came about.
type Desired struct {
	grant.State
	// Ended holds the requests whose window is over: losing only these is an
	// expiry and passes every limit.
	Ended map[resource.Name]bool
	// Now is the instant of State. A grant that is not wanted any more and whose
	// own end has passed expired, whatever became of its requests; the zero time
	// leaves that out.
	Now time.Time
	// Left holds the accounts of people who are not here any more, and of service
	// accounts that nobody answers for. What such an account loses counts as one
	// grant towards the limits, so that one leaver is never a mass revocation,
	// and many at once still are.
	Left map[grant.Account]bool
	// Applied holds the grants that the ledger says were applied and not
	// revoked since: one that is missing on the platform is drift.
	Applied map[grant.Key]bool
	// AppliedRoles holds the roles as the ledger says they were last provisioned:
	// one that is wanted just so, and is not so on the platform, is drift.
	AppliedRoles map[grant.RoleKey]grant.Role
	// Mode says the mode of a role; enforce for all where it is nil.
	Mode func(grant.RoleKey) resource.Mode
}

// Compute orders what has to change so that the observed platforms become as
// desired. Only connections among observed are planned for.
//
//	observed  desired  difference            change
//	grant     -        all requests ended,   revoke, expired: never held
//	                   or its own end passed
//	grant     -        no request at all     revoke, unexpected
//	grant     -        another role of the scope, no column less   revoke, moved
//	grant     -        otherwise             revoke, withdrawn
//	-         grant    -                     grant (drift where the ledger says applied)
//	grant     grant    end, or requests       extend
//	role      -        -                     retire
//	-         role     -                     provision (drift where the ledger says applied, just so)
//	role      role     objects               provision (likewise)
//	unknown   -        ended as above        revoke, expired
//	unknown   any      otherwise             nothing
//
// This is what mode enforce does; heed leaves out what another mode does not.
//
// When one platform would lose more than limits allow, its changes that take
// away are left out of the plan and held in a LimitError of its own.
func Compute(desired Desired, observed []Observed, limits Limits) (Plan, []*LimitError) {
	var (
		p    Plan
		held []*LimitError
	)
	for _, o := range observed {
		if o.Err != nil {
			p.Unknown = append(p.Unknown, o.Connection)
			p.Changes = append(p.Changes, dueExpiries(desired, o)...)
			continue
		}
		todo, untouched := heed(desired, o, diff(desired, o))
		p.Untouched = append(p.Untouched, untouched...)
		changes, over := limit(todo, o, desired.Left, limits)
		if over != nil {
			held = append(held, over)
		}
		p.Changes = append(p.Changes, changes...)
	}
	slices.Sort(p.Unknown)
	for _, list := range [][]Change{p.Changes, p.Untouched} {
		if !slices.IsSortedFunc(list, compareChanges) { // of one platform they are
			slices.SortStableFunc(list, compareChanges)
		}
	}
	return p, held
}

var actionOrder = []Action{Revoke, Retire, Provision, Extend, Allow}

func compareChanges(a, b Change) int {
	if a.Action != b.Action {
		return slices.Index(actionOrder, a.Action) - slices.Index(actionOrder, b.Action)
	}
	if c := a.RoleKey().Compare(b.RoleKey()); c != 0 {
		return c
	}
	return strings.Compare(a.principal(), b.principal())
}

func (c Change) principal() string {
	if c.Grant == nil {
		return ""
	}
	return c.Grant.Principal
}

func dueExpiries(desired Desired, o Observed) []Change {
	wanted := grantsOf(desired.State, o.Connection)
	var out []Change
	for _, g := range o.State.Grants {
		if _, ok := slices.BinarySearchFunc(wanted, &g, comparePointed); !ok && lossReason(desired, g) == ReasonExpired {
			out = append(out, Change{Action: Revoke, Reason: ReasonExpired, Grant: &g, PriorGrant: &g})
		}
	}
	return out
}

func diff(desired Desired, o Observed) []Change {
	// In order, which is about that of the changes: many thousands need little
	// sorting then.
	wanted := grantsOf(desired.State, o.Connection)
	both := pairGrants(grantsOf(o.State, o.Connection), wanted)
	wantedRoles, hadRoles := rolesOf(desired.State, o.Connection), rolesOf(o.State, o.Connection)
	var places map[place]grant.Grant
	out := make([]Change, 0, len(both))
	for _, p := range both {
		if p.will != nil {
			continue
		}
		reason := lossReason(desired, *p.was)
		if places == nil {
			places = placesOf(wanted)
		}
		if len(places) > 0 && reason == ReasonWithdrawn {
			if to, ok := places[placeOf(*p.was)]; ok && !losesObject(hadRoles[p.was.RoleKey], wantedRoles[to.RoleKey]) {
				reason = ReasonMoved
			}
		}
		out = append(out, Change{Action: Revoke, Reason: reason, Grant: p.was, PriorGrant: p.was})
	}
	for key, r := range hadRoles {
		if _, ok := wantedRoles[key]; !ok {
			out = append(out, Change{Action: Retire, Reason: ReasonProduct, Role: &r, PriorRole: &r})
		}
	}
	for key, r := range wantedRoles {
		prior, ok := hadRoles[key]
		if ok && sameObjects(prior, r) {
			continue
		}
		c := Change{Action: Provision, Reason: ReasonProduct, Role: &r}
		if ok {
			c.PriorRole = &prior
		}
		if applied, ok := desired.AppliedRoles[key]; ok && sameObjects(applied, r) {
			c.Reason = ReasonDrift
		}
		out = append(out, c)
	}
	for _, p := range both {
		if p.will == nil || p.was != nil && p.was.NotAfter.Equal(p.will.NotAfter) && slices.Equal(p.was.Requests, p.will.Requests) {
			continue
		}
		c := Change{Action: Allow, Reason: ReasonApproved, Grant: p.will}
		switch {
		case p.was != nil:
			c.Action, c.PriorGrant = Extend, p.was
		case len(desired.Applied) > 0 && desired.Applied[p.will.Key()]:
			c.Reason = ReasonDrift
		}
		out = append(out, c)
	}
	slices.SortFunc(out, compareChanges)
	return out
}

// place is a scope at one level, as one principal has it. A principal that leaves
// a role for another one of the same place, such as at either end of a masking
// exception, and sees no column less there, moves.
type place struct {
	scope     resource.Ref
	access    resource.AccessLevel
	principal string
}

func placeOf(g grant.Grant) place { return place{g.Scope, g.Access, g.Principal} }

// placesOf are the wanted grants of one connection by their places; of several,
// the first.
func placesOf(wanted []*grant.Grant) map[place]grant.Grant {
	out := make(map[place]grant.Grant, len(wanted))
	for _, g := range wanted {
		if _, ok := out[placeOf(*g)]; !ok {
			out[placeOf(*g)] = *g
		}
	}
	return out
}

func lossReason(desired Desired, g grant.Grant) Reason {
	if len(g.Requests) == 0 {
		return ReasonUnexpected
	}
	if !desired.Now.IsZero() && !g.NotAfter.IsZero() && !desired.Now.Before(g.NotAfter) {
		return ReasonExpired
	}
	for _, r := range g.Requests {
		if r.Kind != resource.KindAccessRequest || !desired.Ended[r.Name] { // a product does not end as a request of its name does
			return ReasonWithdrawn
		}
	}
	return ReasonExpired
}

func rolesOf(s grant.State, connection resource.Name) map[grant.RoleKey]grant.Role {
	out := map[grant.RoleKey]grant.Role{}
	for _, r := range s.Roles {
		if r.Connection == connection {
			out[r.RoleKey] = r
		}
	}
	return out
}

func sameObjects(a, b grant.Role) bool { return slices.EqualFunc(a.Objects, b.Objects, sameObject) }

func sameObject(x, y grant.Object) bool {
	return x.ReadOnly == y.ReadOnly && slices.Equal(x.Path, y.Path) && slices.EqualFunc(x.Columns, y.Columns, sameColumn)
}

func sameColumn(a, b grant.Column) bool {
	if a.Name != b.Name || (a.Mask == nil) != (b.Mask == nil) {
		return false
	}
	return a.Mask == nil || *a.Mask == *b.Mask
}

// limit takes the changes that take away out of the list when together they
// would cost more grants than one run may. Expiries and new masks never count.
// Where a role is not narrowed for that, nobody new joins it either; the digest is
// of what is taken away alone, so that an approval meanwhile leaves it as it is.
func limit(changes []Change, o Observed, left map[grant.Account]bool, limits Limits) ([]Change, *LimitError) {
	live := len(o.State.Grants)
	members := membersOf(o.State.Grants)
	lost := 0
	gone := map[string]bool{}
	for _, c := range changes {
		if c.Action == Revoke && len(left) > 0 && left[grant.Account{Connection: o.Connection, Principal: c.Grant.Principal}] {
			if gone[c.Grant.Principal] {
				continue
			}
			gone[c.Grant.Principal] = true
		}
		lost += cost(c, members)
	}
	allowed := max(limits.Count, live*limits.Percent/100)
	if lost <= allowed {
		return changes, nil
	}
	held := map[grant.RoleKey]bool{} // roles whose members are held must stay
	for _, c := range changes {
		if cost(c, members) > 0 {
			held[c.RoleKey()] = true
		}
	}
	e := &LimitError{Connection: o.Connection, Revokes: lost, Live: live, Allowed: allowed}
	var rest []Change
	for _, c := range changes {
		if cost(c, members) > 0 || c.Action == Retire && held[c.RoleKey()] {
			e.Held = append(e.Held, c)
		} else {
			rest = append(rest, c)
		}
	}
	if e.Digest = Digest(e.Held); limits.Confirmed[e.Digest] {
		return changes, nil
	}
	return withoutJoining(rest, e.Held), e
}

// withoutJoining leaves out who would join a role that still opens what it should
// not, but for those who move into it: they would be left with nothing.
func withoutJoining(rest, held []Change) []Change {
	wide, moved := map[grant.RoleKey]bool{}, map[place]bool{}
	for _, c := range held {
		if c.Action == Provision {
			wide[c.RoleKey()] = true
		}
	}
	for _, c := range rest {
		if c.Action == Revoke && c.Reason == ReasonMoved {
			moved[placeOf(*c.Grant)] = true
		}
	}
	return slices.DeleteFunc(rest, func(c Change) bool {
		return c.Action == Allow && wide[c.RoleKey()] && !moved[placeOf(*c.Grant)]
	})
}

// cost is how many grants a change takes away from people who did not expect it.
func cost(c Change, members map[grant.RoleKey]int) int {
	switch {
	case c.Action == Revoke && c.Reason != ReasonExpired && c.Reason != ReasonMoved:
		return 1
	case c.Action == Provision && c.PriorRole != nil && losesObject(*c.PriorRole, *c.Role):
		return members[c.Role.RoleKey]
	default:
		return 0
	}
}

func losesObject(prior, now grant.Role) bool {
	return slices.ContainsFunc(pairs(prior.Objects, now.Objects), func(p pair) bool {
		return p.was != nil && (p.will == nil || slices.ContainsFunc(p.was.Columns, func(c grant.Column) bool { return !hasColumn(*p.will, c.Name) }))
	})
}

func hasColumn(o grant.Object, name string) bool {
	return slices.ContainsFunc(o.Columns, func(c grant.Column) bool { return c.Name == name })
}

// pair is one object in two roles; nil where a role has it not.
type pair struct{ was, will *grant.Object }

// pairs are the objects of two roles side by side, both ordered by path.
func pairs(was, will []grant.Object) []pair {
	out := make([]pair, 0, max(len(was), len(will)))
	for len(was) > 0 || len(will) > 0 {
		order := 0
		switch {
		case len(was) == 0:
			order = 1
		case len(will) == 0:
			order = -1
		default:
			order = was[0].Compare(will[0])
		}
		var p pair
		if order <= 0 {
			p.was, was = &was[0], was[1:]
		}
		if order >= 0 {
			p.will, will = &will[0], will[1:]
		}
		out = append(out, p)
	}
	return out
}

// Digest identifies a list of changes: sha256 over its JSON.
func Digest(changes []Change) string {
	data, err := json.Marshal(changes)
	if err != nil {
		panic(err) // every field of a Change marshals
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
