package grant

import (
	"fmt"
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// reach is what one scope covers on one connection.
type reach struct {
	sources []*resource.DataSource // ordered by name; without those in observe, unless all are
	names   map[resource.Name]bool
	mode    resource.Mode // of the roles of the scope; see resource.Mode
	// observed are the levels whose sources are left out, or all of them where the
	// mode is observe; empty for the connection itself. Ordered.
	observed []string
}

// reachOf is what a scope covers, by connection. A scope that is gone covers nothing.
func (b *builder) reachOf(ref resource.Ref) map[resource.Name]*reach {
	if known, ok := b.reaches[ref]; ok {
		return known
	}
	out := map[resource.Name]*reach{}
	for _, d := range sourcesOf(b.set, ref) {
		r := out[d.Spec.Connection]
		if r == nil {
			r = &reach{}
			out[d.Spec.Connection] = r
		}
		r.sources = append(r.sources, d)
	}
	for connection, r := range out {
		r.settle(b.modes(connection))
	}
	b.reaches[ref] = out
	return out
}

// settle works out the mode of the scope, and leaves out what is only observed.
func (r *reach) settle(modeOf func(resource.Name) resource.Mode) {
	var acting []*resource.DataSource
	r.mode = resource.ModeEnforce
	for _, d := range r.sources {
		switch mode := modeOf(d.Ref().Name); {
		case !mode.Acts():
			if _, level := resource.LevelOf(d.Ref().Name); !slices.Contains(r.observed, level) {
				r.observed = append(r.observed, level)
			}
			continue
		case mode == resource.ModeAdopt:
			r.mode = resource.ModeAdopt
		}
		acting = append(acting, d)
	}
	if len(acting) == 0 {
		r.mode = resource.ModeObserve
	} else {
		r.sources = acting
	}
	r.names = make(map[resource.Name]bool, len(r.sources))
	for _, d := range r.sources {
		r.names[d.Ref().Name] = true
	}
}

// modes is the mode of each source of a connection. What no connection has is
// observed.
func (b *builder) modes(connection resource.Name) func(source resource.Name) resource.Mode {
	c, ok := resource.Get[*resource.Connection](b.set, resource.KindConnection, connection)
	known := map[string]resource.Mode{}
	return func(source resource.Name) resource.Mode {
		_, level := resource.LevelOf(source)
		mode, seen := known[level]
		if !seen {
			mode = resource.ModeObserve
			if ok {
				mode = c.ModeAt(level)
			}
			known[level] = mode
		}
		return mode
	}
}

// observedText says why sources are not opened: which part of the connection is
// only observed.
func observedText(c *resource.Connection, connection resource.Name, level string) string {
	switch {
	case c == nil:
		return fmt.Sprintf("connection %s does not exist", connection)
	case !slices.ContainsFunc(c.Spec.Levels, func(l resource.ConnectionLevel) bool { return l.Mode != "" }) || level == "":
		return fmt.Sprintf("connection %s is in mode %s", connection, c.ModeAt(""))
	default:
		return fmt.Sprintf("level %s of connection %s is in mode %s", level, connection, c.ModeAt(level))
	}
}

// sourcesOf are the sources that a scope opens now.
func sourcesOf(set *resource.Set, ref resource.Ref) []*resource.DataSource {
	switch ref.Kind {
	case resource.KindDataProduct:
		return resource.SourcesOfTarget(set, resource.Target{Product: ref.Name})
	case resource.KindDataSource:
		return resource.SourcesOfTarget(set, resource.Target{Source: ref.Name})
	case resource.KindLevel:
		return resource.SourcesOfTarget(set, resource.Target{Path: string(ref.Name)})
	default:
		return nil
	}
}

// scopeOf is what a request opens: its product, its source, or its level with
// everything below. ok is false where there is nothing to open.
//
//	target    scope                                    one role a connection for
//	product   DataProduct/NAME                         all sources of the product
//	source    DataSource/CONNECTION/DB/SCHEMA/TABLE    the source
//	path      Level/CONNECTION[/DB[/SCHEMA]]           all sources below, later ones too
func (b *builder) scopeOf(req *resource.AccessRequest) (ref resource.Ref, ok bool) {
	target := req.Spec.Target
	ref, named := target.Ref()
	if !named {
		ref = resource.LevelRef(target.Path)
	}
	if ref.Kind == resource.KindDataProduct {
		p, found := resource.Get[*resource.DataProduct](b.set, resource.KindDataProduct, ref.Name)
		switch {
		case !found:
			b.prevent(req, StateMissing, "data product %s does not exist", ref.Name)
			return ref, false
		case !published(p):
			b.prevent(req, StateSuspended, "data product %s is %s", ref.Name, p.Spec.State)
			return ref, false
		}
		return ref, true
	}
	if len(b.reachOf(ref)) == 0 {
		b.prevent(req, StateMissing, "no data source is registered for the target")
		return ref, false
	}
	return ref, true
}

// ModeOf is the mode of a role: that of its sources, and where the scope is gone
// that of the level or the connection.
func (w Wish) ModeOf(key RoleKey) resource.Mode {
	if mode, ok := w.modes[key.scoped()]; ok {
		return mode
	}
	c, ok := w.connections[key.Connection]
	if !ok {
		return resource.ModeObserve
	}
	level := ""
	switch key.Scope.Kind {
	case resource.KindLevel:
		_, level = resource.LevelOf(key.Scope.Name + "/")
	case resource.KindDataSource:
		_, level = resource.LevelOf(key.Scope.Name)
	}
	return c.ModeAt(level)
}

type scoped struct {
	connection resource.Name
	ref        resource.Ref
}

func (k RoleKey) scoped() scoped { return scoped{k.Connection, k.Scope} }
