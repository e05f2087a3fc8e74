package grant

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Sight is how far one person sees, or may change, one data source.
type Sight struct {
	Person resource.Name        `json:"person"`
	Source resource.Name        `json:"source"`
	Level  resource.AccessLevel `json:"level,omitempty"` // empty for no access
	// Columns are all of the source, in its order.
	Columns []Seen    `json:"columns"`
	Until   time.Time `json:"until,omitzero"` // of the last grant of Level; exclusive, zero means no end
}

// Seen is how one column is seen.
type Seen struct {
	Name string         `json:"name"`
	How  Visibility     `json:"how"`
	Mask *resource.Mask `json:"mask,omitempty"` // where masked
}

// Visibility is how a column is seen.
type Visibility string

// The visibilities, each more than the one before.
const (
	Hidden Visibility = "hidden"
	Masked Visibility = "masked"
	Clear  Visibility = "clear"
)

func (v Visibility) rank() int { return slices.Index([]Visibility{Hidden, Masked, Clear}, v) }

func rankOf(l resource.AccessLevel) int {
	return slices.Index([]resource.AccessLevel{"", resource.Read, resource.Write}, l)
}

// Sights are what people see by a state, ordered by person and source: one for
// each pair of which there is something to see.
func Sights(set *resource.Set, state State) []Sight {
	people := accounts(set)
	sources := map[string]*resource.DataSource{}
	for d := range resource.Of[*resource.DataSource](set) {
		sources[placeOf(d.Spec.Connection, d.Spec.Path)] = d
	}
	roles := map[RoleKey]Role{}
	for _, r := range state.Roles {
		roles[r.RoleKey] = r
	}
	found := map[[2]resource.Name]*Sight{}
	for _, g := range state.Grants {
		role := roles[g.RoleKey]
		for _, o := range role.Objects {
			d, ok := sources[placeOf(g.Connection, o.Path)]
			if !ok {
				continue
			}
			for _, person := range people[g.Connection][g.Principal] {
				key := [2]resource.Name{person, d.Ref().Name}
				if found[key] == nil {
					found[key] = blindSight(person, d)
				}
				found[key].add(role, o, g.NotAfter)
			}
		}
	}
	out := make([]Sight, 0, len(found))
	for _, s := range found {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Sight) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Source, b.Source))
	})
	return out
}

func blindSight(person resource.Name, d *resource.DataSource) *Sight {
	s := &Sight{Person: person, Source: d.Ref().Name}
	for _, c := range d.Spec.Columns {
		s.Columns = append(s.Columns, Seen{Name: c.Name, How: Hidden})
	}
	return s
}

// add adds what one role shows of the source.
func (s *Sight) add(r Role, o Object, until time.Time) {
	level := resource.Read
	if r.Writes(o) {
		level = resource.Write
	}
	switch {
	case rankOf(level) > rankOf(s.Level):
		s.Level, s.Until = level, until
	case level == s.Level && !s.Until.IsZero() && (until.IsZero() || until.After(s.Until)):
		s.Until = until
	}
	for _, c := range o.Columns {
		i := slices.IndexFunc(s.Columns, func(x Seen) bool { return x.Name == c.Name })
		if i < 0 {
			continue
		}
		seen := Seen{Name: c.Name, How: Clear}
		if c.Mask != nil {
			seen.How, seen.Mask = Masked, c.Mask
		}
		if seen.How.rank() > s.Columns[i].How.rank() {
			s.Columns[i] = seen
		}
	}
}

func placeOf(connection resource.Name, path []string) string {
	return string(connection) + "\x00" + strings.Join(path, "\x00")
}

// accounts are the people behind each account of each connection.
func accounts(set *resource.Set) map[resource.Name]map[string][]resource.Name {
	out := map[resource.Name]map[string][]resource.Name{}
	for c := range resource.Of[*resource.Connection](set) {
		of := map[string][]resource.Name{}
		for u := range resource.Of[*resource.User](set) {
			if account, ok := resource.AccountOf(u, c); ok {
				of[account] = append(of[account], u.Ref().Name)
			}
		}
		out[c.Ref().Name] = of
	}
	return out
}

// Shift is how one person's sight of one source changes.
type Shift struct {
	Person resource.Name `json:"person"`
	Source resource.Name `json:"source"`
	Was    Sight         `json:"was"`
	Will   Sight         `json:"will"`
}

// Loses and Gains report whether anything becomes less, or more: the level, or
// how a column is seen. Both may hold.
func (s Shift) Loses() bool { return less(s.Will, s.Was) }

// Gains reports whether anything becomes more.
func (s Shift) Gains() bool { return less(s.Was, s.Will) }

// less reports whether a shows less than b in any respect.
func less(a, b Sight) bool {
	if rankOf(a.Level) < rankOf(b.Level) {
		return true
	}
	return slices.ContainsFunc(b.Columns, func(c Seen) bool { return a.how(c.Name).rank() < c.How.rank() })
}

// how is how a column is seen; hidden where the sight does not know it.
func (s Sight) how(column string) Visibility {
	for _, c := range s.Columns {
		if c.Name == column {
			return c.How
		}
	}
	return Hidden
}

// Shifts are the differences between two lists of Sights, ordered as they are.
// Other ends alone are no difference.
func Shifts(was, will []Sight) []Shift {
	found := map[[2]resource.Name]*Shift{}
	at := func(s Sight) *Shift {
		key := [2]resource.Name{s.Person, s.Source}
		if found[key] == nil {
			none := Sight{Person: s.Person, Source: s.Source, Columns: []Seen{}}
			found[key] = &Shift{Person: s.Person, Source: s.Source, Was: none, Will: none}
		}
		return found[key]
	}
	for _, s := range was {
		at(s).Was = s
	}
	for _, s := range will {
		at(s).Will = s
	}
	var out []Shift
	for _, s := range found {
		if s.Loses() || s.Gains() {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b Shift) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Source, b.Source))
	})
	return out
}
