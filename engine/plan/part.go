package plan

import (
	"encoding/json"

	"github.com/assent-dev/assent/engine/grant"
)

// Parts are the change in pieces of about most bytes of JSON each, to be kept one
// by one: the change itself where it is small. A large change to a role is kept
// with those objects only that differ, a large retirement without any. Made puts
// the pieces together.
func (c Change) Parts(most int) []Change {
	if size(c) <= most {
		return []Change{c}
	}
	switch {
	case c.Action == Retire:
		bare := grant.Role{RoleKey: c.Role.RoleKey, Objects: []grant.Object{}}
		c.Role, c.PriorRole = &bare, &bare
		return []Change{c}
	case c.Role == nil:
		return []Change{c}
	}
	var out []Change
	room := 0
	for _, p := range pairs(objectsOf(c.PriorRole), c.Role.Objects) {
		if p.was != nil && p.will != nil && sameObject(*p.was, *p.will) {
			continue
		}
		if need := size(p.was) + size(p.will); len(out) == 0 || need > room {
			out = append(out, c.bare())
			room = most - need
		} else {
			room -= need
		}
		last := &out[len(out)-1]
		if p.was != nil {
			last.PriorRole.Objects = append(last.PriorRole.Objects, *p.was)
		}
		if p.will != nil {
			last.Role.Objects = append(last.Role.Objects, *p.will)
		}
	}
	if len(out) == 0 {
		out = append(out, c.bare())
	}
	return out
}

// bare is the change of a role without the objects.
func (c Change) bare() Change {
	c.Role = &grant.Role{RoleKey: c.Role.RoleKey, Objects: []grant.Object{}}
	if c.PriorRole != nil {
		c.PriorRole = &grant.Role{RoleKey: c.Role.RoleKey, Objects: []grant.Object{}}
	}
	return c
}

// Made is what we made of a role, when known was made before and then a part of
// this change, counted from 0.
func (c Change) Made(known grant.Role, part int) grant.Role {
	out := grant.Role{RoleKey: c.Role.RoleKey}
	if c.PriorRole == nil && part == 0 {
		known.Objects = nil
	}
	for _, p := range pairs(known.Objects, objectsOf(c.PriorRole)) {
		if p.will == nil {
			out.Objects = append(out.Objects, *p.was)
		}
	}
	kept := out.Objects
	out.Objects = []grant.Object{}
	for _, p := range pairs(kept, c.Role.Objects) {
		if p.will != nil {
			out.Objects = append(out.Objects, *p.will)
		} else {
			out.Objects = append(out.Objects, *p.was)
		}
	}
	return out
}

func objectsOf(r *grant.Role) []grant.Object {
	if r == nil {
		return nil
	}
	return r.Objects
}

func size(v any) int {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // every field of a Change marshals
	}
	return len(data)
}
