package resource

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
)

// Set is all resources of a repository at one revision, indexed by Ref and
// ordered by kind and name. It is read-only once made.
type Set struct {
	byRef  map[Ref]Resource
	byKind map[Kind][]Resource
	twins  [][2]Resource
}

// NewSet indexes resources. Two resources with the same Ref are twins: the one
// whose file sorts first is kept, and Twins tells of the other.
func NewSet(all ...Resource) *Set {
	s := &Set{byRef: make(map[Ref]Resource, len(all)), byKind: map[Kind][]Resource{}}
	sorted := slices.SortedFunc(slices.Values(all), func(a, b Resource) int {
		return cmp.Or(a.Ref().Compare(b.Ref()), cmp.Compare(a.Origin().File, b.Origin().File))
	})
	for _, r := range sorted {
		ref := r.Ref()
		if first, ok := s.byRef[ref]; ok {
			s.twins = append(s.twins, [2]Resource{first, r})
			continue
		}
		s.byRef[ref] = r
		s.byKind[ref.Kind] = append(s.byKind[ref.Kind], r)
	}
	return s
}

// With is the Set and more: a resource whose Ref the Set has is left out. The Set
// itself stays as it is.
func (s *Set) With(more ...Resource) *Set {
	out := &Set{byRef: maps.Clone(s.byRef), byKind: maps.Clone(s.byKind), twins: s.twins}
	added := map[Kind][]Resource{}
	for _, r := range more {
		ref := r.Ref()
		if _, ok := out.byRef[ref]; !ok {
			out.byRef[ref] = r
			added[ref.Kind] = append(added[ref.Kind], r)
		}
	}
	for kind, list := range added {
		out.byKind[kind] = merged(s.byKind[kind], list)
	}
	return out
}

// merged is an ordered list with others in their places.
func merged(list, more []Resource) []Resource {
	slices.SortFunc(more, func(a, b Resource) int { return a.Ref().Compare(b.Ref()) })
	out := make([]Resource, 0, len(list)+len(more))
	for _, r := range list {
		for len(more) > 0 && more[0].Ref().Compare(r.Ref()) < 0 {
			out, more = append(out, more[0]), more[1:]
		}
		out = append(out, r)
	}
	return append(out, more...)
}

// Len is the number of resources.
func (s *Set) Len() int { return len(s.byRef) }

// Twins are the pairs of files that claim one Ref; the second lost.
func (s *Set) Twins() [][2]Resource { return s.twins }

// Find returns the resource that ref names.
func (s *Set) Find(ref Ref) (Resource, bool) {
	r, ok := s.byRef[ref]
	return r, ok
}

// All yields every resource, ordered by kind and name.
func (s *Set) All() iter.Seq[Resource] {
	return func(yield func(Resource) bool) {
		for _, kind := range slices.Sorted(maps.Keys(s.byKind)) {
			for _, r := range s.byKind[kind] {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Of yields the resources of one Go type, ordered by name.
func Of[T Resource](s *Set) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, kind := range Kinds() {
			list := s.byKind[kind]
			if len(list) == 0 {
				continue
			}
			if _, ok := list[0].(T); !ok {
				continue
			}
			for _, r := range list {
				if t, ok := r.(T); ok && !yield(t) {
					return
				}
			}
		}
	}
}

// Get returns the resource of one Go type by its name.
func Get[T Resource](s *Set, kind Kind, name Name) (T, bool) {
	t, ok := s.byRef[Ref{kind, name}].(T)
	return t, ok
}

// Repository returns assent.yaml.
func (s *Set) Repository() (*Repository, bool) {
	for r := range Of[*Repository](s) {
		return r, true
	}
	return nil, false
}

// ChangeAction says what happened to a resource between two Sets.
type ChangeAction string

// The change actions.
const (
	Added   ChangeAction = "added"
	Changed ChangeAction = "changed"
	Removed ChangeAction = "removed"
)

// Change is one resource that differs between two Sets. Old is nil for an added
// one, New for a removed one.
type Change struct {
	Action ChangeAction
	Ref    Ref
	Old    Resource
	New    Resource
}

// Diff lists what differs between two Sets, ordered by kind and name. A file
// whose bytes or path changed is changed, whatever its meaning.
func Diff(base, head *Set) []Change {
	var out []Change
	for ref, old := range base.byRef {
		cur, ok := head.byRef[ref]
		switch {
		case !ok:
			out = append(out, Change{Action: Removed, Ref: ref, Old: old})
		case !bytes.Equal(old.Origin().Raw, cur.Origin().Raw) || old.Origin().File != cur.Origin().File:
			out = append(out, Change{Action: Changed, Ref: ref, Old: old, New: cur})
		}
	}
	for ref, cur := range head.byRef {
		if _, ok := base.byRef[ref]; !ok {
			out = append(out, Change{Action: Added, Ref: ref, New: cur})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return a.Ref.Compare(b.Ref) })
	return out
}

func sourceName(file string) Name {
	return Name(strings.TrimSuffix(strings.TrimPrefix(path.Clean(file), "sources/"), path.Ext(file)))
}
