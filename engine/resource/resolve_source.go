package resource

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// TagMatches reports whether a tag is the wanted one or below it: pii matches
// pii and pii.email, and never piii.
func TagMatches(want, tag string) bool {
	return want != "" && (tag == want || strings.HasPrefix(tag, want+"."))
}

// AnyTag reports whether any of the tags is one of those wanted, or below one.
func AnyTag(want, tags []string) bool {
	return slices.ContainsFunc(want, func(w string) bool {
		return slices.ContainsFunc(tags, func(t string) bool { return TagMatches(w, t) })
	})
}

// PathMatches reports whether a source name matches a glob. The glob is compared
// segment by segment with path.Match; a segment ** stands for any number of
// segments, none included. A malformed glob matches nothing.
func PathMatches(glob string, name Name) bool {
	return matchSegments(strings.Split(glob, "/"), strings.Split(string(name), "/"))
}

func matchSegments(glob, segs []string) bool {
	for len(glob) > 0 {
		if glob[0] == "**" {
			for len(glob) > 1 && glob[1] == "**" {
				glob = glob[1:]
			}
			for i := range len(segs) + 1 {
				if matchSegments(glob[1:], segs[i:]) {
					return true
				}
			}
			return false
		}
		if len(segs) == 0 {
			return false
		}
		if ok, err := path.Match(glob[0], segs[0]); err != nil || !ok {
			return false
		}
		glob, segs = glob[1:], segs[1:]
	}
	return len(segs) == 0
}

// MatchSource reports whether a match selects a source. Only the source's own
// tags count, not those of its columns.
//
//	tags     paths    selects
//	absent   absent   nothing
//	stated   absent   any of the tags matches
//	absent   stated   any of the paths matches
//	stated   stated   both hold
func MatchSource(m SourceMatch, d *DataSource) bool {
	if m.IsZero() {
		return false
	}
	if len(m.Tags) > 0 && !AnyTag(m.Tags, d.Spec.Tags) {
		return false
	}
	name := d.Ref().Name
	return len(m.Paths) == 0 || slices.ContainsFunc(m.Paths, func(g string) bool { return PathMatches(g, name) })
}

// SourcesOf are the sources of a product at this Set: those it lists and those
// that its matches select, ordered by name, without repeats. Names that do not
// exist, and sources that no file declares, are left out.
func SourcesOf(s *Set, p *DataProduct) []*DataSource {
	found := map[Name]*DataSource{}
	for _, entry := range p.Spec.Sources {
		if entry.Source != "" {
			if d, ok := Get[*DataSource](s, KindDataSource, entry.Source); ok && !d.Undeclared {
				found[entry.Source] = d
			}
			continue
		}
		for d := range Of[*DataSource](s) {
			if !d.Undeclared && MatchSource(entry.Match, d) {
				found[d.Ref().Name] = d
			}
		}
	}
	return orderedSources(found)
}

// SourcesOfTarget are the sources that a request for the target covers now: a
// product's, the one named, or all below a path. Ordered by name.
func SourcesOfTarget(s *Set, t Target) []*DataSource {
	switch {
	case t.Product != "":
		if p, ok := Get[*DataProduct](s, KindDataProduct, t.Product); ok {
			return SourcesOf(s, p)
		}
	case t.Source != "":
		if d, ok := Get[*DataSource](s, KindDataSource, t.Source); ok && !d.Undeclared {
			return []*DataSource{d}
		}
	case t.Path != "":
		var out []*DataSource
		for d := range Of[*DataSource](s) {
			if Below(t.Path, d.Ref().Name) {
				out = append(out, d)
			}
		}
		return out
	}
	return nil
}

func orderedSources(found map[Name]*DataSource) []*DataSource {
	out := make([]*DataSource, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[name])
	}
	return out
}

// InDomain reports whether a source belongs to a domain, listed or matched.
func InDomain(m *Domain, d *DataSource) bool {
	return slices.Contains(m.Spec.Members.Sources, d.Ref().Name) || MatchSource(m.Spec.Members.Match, d)
}

// DomainsOf are the domains that a source belongs to, sorted.
func DomainsOf(s *Set, d *DataSource) []Name {
	var out []Name
	for m := range Of[*Domain](s) {
		if InDomain(m, d) {
			out = append(out, m.Ref().Name)
		}
	}
	return out
}

// DomainOfTarget is the domain whose stewards answer for a target.
//
//	target    domain
//	product   the product's own, when it exists
//	source    the one that the source belongs to
//	path      the one that every source below belongs to
//
// ok is false where there is no such domain or more than one: nobody's data
// has no domain stewards, and data of two has to be asked for as a product.
func DomainOfTarget(s *Set, t Target) (domain Name, ok bool) {
	if t.Product != "" {
		p, found := Get[*DataProduct](s, KindDataProduct, t.Product)
		if !found {
			return "", false
		}
		_, found = Get[*Domain](s, KindDomain, p.Spec.Domain)
		return p.Spec.Domain, found
	}
	for i, d := range SourcesOfTarget(s, t) {
		of := DomainsOf(s, d)
		if len(of) != 1 || i > 0 && of[0] != domain {
			return "", false
		}
		domain = of[0]
	}
	return domain, domain != ""
}

// TagsOfTarget are the tags of a target's sources and of their columns, sorted.
func TagsOfTarget(s *Set, t Target) []string {
	found := map[string]bool{}
	for _, d := range SourcesOfTarget(s, t) {
		for _, tag := range d.Spec.Tags {
			found[tag] = true
		}
		for _, c := range d.Spec.Columns {
			for _, tag := range c.Tags {
				found[tag] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TagsAsked are the tags of what a request asks to see, sorted: of the target's
// sources, and of its columns, or of the columns that the request names.
func TagsAsked(s *Set, req *AccessRequest) []string {
	if len(req.Spec.Columns) == 0 {
		return TagsOfTarget(s, req.Spec.Target)
	}
	found := map[string]bool{}
	for _, d := range SourcesOfTarget(s, req.Spec.Target) {
		for _, tag := range d.Spec.Tags {
			found[tag] = true
		}
		for _, c := range d.Spec.Columns {
			if ColumnNamed(req.Spec.Columns, d, c.Name) {
				for _, tag := range c.Tags {
					found[tag] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// ColumnNamed reports whether any of the names means this column of this source:
// a bare column name, table.column, or the source's whole name, a slash and the
// column.
func ColumnNamed(names []string, d *DataSource, column string) bool {
	source := string(d.Ref().Name)
	table := source[strings.LastIndexByte(source, '/')+1:]
	return slices.ContainsFunc(names, func(n string) bool {
		return n == column || n == table+"."+column || n == source+"/"+column
	})
}

// Covers reports whether discovery takes a table: one of Include matches its path,
// or there is none, and none of Exclude does.
func (d DiscoverSpec) Covers(path []string) bool {
	name := Name(strings.Join(path, "/"))
	matches := func(globs []string) bool {
		return slices.ContainsFunc(globs, func(glob string) bool { return PathMatches(strings.ReplaceAll(glob, ".", "/"), name) })
	}
	return (len(d.Include) == 0 || matches(d.Include)) && !matches(d.Exclude)
}
