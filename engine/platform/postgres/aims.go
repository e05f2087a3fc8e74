package postgres

import "github.com/assent-dev/assent/engine/grant"

// Roles open many thousands of tables, and each is looked at several times in a
// round. What is here keeps one look at one table cheap.

// at finds a relation. Objects come in the order of the relations, so that the
// next one is most often that after the last.
func (s *snapshot) at(schemaName, name string) *relation {
	for n := s.cursor; n < min(s.cursor+2, len(s.all)); n++ {
		if r := s.all[n]; !r.gone && r.name == name && r.schema == schemaName {
			s.cursor = n + 1
			return r
		}
	}
	r := s.rels[relName{schemaName, name}]
	if r != nil && r.nth > 0 {
		s.cursor = r.nth
	}
	return r
}

// table finds the table of an object.
func (s *snapshot) table(o *grant.Object) *relation { return s.at(o.Path[1], o.Path[2]) }

// aim is what a role should hold on one relation: the table of an object, or
// the view that stands for it.
type aim struct {
	relName
	rel  *relation // nil where there is none
	want *held
}

// aims are what a role holds when all is as it should be, one for each object.
// Until they are taken again, aimed finds them by relation.
func (s *snapshot) aims(r grant.Role) []aim {
	s.aiming++
	out := make([]aim, len(r.Objects))
	var list *columnList
	var last []grant.Column
	var held, writable *held
	for i := range r.Objects {
		o := &r.Objects[i]
		a := &out[i]
		if o.Masked() {
			a.relName = relName{r.SchemaName(), viewName(o.Path)}
			a.rel, a.want = s.rels[a.relName], s.wants.with(nothing, access{priv: "SELECT"})
		} else {
			if list == nil || !sameNames(last, o.Columns) {
				list, last, held, writable = s.wants.listOf(*o), o.Columns, nil, nil
			}
			if r.Writes(*o) {
				if writable == nil {
					writable = s.wants.with(s.wants.columns(writePrivileges, list), access{priv: "DELETE"})
				}
				a.want = writable
			} else {
				if held == nil {
					held = s.wants.columns(readPrivileges, list)
				}
				a.want = held
			}
			a.relName, a.rel = relName{o.Path[1], o.Path[2]}, s.table(o)
		}
		if a.rel != nil {
			a.rel.aim, a.rel.aimOf = a.want, s.aiming
		}
	}
	return out
}

// aimed is what the role of the last aims should hold on a relation; nil where
// that is none of them.
func (s *snapshot) aimed(r *relation) *held {
	if r.aimOf != s.aiming {
		return nil
	}
	return r.aim
}

// aimsAt reports whether any of the aims is at a relation of that name.
func aimsAt(aims []aim, at relName) bool {
	for i := range aims {
		if aims[i].relName == at {
			return true
		}
	}
	return false
}

func sameNames(a, b []grant.Column) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return false
		}
	}
	return true
}

// uses tells which schemas a role may use. It remembers the last: the objects
// of a schema stand together.
type uses struct {
	s      *snapshot
	role   string
	schema string
	may    bool
}

func (u *uses) usable(schemaName string) bool {
	if schemaName != u.schema {
		u.schema, u.may = schemaName, u.s.usable(u.role, schemaName)
	}
	return u.may
}
