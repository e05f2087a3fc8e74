package grant

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Birthright is the access that one entry of a product's birthright gives to one
// person, on one connection. It is justified by the product, needs no request,
// and lasts while the entry matches.
type Birthright struct {
	Product    resource.Name        `json:"product"`
	Entry      string               `json:"entry"` // group staff, or attribute team=sales
	At         string               `json:"at"`    // file:line:col of the entry
	Access     resource.AccessLevel `json:"access"`
	Person     resource.Name        `json:"person"`
	Connection resource.Name        `json:"connection,omitempty"`
	Role       string               `json:"role,omitempty"`
	Principal  string               `json:"principal,omitempty"`
	Until      time.Time            `json:"until,omitzero"` // the person's validUntil; zero means no end
	// State is empty where access is desired; otherwise it is one of the States,
	// and Reason says why there is none.
	State  string `json:"state,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Birthrights lists whom the birthrights of all products match at now, ordered by
// product, person, entry and connection. Where access is not desired it says why;
// the first line that fails names the state.
//
//	the entry names exactly one group or attribute     nobody is matched
//	a person, active at now, is in it                  nobody is matched
//	the product is published                           suspended
//	the product has the entry's access level           missing
//	a source there is in mode adopt or enforce         observed
//	the person has an account there                    unmapped
//
// Only the product counts, as it is on main: forms, audiences and approvals have
// no say in it. What it shows is the product's default profile, behind its masks.
func Birthrights(set *resource.Set, now time.Time) []Birthright {
	now = now.UTC().Truncate(time.Second)
	var out []Birthright
	for p := range resource.Of[*resource.DataProduct](set) {
		for i, entry := range p.Spec.Birthright {
			out = append(out, birthrightsOf(set, p, i, entry, now)...)
		}
	}
	slices.SortStableFunc(out, func(x, y Birthright) int {
		return cmp.Or(cmp.Compare(x.Product, y.Product), cmp.Compare(x.Person, y.Person), cmp.Compare(x.At, y.At), cmp.Compare(x.Connection, y.Connection))
	})
	return out
}

func birthrightsOf(set *resource.Set, p *resource.DataProduct, i int, entry resource.Birthright, now time.Time) []Birthright {
	names := resource.BirthrightOf(set, entry, now)
	if len(names) == 0 {
		return nil
	}
	one := Birthright{Product: p.Ref().Name, Entry: entryText(entry), At: p.At("spec", "birthright", i).String(), Access: entry.Level()}
	reaches := (&builder{set: set, reaches: map[resource.Ref]map[resource.Name]*reach{}}).reachOf(p.Ref())
	switch {
	case !published(p):
		one.State, one.Reason = StateSuspended, fmt.Sprintf("data product %s is %s", one.Product, p.Spec.State)
	case !slices.Contains(levelsOf(p), one.Access):
		one.State, one.Reason = StateMissing, fmt.Sprintf("data product %s has no access level %s", one.Product, one.Access)
	}
	var out []Birthright
	for _, name := range names {
		user, ok := resource.UserOf(set, name)
		if !ok {
			continue
		}
		one.Person, one.Until = name, hereUntil(set, user)
		if one.State != "" {
			out = append(out, one)
			continue
		}
		for _, connection := range sortedKeys(reaches) {
			if c, ok := resource.Get[*resource.Connection](set, resource.KindConnection, connection); ok {
				out = append(out, one.on(c, reaches[connection], user))
			}
		}
	}
	return out
}

// on is the birthright on one connection.
func (x Birthright) on(c *resource.Connection, r *reach, u *resource.User) Birthright {
	x.Connection = c.Ref().Name
	account, ok := resource.AccountOf(u, c)
	if !ok {
		x.State, x.Reason = StateUnmapped, fmt.Sprintf("user %s has no account on %s", x.Person, x.Connection)
	} else {
		x.Principal = account
		x.Role = RoleKey{x.Connection, x.product(), x.Access, DefaultProfile}.RoleName()
	}
	if !r.mode.Acts() {
		x.State, x.Reason = StateObserved, observedText(c, x.Connection, r.observed[0])
	}
	return x
}

func (x Birthright) product() resource.Ref {
	return resource.Ref{Kind: resource.KindDataProduct, Name: x.Product}
}

func entryText(b resource.Birthright) string {
	if b.Group != "" {
		return "group " + string(b.Group)
	}
	return "attribute " + b.Attribute.Key + "=" + b.Attribute.Value
}

// levelsOf are the access levels of a product; read unless stated.
func levelsOf(p *resource.DataProduct) []resource.AccessLevel {
	if len(p.Spec.AccessLevels) == 0 {
		return []resource.AccessLevel{resource.Read}
	}
	return p.Spec.AccessLevels
}

// hereUntil is when a person's time here ends, or that of the owner of a service
// account: an end that is known, so that losing access by it is an expiry.
func hereUntil(set *resource.Set, u *resource.User) time.Time {
	var until time.Time
	people := []*resource.User{u}
	if owner, ok := resource.UserOf(set, u.Spec.Owner); ok && u.IsService() {
		people = append(people, owner)
	}
	for _, p := range people {
		if t, err := p.Spec.ValidUntil.Time(); err == nil {
			until = resource.Earliest(until, t)
		}
	}
	return until
}

// Account is one account on one connection.
type Account struct {
	Connection resource.Name
	Principal  string
}

// LeftAccounts are the accounts of Users who are not active at now, and of service
// accounts that nobody active answers for.
func LeftAccounts(set *resource.Set, now time.Time) map[Account]bool {
	out := map[Account]bool{}
	for u := range resource.Of[*resource.User](set) {
		if resource.Active(u, now) && ownerless(set, u, now) == "" {
			continue
		}
		for c := range resource.Of[*resource.Connection](set) {
			if account, ok := resource.AccountOf(u, c); ok {
				out[Account{c.Ref().Name, account}] = true
			}
		}
	}
	return out
}

// ownerless says why nobody answers for a service account; empty for a person.
func ownerless(set *resource.Set, u *resource.User, now time.Time) string {
	_, why := resource.Owner(set, u, now)
	return why
}

// birthrights lets everybody whom a birthright matches into the product's role,
// next to what approvals give them.
func (b *builder) birthrights() {
	for _, x := range Birthrights(b.set, b.now) {
		if x.Principal == "" || x.State != "" && x.State != StateObserved {
			continue
		}
		key := memberKey{x.Connection, x.product(), x.Access, x.Person}
		m := b.members[key]
		if m == nil {
			m = &member{account: x.Principal}
			b.members[key] = m
		}
		m.born = true
	}
}
