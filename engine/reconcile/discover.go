package reconcile

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

// foreseen are the paths of the approved requests, not over at now, that reach a
// level of the connection where tables are opened as they appear.
func foreseen(set *resource.Set, c *resource.Connection, approvals grant.Determinations, now time.Time) []string {
	var out []string
	for req := range resource.Of[*resource.AccessRequest](set) {
		path := strings.TrimSuffix(req.Spec.Target.Path, "/")
		connection, level, _ := strings.Cut(path, "/")
		a, ok := approvals[req.Ref().Name]
		if connection != string(c.Ref().Name) || !ok || !a.Until.IsZero() && !now.Before(a.Until) || slices.Contains(out, path) {
			continue
		}
		if slices.ContainsFunc(c.Spec.Levels, func(l resource.ConnectionLevel) bool {
			return l.Future == resource.FutureDiscovered && (within(l.Path, level) || within(level, l.Path))
		}) {
			out = append(out, path)
		}
	}
	return out
}

// within reports whether a level is another, or lies below it.
func within(level, above string) bool {
	return above == "" || level == above || strings.HasPrefix(level, above+"/")
}

// discover reads what the platform holds where an approved request waits for it.
// That it cannot be read makes the connection unknown: a table that is not found
// must not be taken for one that is gone.
func (t *target) discover(ctx context.Context, rd *round) {
	paths := foreseen(rd.set, t.connection, rd.custody.Approvals, rd.report.At)
	if t.err != nil || len(paths) == 0 {
		return
	}
	for s, err := range t.platform.Discover(ctx) {
		if err != nil {
			t.err = err
			return
		}
		if d := undeclared(rd.set, t.connection, s, paths); d != nil {
			t.found = append(t.found, d)
		}
	}
}

// undeclared is what discovery found as a data source, in memory alone; nil where
// it is not to be opened.
//
//	a file on main declares it                     the file counts
//	the connection's globs leave it out            not opened
//	no approved request covers its level           not opened
//	the nearest level says future: declared        not opened
//	its path is no database[, schema] and table    not opened
//	otherwise                                      opened behind the masks it matches
func undeclared(set *resource.Set, c *resource.Connection, s platform.Source, paths []string) *resource.DataSource {
	if !c.Spec.Discover.Covers(s.Path) {
		return nil
	}
	d := &resource.DataSource{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindDataSource}, Undeclared: true}
	d.Source.File = repo.SourceFile(c.Ref().Name, s.Path)
	name := d.Ref().Name
	_, level := resource.LevelOf(name)
	_, declared := set.Find(d.Ref())
	if declared || len(s.Path) < 2 || len(s.Path) > 3 || c.FutureAt(level) != resource.FutureDiscovered ||
		!slices.ContainsFunc(paths, func(p string) bool { return resource.Below(p, name) }) {
		return nil
	}
	d.Metadata.Name = string(name[strings.LastIndexByte(string(name), '/')+1:])
	d.Spec = resource.DataSourceSpec{
		Connection: c.Ref().Name, Path: s.Path, Kind: s.Kind, Description: s.Description, Tags: append(slices.Clone(s.Tags), resource.NewTag),
	}
	for _, col := range s.Columns {
		col.Tags = append(slices.Clone(col.Tags), resource.NewTag)
		d.Spec.Columns = append(d.Spec.Columns, col)
	}
	return d
}

// withFound is main and what was found beside it. Main's files win.
func (rd *round) withFound() *resource.Set {
	var more []resource.Resource
	for _, t := range rd.targets {
		if t.err != nil {
			continue
		}
		for _, d := range t.found {
			more = append(more, d)
		}
	}
	if len(more) == 0 {
		return rd.set
	}
	return rd.set.With(more...)
}

// discovered are the paths of what a target opens without a file.
func (t *target) discovered() [][]string {
	var out [][]string
	for _, d := range t.found {
		if _, level := resource.LevelOf(d.Ref().Name); t.err == nil && t.connection.ModeAt(level).Acts() {
			out = append(out, d.Spec.Path)
		}
	}
	return out
}
