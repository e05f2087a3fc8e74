package adopt

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Governed says of a foreign access whether it concerns what Assent governs on a
// connection: a declared source, a level above one, or a role of ours.
func Governed(set *resource.Set, connection resource.Name) func(platform.Foreign) bool {
	reach := map[string]bool{}
	for d := range resource.Of[*resource.DataSource](set) {
		if d.Spec.Connection != connection {
			continue
		}
		for n := range d.Spec.Path {
			reach[pathKey(d.Spec.Path[:n+1])] = true
		}
	}
	return func(f platform.Foreign) bool {
		return reach[pathKey(f.Path)] || isMembership(f) || len(reach) > 0 && everything(f)
	}
}

func pathKey(path []string) string { return strings.Join(path, "\x00") }

// everything reports whether a foreign access is on the whole server.
func everything(f platform.Foreign) bool { return len(f.Path) == 1 && f.Path[0] == "*" }

// isMembership reports whether a foreign access is to be in a role, which is no
// privilege on an object.
func isMembership(f platform.Foreign) bool { return strings.HasPrefix(f.Privilege, "MEMBER OF ") }

// Cover tells what of the access that others gave the same account also has from
// us: wanted, and seen on the platform.
type Cover struct {
	declared map[string]int // columns of each source, by path
	ways     map[string][]coverWay
	members  map[string][]string
}

// coverWay is one object that one account reaches by a role of ours.
type coverWay struct {
	object   grant.Object
	writes   bool
	requests []resource.Ref
}

// NewCover prepares the question for one connection. members are the accounts in
// each role of others, where the platform can tell: a role is covered when each
// of them is.
func NewCover(set *resource.Set, connection resource.Name, wanted, seen grant.State, members map[string][]string) *Cover {
	c := &Cover{declared: map[string]int{}, ways: map[string][]coverWay{}, members: members}
	for d := range resource.Of[*resource.DataSource](set) {
		if d.Spec.Connection == connection {
			c.declared[pathKey(d.Spec.Path)] = len(d.Spec.Columns)
		}
	}
	want := map[grant.Key]bool{}
	for _, g := range wanted.Grants {
		want[g.Key()] = true
	}
	roles := map[grant.RoleKey]grant.Role{}
	for _, r := range seen.Roles {
		roles[r.RoleKey] = r
	}
	for _, g := range seen.Grants {
		if g.Connection != connection || !want[g.Key()] {
			continue
		}
		r := roles[g.RoleKey]
		for _, o := range r.Objects {
			key := wayKey(g.Principal, o.Path)
			c.ways[key] = append(c.ways[key], coverWay{o, r.Writes(o), g.Requests})
		}
	}
	return c
}

func wayKey(principal string, path []string) string { return principal + "\x00" + pathKey(path) }

// Of is what justifies that the principal of a foreign access has as much from
// us, a mask aside; none where it has less.
//
//	privilege                 covered by
//	SELECT                    a role that opens all declared columns
//	SELECT (columns)          one that opens these columns
//	INSERT, UPDATE, DELETE    one that writes the object
//	any other, or grantable   nothing
func (c *Cover) Of(f platform.Foreign) []resource.Ref {
	if members, ok := c.members[f.Principal]; ok {
		return c.ofMembers(f, members)
	}
	if f.Grantable || isMembership(f) {
		return nil
	}
	for _, w := range c.ways[wayKey(f.Principal, f.Path)] {
		if c.covers(w, f) {
			return w.requests
		}
	}
	return nil
}

func (c *Cover) ofMembers(f platform.Foreign, members []string) []resource.Ref {
	var out []resource.Ref
	for _, m := range members {
		f.Principal = m
		refs := c.Of(f)
		if len(refs) == 0 {
			return nil
		}
		out = append(out, refs...)
	}
	slices.SortFunc(out, resource.Ref.Compare)
	return slices.Compact(out)
}

func (c *Cover) covers(w coverWay, f platform.Foreign) bool {
	switch strings.ToUpper(f.Privilege) {
	case "SELECT":
		if len(f.Columns) == 0 {
			return len(w.object.Columns) > 0 && len(w.object.Columns) == c.declared[pathKey(f.Path)]
		}
		return !slices.ContainsFunc(f.Columns, func(name string) bool {
			return !slices.ContainsFunc(w.object.Columns, func(o grant.Column) bool { return o.Name == name })
		})
	case "INSERT", "UPDATE", "DELETE":
		return w.writes
	default:
		return false
	}
}
