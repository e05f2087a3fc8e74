package validate

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// masks: the fields of a mask belong to its type, and patterns compile.
func masks(c *check) {
	for d := range resource.Of[*resource.DataSource](c.head) {
		for i, col := range d.Spec.Columns {
			if col.Mask != nil {
				c.mask(d, at("spec", "columns", i, "mask"), *col.Mask)
			}
		}
	}
	for p := range resource.Of[*resource.MaskingPolicy](c.head) {
		c.mask(p, at("spec", "mask"), p.Spec.Mask)
	}
}

func (c *check) mask(r resource.Resource, path []any, m resource.Mask) {
	fields := []struct {
		key string
		set bool
		of  resource.MaskType
	}{
		{"value", m.Value != "", resource.MaskConstant},
		{"pattern", m.Pattern != "", resource.MaskRegex},
		{"replacement", m.Replacement != "", resource.MaskRegex},
		{"keepFirst", m.KeepFirst != 0, resource.MaskPartial},
		{"keepLast", m.KeepLast != 0, resource.MaskPartial},
		{"digits", m.Digits != 0, resource.MaskRound},
		{"unit", m.Unit != "", resource.MaskTruncate},
	}
	for _, f := range fields {
		if f.set && f.of != m.Type {
			c.errorf(r, below(path, f.key), MaskFields, "%s belongs to a mask of type %s, and this one is %s", f.key, f.of, m.Type).
				WithHint("remove it, or change the type")
			return
		}
	}
	if m.Type == resource.MaskRegex && m.Pattern != "" {
		_, err := resource.ParseRegex(m)
		if e := (*resource.RegexError)(nil); errors.As(err, &e) {
			c.errorf(r, below(path, e.Field), MaskPattern, "the %s %s", e.Field, e.Text).WithHint("%s", e.Hint)
		}
	}
}

// maskCapabilities: a mask that the platform cannot do would leave people
// without access, and is better refused here.
func maskCapabilities(c *check) {
	if c.caps == nil {
		return
	}
	type pair struct{ policy, conn resource.Name }
	told := map[pair]bool{}
	for d := range resource.Of[*resource.DataSource](c.head) {
		conn, ok := resource.Get[*resource.Connection](c.head, resource.KindConnection, d.Spec.Connection)
		if !ok {
			continue
		}
		can, ok := c.caps(conn.Spec.Platform)
		if !ok {
			continue
		}
		for _, m := range resource.MasksOf(c.head, d) {
			if slices.Contains(can.Masks, m.Mask.Type) {
				continue
			}
			r, path := c.maskPlace(d, m)
			key := pair{m.Policy, conn.Ref().Name}
			if m.Policy != "" && told[key] {
				continue
			}
			told[key] = true
			c.errorf(r, path, MaskUnsupported, "%s cannot mask with %s", conn.Spec.Platform, m.Mask.Type).
				WithHint("%s can mask with %s", conn.Spec.Platform, choices(texts(can.Masks))).
				WithRelated(d.At("spec", "columns"), "column %q of %s would be masked so", m.Column, name(d.Ref()))
		}
	}
}

// maskPlace is where the mask of a column is written.
func (c *check) maskPlace(d *resource.DataSource, m resource.ColumnMask) (resource.Resource, []any) {
	if p, ok := resource.Get[*resource.MaskingPolicy](c.head, resource.KindMaskingPolicy, m.Policy); ok && m.Mask == &p.Spec.Mask {
		return p, at("spec", "mask", "type")
	}
	i := slices.IndexFunc(d.Spec.Columns, func(col resource.Column) bool { return col.Name == m.Column })
	return d, at("spec", "columns", i, "mask", "type")
}

// maskMatches: a policy has to hide something, or somebody believes in a mask
// that is not there.
func maskMatches(c *check) {
	for p := range resource.Of[*resource.MaskingPolicy](c.head) {
		broken := false
		for i, col := range p.Spec.Match.Columns {
			source, column, qualified := cutLast(col)
			if !qualified {
				continue
			}
			d, ok := resource.Get[*resource.DataSource](c.head, resource.KindDataSource, resource.Name(source))
			switch {
			case !ok && slices.Contains(c.unread, resource.Ref{Kind: resource.KindDataSource, Name: resource.Name(source)}):
				broken = true
			case !ok:
				broken = true
				diagnostic := c.errorf(p, at("spec", "match", "columns", i), MaskColumn, "unknown data source %q", source).
					WithHint("write connection/database/schema/table/column, or the column alone")
				if guess, ok := c.closest(source, c.names(resource.KindDataSource)); ok {
					diagnostic.WithHint("did you mean %q?", guess+"/"+column)
				}
			case !slices.Contains(columnNames(d), column):
				broken = true
				c.errorf(p, at("spec", "match", "columns", i), MaskColumn, "%s has no column %q", name(d.Ref()), column).
					WithHint("it has %s", choices(columnNames(d))).
					WithRelated(d.At("spec", "columns"), "its columns are here")
			}
		}
		domain := p.Spec.Match.Domain
		if slices.Contains(p.Spec.Match.Tags, resource.NewTag) {
			continue // it waits for what discovery finds
		}
		if !broken && (domain == "" || c.exists(resource.Ref{Kind: resource.KindDomain, Name: domain})) && !c.masksAny(p) {
			c.warnf(p, at("spec", "match"), MaskMatchesNone, "this policy masks no column").
				WithHint("check tags, columns and domain: all that are stated have to hold at once")
		}
	}
}

func (c *check) masksAny(p *resource.MaskingPolicy) bool {
	for d := range resource.Of[*resource.DataSource](c.head) {
		if resource.MatchesAnyColumn(c.head, p, d) {
			return true
		}
	}
	return false
}

func cutLast(s string) (before, last string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func columnNames(d *resource.DataSource) []string {
	out := make([]string, 0, len(d.Spec.Columns))
	for _, col := range d.Spec.Columns {
		out = append(out, col.Name)
	}
	return out
}

// cause is the last part of a regexp error, which repeats the pattern before it.
func cause(err error) string {
	text := err.Error()
	text = strings.TrimPrefix(text, "error parsing regexp: ")
	before, _, _ := strings.Cut(text, ": `")
	return cmp.Or(before, text)
}
