package adopt

import (
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// holdings is what one principal has on declared sources, and what of it a
// request stands for already.
type holdings struct {
	order []*holding // by source
	at    map[resource.Name]*holding
}

type holding struct {
	source *resource.DataSource
	items  map[string][]platform.Foreign // by privilege, in capitals
	asked  map[string]bool               // privileges that a request stands for
}

func newHoldings() *holdings { return &holdings{at: map[resource.Name]*holding{}} }

func (h *holdings) add(d *resource.DataSource, f platform.Foreign) {
	one := h.at[d.Ref().Name]
	if one == nil {
		one = &holding{source: d, items: map[string][]platform.Foreign{}, asked: map[string]bool{}}
		h.at[d.Ref().Name] = one
		i, _ := slices.BinarySearchFunc(h.order, one, func(a, b *holding) int {
			return strings.Compare(string(a.source.Ref().Name), string(b.source.Ref().Name))
		})
		h.order = slices.Insert(h.order, i, one)
	}
	p := strings.ToUpper(f.Privilege)
	one.items[p] = append(one.items[p], f)
}

// left is what no request stands for, in order.
func (h *holdings) left() []platform.Foreign {
	var out []platform.Foreign
	for _, one := range h.order {
		for p, items := range one.items {
			if !one.asked[p] {
				out = append(out, items...)
			}
		}
	}
	slices.SortStableFunc(out, compareForeign)
	return out
}

// columns are the columns that a privilege is on; whole says that it is on all
// that the source declares.
func (o *holding) columns(privilege string) (names []string, whole bool) {
	for _, f := range o.items[privilege] {
		if len(f.Columns) == 0 {
			return nil, true
		}
		names = append(names, f.Columns...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	missing := func(c resource.Column) bool { return !slices.Contains(names, c.Name) }
	return names, len(names) > 0 && !slices.ContainsFunc(o.source.Spec.Columns, missing)
}

// privileges are what an access level stands for.
func privileges(level resource.AccessLevel) []string {
	if level == resource.Write {
		return []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	}
	return []string{"SELECT"}
}

// has reports whether the principal has all of an access level on the source.
func (o *holding) has(level resource.AccessLevel) bool {
	for _, p := range privileges(level) {
		if _, whole := o.columns(p); !whole {
			return false
		}
	}
	return true
}

// open reports whether any privilege of a level is not asked for yet.
func (o *holding) open(level resource.AccessLevel) bool {
	return slices.ContainsFunc(privileges(level), func(p string) bool { return !o.asked[p] })
}

// take marks the privileges of a level as asked for, and gives what they were.
func (o *holding) take(level resource.AccessLevel) []platform.Foreign {
	var out []platform.Foreign
	for _, p := range privileges(level) {
		if !o.asked[p] {
			out = append(out, o.items[p]...)
			o.asked[p] = true
		}
	}
	return out
}
