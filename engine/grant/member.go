package grant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

type memberKey struct {
	connection resource.Name
	scope      resource.Ref
	access     resource.AccessLevel
	person     resource.Name
}

// member is one person's access to one scope, over all requests that justify it.
type member struct {
	account string
	live    []liveRequest
	born    bool // a birthright of the product matches: every column, while it does
}

// view is what the requests of a member show together, and until when all of it
// lasts: what ends first ends the view, and the rest goes on as another. only is
// nil for every column, and then the requests for single columns add nothing.
func (m *member) view() (only []string, until time.Time, requests []resource.Ref) {
	whole := m.born || slices.ContainsFunc(m.live, func(l liveRequest) bool { return len(l.req.Spec.Columns) == 0 })
	ends := map[string]time.Time{}
	if m.born {
		ends[""] = time.Time{}
	}
	for _, l := range m.live {
		columns := l.req.Spec.Columns
		if whole && len(columns) > 0 {
			continue
		}
		if whole {
			columns = []string{""}
		}
		for _, c := range columns {
			lengthen(ends, c, l.until)
		}
		requests = append(requests, l.req.Ref())
	}
	for _, e := range ends {
		until = resource.Earliest(until, e)
	}
	if !whole {
		only = sortedKeys(ends)
	}
	return only, until, requests
}

// lengthen keeps the later of two ends; zero is no end.
func lengthen(ends map[string]time.Time, key string, end time.Time) {
	if was, ok := ends[key]; !ok || !was.IsZero() && (end.IsZero() || end.After(was)) {
		ends[key] = end
	}
}

func (b *builder) joinScope(live liveRequest, ref resource.Ref, c *resource.Connection, mode resource.Mode, u *resource.User) {
	account, ok := resource.AccountOf(u, c)
	if !ok && mode.Acts() {
		b.prevent(live.req, StateUnmapped, "user %s has no account on %s", u.Ref().Name, c.Ref().Name)
	}
	if !ok {
		return
	}
	key := memberKey{c.Ref().Name, ref, live.req.Spec.Level(), u.Ref().Name}
	m := b.members[key]
	if m == nil {
		m = &member{account: account}
		b.members[key] = m
	}
	m.live = append(m.live, live)
}

func (b *builder) grant(key memberKey, m *member) Grant {
	only, until, requests := m.view()
	if m.born {
		requests = append(requests, key.scope)
	}
	if u, ok := resource.UserOf(b.set, key.person); ok {
		until = resource.Earliest(until, hereUntil(b.set, u))
	}
	r := b.reachOf(key.scope)[key.connection]
	var lifts []lift
	for _, l := range b.lifts[key.person] {
		if r.names[l.source] {
			lifts = append(lifts, l)
			requests = append(requests, l.req)
		}
	}
	role, next := b.profileRole(key, r, lifts, only)
	if !next.IsZero() && (until.IsZero() || next.Before(until)) {
		// The role that the person moves to is made ahead, so that the move can
		// happen at once.
		lifts = slices.DeleteFunc(lifts, func(l lift) bool { return !l.until.IsZero() && !l.until.After(next) })
		b.profileRole(key, r, lifts, only)
	}
	until = resource.Earliest(until, next)
	if r.mode.Acts() {
		b.readOnly(b.roles[role], m)
	}
	return Grant{RoleKey: role, Principal: m.account, NotAfter: until, Requests: sortedRefs(requests)}
}

// profileRole makes the role that masking exceptions lead to, where there is
// none yet, and says when it ceases to be the right one.
func (b *builder) profileRole(key memberKey, r *reach, lifts []lift, only []string) (role RoleKey, until time.Time) {
	clear, rules := map[string]bool{}, map[string]bool{}
	ends := map[string]time.Time{} // of the columns seen clear
	for _, l := range lifts {
		column := string(l.source) + "/" + l.column
		clear[column], rules[l.rule] = true, true
		lengthen(ends, column, l.until)
	}
	for _, e := range ends {
		until = resource.Earliest(until, e)
	}
	if key.scope.Kind != resource.KindLevel {
		rules = clear
	}
	role = RoleKey{key.connection, key.scope, key.access, profile(rules, only)}
	if _, ok := b.roles[role]; !ok {
		b.addRole(role, r.sources, clear, only)
	}
	return role, until
}

// readOnly tells of the objects of a writing role that their masks keep from
// being written.
func (b *builder) readOnly(r Role, m *member) {
	if r.Access != resource.Write {
		return
	}
	text, ok := b.kept[r.RoleKey]
	if !ok {
		text = keptText(r)
		b.kept[r.RoleKey] = text
	}
	if text == "" {
		return
	}
	for _, l := range m.live {
		b.prevent(l.req, StateReadOnly, "%s", text)
	}
}

// keptText names the objects that a writing role does not write; empty if none.
func keptText(r Role) string {
	const most = 5
	var kept []string
	for _, o := range r.Objects {
		if !r.Writes(o) {
			kept = append(kept, strings.Join(o.Path, "."))
		}
	}
	switch n := len(kept); {
	case n == 0:
		return ""
	case n == 1:
		return kept[0] + " has masked columns: it can be read, and not written"
	case n > most:
		kept = append(kept[:most], fmt.Sprintf("%d more", n-most))
	}
	last := len(kept) - 1
	return strings.Join(kept[:last], ", ") + " and " + kept[last] + " have masked columns: they can be read, and not written"
}
