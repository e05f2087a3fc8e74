package plan

import (
	"slices"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// grantsOf are copies of the grants of one connection, in order and each once:
// of several for one account and role, the last in the state.
func grantsOf(s grant.State, connection resource.Name) []*grant.Grant {
	copies, out := make([]grant.Grant, 0, len(s.Grants)), make([]*grant.Grant, 0, len(s.Grants))
	for i := range s.Grants {
		if s.Grants[i].Connection == connection {
			copies = append(copies, s.Grants[i])
			out = append(out, &copies[len(copies)-1])
		}
	}
	if !slices.IsSortedFunc(out, comparePointed) {
		slices.SortStableFunc(out, comparePointed)
	}
	kept := out[:0]
	for _, g := range out {
		if n := len(kept); n > 0 && comparePointed(kept[n-1], g) == 0 {
			kept[n-1] = g
			continue
		}
		kept = append(kept, g)
	}
	return kept
}

func comparePointed(a, b *grant.Grant) int { return a.Compare(*b) }

// grantPair is one grant as it was and as it will be; nil where it is not.
type grantPair struct{ was, will *grant.Grant }

// pairGrants puts two lists side by side, both in order and without repeats.
func pairGrants(was, will []*grant.Grant) []grantPair {
	out := make([]grantPair, 0, max(len(was), len(will)))
	for len(was) > 0 && len(will) > 0 {
		order := comparePointed(was[0], will[0])
		var p grantPair
		if order <= 0 {
			p.was, was = was[0], was[1:]
		}
		if order >= 0 {
			p.will, will = will[0], will[1:]
		}
		out = append(out, p)
	}
	for _, g := range was {
		out = append(out, grantPair{was: g})
	}
	for _, g := range will {
		out = append(out, grantPair{will: g})
	}
	return out
}

// membersOf is how many grants each role has.
func membersOf(grants []grant.Grant) map[grant.RoleKey]int {
	out := map[grant.RoleKey]int{}
	for i := 0; i < len(grants); {
		n := i + 1
		for n < len(grants) && grants[n].RoleKey == grants[i].RoleKey {
			n++
		}
		out[grants[i].RoleKey] += n - i
		i = n
	}
	return out
}
