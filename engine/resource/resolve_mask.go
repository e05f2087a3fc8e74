package resource

import "slices"

// ColumnMask is the mask that one column is seen through.
type ColumnMask struct {
	Column string
	Mask   *Mask
	// Guardrail is true where no masking exception may lift the mask.
	Guardrail bool
	// Policy is the masking policy behind the mask, and the guardrail policy
	// where Guardrail is true; empty where the column's own mask applies.
	Policy Name
}

// MaskStrength orders mask types: the higher hides more. Unknown types are 0.
func MaskStrength(t MaskType) int {
	order := []MaskType{MaskRound, MaskTruncate, MaskPartial, MaskRegex, MaskHash, MaskConstant, MaskNull}
	return slices.Index(order, t) + 1
}

// MasksOf are the masked columns of a source, in the order of its columns.
//
//	guardrail policy   own mask   other policies   mask                                guardrail
//	none               none       none             the column is clear
//	none               none       some             the strongest of the policies       no
//	none               some       any              the column's own                    no
//	some               any        any              the guardrail's, unless the line    yes
//	                                               above gives a stronger one
//
// A guardrail is a floor: it cannot be lifted and it never makes a column
// clearer. Strongest is null, constant, hash, regex, partial, round; of two
// policies alike, the one whose name sorts first.
func MasksOf(s *Set, d *DataSource) []ColumnMask {
	var out []ColumnMask
	domains := DomainsOf(s, d)
	for i := range d.Spec.Columns {
		col := &d.Spec.Columns[i]
		var plain, guard *MaskingPolicy
		for p := range Of[*MaskingPolicy](s) {
			if !matchColumn(p.Spec.Match, d, col, domains) {
				continue
			}
			if p.Spec.Guardrail {
				guard = stronger(guard, p)
			} else {
				plain = stronger(plain, p)
			}
		}
		if m, ok := decideMask(col, plain, guard); ok {
			out = append(out, m)
		}
	}
	return out
}

func decideMask(col *Column, plain, guard *MaskingPolicy) (m ColumnMask, ok bool) {
	m.Column = col.Name
	switch {
	case col.Mask != nil:
		m.Mask = col.Mask
	case plain != nil:
		m.Mask, m.Policy = &plain.Spec.Mask, plain.Ref().Name
	}
	if guard != nil {
		m.Guardrail, m.Policy = true, guard.Ref().Name
		if m.Mask == nil || MaskStrength(guard.Spec.Mask.Type) >= MaskStrength(m.Mask.Type) {
			m.Mask = &guard.Spec.Mask
		}
	}
	return m, m.Mask != nil
}

// stronger keeps the first of two alike; policies come ordered by name.
func stronger(a, b *MaskingPolicy) *MaskingPolicy {
	if a == nil || MaskStrength(b.Spec.Mask.Type) > MaskStrength(a.Spec.Mask.Type) {
		return b
	}
	return a
}

// MatchesAnyColumn reports whether a policy selects a column of the source,
// whether or not its mask is the one that applies.
func MatchesAnyColumn(s *Set, p *MaskingPolicy, d *DataSource) bool {
	domains := DomainsOf(s, d)
	for i := range d.Spec.Columns {
		if matchColumn(p.Spec.Match, d, &d.Spec.Columns[i], domains) {
			return true
		}
	}
	return false
}

// matchColumn: every field that is set must hold, and one must be set. Tags are
// those of the column; of a source's own tags, only NewTag says something of its
// columns.
func matchColumn(m MaskingMatch, d *DataSource, col *Column, domains []Name) bool {
	source := d.Ref().Name
	if len(m.Tags) == 0 && len(m.Columns) == 0 && m.Domain == "" {
		return false
	}
	unseen := slices.Contains(m.Tags, NewTag) && slices.Contains(d.Spec.Tags, NewTag)
	if len(m.Tags) > 0 && !unseen && !AnyTag(m.Tags, col.Tags) {
		return false
	}
	if len(m.Columns) > 0 && !slices.Contains(m.Columns, col.Name) && !slices.Contains(m.Columns, string(source)+"/"+col.Name) {
		return false
	}
	return m.Domain == "" || slices.Contains(domains, m.Domain)
}
