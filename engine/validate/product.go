package validate

import (
	"path"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// products: a product gives something, at levels that the platforms have.
func products(c *check) {
	for p := range resource.Of[*resource.DataProduct](c.head) {
		sources := resource.SourcesOf(c.head, p)
		if len(sources) == 0 && !c.brokenSources(p) {
			c.errorf(p, at("spec", "sources"), NoSource, "%s has no source", name(p.Ref())).
				WithHint("list a source, or widen the match")
			continue
		}
		for i, entry := range p.Spec.Sources {
			if entry.Source == "" && len(sources) > 0 && !malformed(entry.Match.Paths) && !c.selects(entry.Match) {
				c.warnf(p, at("spec", "sources", i, "match"), MatchSelectsNone, "this match selects no source").
					WithHint("check tags and paths: where both are stated, both have to hold")
			}
		}
		c.levels(p, sources)
	}
}

// brokenSources: another rule has told of a source that is missing.
func (c *check) brokenSources(p *resource.DataProduct) bool {
	return slices.ContainsFunc(p.Spec.Sources, func(s resource.ProductSource) bool {
		return s.Source != "" || malformed(s.Match.Paths)
	})
}

func (c *check) selects(m resource.SourceMatch) bool {
	for d := range resource.Of[*resource.DataSource](c.head) {
		if resource.MatchSource(m, d) {
			return true
		}
	}
	return false
}

func (c *check) levels(p *resource.DataProduct, sources []*resource.DataSource) {
	for i, level := range p.Spec.AccessLevels {
		for _, d := range sources {
			conn, can, ok := c.platformOf(d)
			if ok && !slices.Contains(can.AccessLevels, level) {
				c.errorf(p, at("spec", "accessLevels", i), LevelUnsupported, "%s cannot give the access level %s", conn.Spec.Platform, level).
					WithHint("%s can give %s", conn.Spec.Platform, choices(texts(can.AccessLevels))).
					WithRelated(d.At("metadata", "name"), "%s is on %s", name(d.Ref()), name(conn.Ref()))
				break
			}
		}
	}
}

// platformOf is the connection of a source and what its platform can do; ok is
// false where another rule has told what is wrong, or nobody can say.
func (c *check) platformOf(d *resource.DataSource) (conn *resource.Connection, can Capabilities, ok bool) {
	conn, ok = resource.Get[*resource.Connection](c.head, resource.KindConnection, d.Spec.Connection)
	if !ok || c.caps == nil {
		return nil, Capabilities{}, false
	}
	can, ok = c.caps(conn.Spec.Platform)
	return conn, can, ok
}

// globs: a malformed path matches nothing, which is not what its writer meant.
func globs(c *check) {
	tell := func(r resource.Resource, paths []string, where []any) {
		for i, g := range paths {
			if malformed([]string{g}) {
				c.errorf(r, below(where, i), MalformedGlob, "the path %q is malformed", g).
					WithHint("close the bracket; * stands for a part of a segment, ** for any number of segments")
			}
		}
	}
	for d := range resource.Of[*resource.Domain](c.head) {
		tell(d, d.Spec.Members.Match.Paths, at("spec", "members", "match", "paths"))
	}
	for p := range resource.Of[*resource.DataProduct](c.head) {
		for i, s := range p.Spec.Sources {
			tell(p, s.Match.Paths, at("spec", "sources", i, "match", "paths"))
		}
	}
}

func malformed(paths []string) bool {
	return slices.ContainsFunc(paths, func(g string) bool {
		return slices.ContainsFunc(strings.Split(g, "/"), func(seg string) bool {
			_, err := path.Match(seg, "")
			return err != nil || seg == "" || seg != "**" && strings.Contains(seg, "**")
		})
	})
}

// retiredProducts: retiring takes access away from everybody who has a request.
func retiredProducts(c *check) {
	for p := range resource.Of[*resource.DataProduct](c.head) {
		if p.Spec.State != resource.ProductRetired {
			continue
		}
		old, ok := c.before(p.Ref())
		if was, isProduct := old.(*resource.DataProduct); ok && isProduct && was.Spec.State == resource.ProductRetired {
			continue
		}
		var live []*resource.AccessRequest
		for req := range resource.Of[*resource.AccessRequest](c.head) {
			if req.Spec.Target.Product == p.Ref().Name && !c.over(req) {
				live = append(live, req)
			}
		}
		if len(live) > 0 {
			d := c.warnf(p, at("spec", "state"), RetiredInUse, "retiring %s ends the access of %s", name(p.Ref()), counted(len(live), "request"))
			d.WithHint("suspend it instead to give access back later, or remove the requests with it in mind")
			for _, req := range live[:min(len(live), 3)] {
				d.WithRelated(req.At("spec", "target"), "%s", name(req.Ref()))
			}
		}
	}
}

// foreignSources: the stewards of a product's domain answer for what is in it.
func foreignSources(c *check) {
	for p := range resource.Of[*resource.DataProduct](c.head) {
		if _, ok := resource.Get[*resource.Domain](c.head, resource.KindDomain, p.Spec.Domain); !ok {
			continue
		}
		for _, d := range resource.SourcesOf(c.head, p) {
			of := resource.DomainsOf(c.head, d)
			if len(of) == 0 || slices.Contains(of, p.Spec.Domain) {
				continue
			}
			i := slices.IndexFunc(p.Spec.Sources, func(s resource.ProductSource) bool {
				return s.Source == d.Ref().Name || s.Source == "" && resource.MatchSource(s.Match, d)
			})
			other, _ := resource.Get[*resource.Domain](c.head, resource.KindDomain, of[0])
			c.warnf(p, at("spec", "sources", i), ForeignSource, "%s belongs to domain %q and not to %q", name(d.Ref()), string(of[0]), string(p.Spec.Domain)).
				WithHint("the stewards of %q would decide about data of %q", string(p.Spec.Domain), string(of[0])).
				WithRelated(other.At("spec", "members"), "its members are here")
		}
	}
}
