package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

// discovery is what a platform holds, compared with the files of its sources.
type discovery struct {
	Connection resource.Name  `json:"connection"`
	Found      int            `json:"found"`
	Sources    []sourceChange `json:"sources"` // that differ, by file
	// Notes tell of tags that known columns lack; Refused of what no file can hold.
	Notes       []string `json:"notes,omitempty"`
	Refused     []string `json:"refused,omitempty"`
	PullRequest string   `json:"pullRequest,omitempty"`
}

// How a source differs.
const (
	sourceNew     = "new"
	sourceChanged = "changed"
	sourceGone    = "gone"
)

// sourceChange is one source that differs.
type sourceChange struct {
	Change  string         `json:"change"`
	File    string         `json:"file"`
	Columns []columnChange `json:"columns,omitempty"` // of a changed one
	raw     []byte         // what to write; nil for nothing
	pruned  bool
}

// columnChange is one column of a known source that differs.
type columnChange struct {
	Change string `json:"change"` // added, removed, retyped, tagged
	Name   string `json:"name"`
	Was    string `json:"was,omitempty"`
	Is     string `json:"is,omitempty"`
}

func (c columnChange) String() string {
	switch c.Change {
	case "added":
		return strings.TrimRight("+ "+c.Name+" "+c.Is, " ")
	case "removed":
		return "- " + c.Name
	default:
		return "~ " + c.Name + ": " + c.Was + " → " + c.Is
	}
}

func (d *discovery) count(change string) int {
	n := 0
	for _, s := range d.Sources {
		if s.Change == change {
			n++
		}
	}
	return n
}

// discover compares. The same platform and files give the same changes and bytes.
// unread are the files that are there and cannot be read.
func discover(set *resource.Set, unread []resource.Ref, c *resource.Connection, found []platform.Source, o discoverOptions) *discovery {
	d := &discovery{Connection: c.Ref().Name, Found: len(found), Sources: []sourceChange{}}
	seen := map[string]bool{}
	for _, s := range found {
		file := repo.SourceFile(c.Ref().Name, s.Path)
		seen[file] = true
		old, known := resource.Get[*resource.DataSource](set, resource.KindDataSource, sourceRef(file))
		var err error
		switch {
		case known:
			err = d.known(c, old, s, o)
		case slices.Contains(unread, resource.Ref{Kind: resource.KindDataSource, Name: sourceRef(file)}):
			err = fmt.Errorf("%s cannot be read: mend it first, `assent validate` says how", file)
		default:
			err = d.fresh(c, file, s)
		}
		if err != nil {
			d.Refused = append(d.Refused, err.Error())
		}
	}
	for old := range resource.Of[*resource.DataSource](set) {
		if old.Spec.Connection == c.Ref().Name && !seen[old.Source.File] && c.Spec.Discover.Covers(old.Spec.Path) {
			d.Sources = append(d.Sources, sourceChange{Change: sourceGone, File: old.Source.File, pruned: o.prune})
		}
	}
	slices.SortFunc(d.Sources, func(a, b sourceChange) int { return strings.Compare(a.File, b.File) })
	return d
}

func sourceRef(file string) resource.Name {
	return resource.Name(strings.TrimSuffix(strings.TrimPrefix(file, "sources/"), ".yaml"))
}

// fresh makes the file of a source that is new: nobody has looked at it yet.
func (d *discovery) fresh(c *resource.Connection, file string, s platform.Source) error {
	made := &resource.DataSource{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindDataSource, Source: resource.Origin{File: file}}}
	made.Metadata.Name = strings.TrimSuffix(path.Base(file), ".yaml")
	made.Spec = resource.DataSourceSpec{Connection: c.Ref().Name, Path: s.Path, Kind: s.Kind, Description: s.Description, Tags: addTags(s.Tags, resource.NewTag)}
	for _, col := range s.Columns {
		col.Tags = addTags(col.Tags, mappedTags(c, s.Path, col.Name)...)
		made.Spec.Columns = append(made.Spec.Columns, col)
	}
	raw, err := repo.Encode(made)
	if err != nil {
		return err
	}
	d.Sources = append(d.Sources, sourceChange{Change: sourceNew, File: file, raw: raw})
	return nil
}

// known brings the file of a known source up to date. What people wrote stays.
func (d *discovery) known(c *resource.Connection, old *resource.DataSource, s platform.Source, o discoverOptions) error {
	made := *old
	made.Spec.Path, made.Spec.Kind = s.Path, s.Kind
	made.Spec.Columns = nil
	change := sourceChange{Change: sourceChanged, File: old.Source.File}
	if s.Kind != old.Spec.Kind {
		change.Columns = append(change.Columns, columnChange{"retyped", "kind", old.Spec.Kind, s.Kind})
	}
	for _, col := range s.Columns {
		col.Tags = addTags(col.Tags, mappedTags(c, s.Path, col.Name)...)
		i := slices.IndexFunc(old.Spec.Columns, func(k resource.Column) bool { return k.Name == col.Name })
		if i < 0 {
			col.Tags = addTags(col.Tags, resource.NewTag)
			change.Columns = append(change.Columns, columnChange{Change: "added", Name: col.Name, Is: typeText(col)})
			made.Spec.Columns = append(made.Spec.Columns, col)
			continue
		}
		was := old.Spec.Columns[i]
		is := was
		if typeText(was) != typeText(col) {
			is.Type, is.Nullable = col.Type, col.Nullable
			change.Columns = append(change.Columns, columnChange{"retyped", col.Name, typeText(was), typeText(is)})
		}
		if lacks := missingTags(was.Tags, col.Tags); len(lacks) > 0 && o.tags {
			is.Tags = addTags(was.Tags, lacks...)
			change.Columns = append(change.Columns, columnChange{"tagged", col.Name, strings.Join(was.Tags, ", "), strings.Join(is.Tags, ", ")})
		} else if len(lacks) > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("column %s of %s lacks the tag %s", col.Name, old.Ref().Name, strings.Join(lacks, ", ")))
		}
		made.Spec.Columns = append(made.Spec.Columns, is)
	}
	for _, was := range old.Spec.Columns {
		if !slices.ContainsFunc(s.Columns, func(col resource.Column) bool { return col.Name == was.Name }) {
			change.Columns = append(change.Columns, columnChange{Change: "removed", Name: was.Name})
		}
	}
	if len(change.Columns) == 0 && slices.Equal(made.Spec.Path, old.Spec.Path) {
		return nil // an order of columns that differs alone is people's
	}
	var err error
	if change.raw, err = repo.AmendSource(old, &made); err != nil {
		return err
	}
	d.Sources = append(d.Sources, change)
	return nil
}

// typeText is the type of a column with its nullability, for people.
func typeText(c resource.Column) string {
	if c.Nullable != nil && !*c.Nullable {
		return strings.TrimLeft(c.Type+" not null", " ")
	}
	return c.Type
}

// mappedTags are the tags that the connection gives a column.
func mappedTags(c *resource.Connection, sourcePath []string, column string) []string {
	name := resource.Name(strings.ToLower(strings.Join(append(slices.Clone(sourcePath), column), "/")))
	var out []string
	for _, t := range c.Spec.Discover.Tags {
		if resource.PathMatches("**/"+strings.ToLower(strings.ReplaceAll(t.Match, ".", "/")), name) {
			out = append(out, t.Tags...)
		}
	}
	return out
}

// addTags adds tags that are not there, in order.
func addTags(tags []string, more ...string) []string {
	out := slices.Concat(tags, missingTags(tags, more))
	if len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func missingTags(has, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(t string) bool { return slices.Contains(has, t) })
}
