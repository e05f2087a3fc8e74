package resource

import (
	"strings"

	"github.com/assent-dev/assent/engine/diag"
)

// Stated is a review flow as a file states it.
type Stated struct {
	// From is the form, product, source, connection or repository that holds
	// the flow; zero for the default, which no file holds.
	From Ref
	// Level is the level of a connection; empty for the connection itself.
	Level string

	holder Resource
	path   []any
}

// String names the place as people write it: "RequestForm/pii",
// "Connection/warehouse level shop/public", or "default".
func (st Stated) String() string {
	switch {
	case st.From == Ref{}:
		return "default"
	case st.Level != "":
		return st.From.String() + " level " + st.Level
	default:
		return st.From.String()
	}
}

// At is where the flow is written, or a value in it; zero for the default.
func (st Stated) At(path ...any) diag.Pos {
	if st.holder == nil {
		return diag.Pos{}
	}
	return st.holder.At(append(append([]any{}, st.path...), path...)...)
}

// stand is a resource, or one level of a connection, that may state forms and a
// flow for what lies below it.
type stand struct {
	holder Resource
	level  string
	path   []any // of forms and review in the file
	forms  ProductForms
	review *ReviewFlow
}

func (st stand) stated() Stated {
	return Stated{From: st.holder.Ref(), Level: st.level, holder: st.holder, path: append(append([]any{}, st.path...), "review")}
}

// decides reports whether a flow is stated here, and not passed on.
func decides(f *ReviewFlow) bool { return f != nil && f.Mode != ReviewDelegated }

// stands are all that may state forms and a flow for a target, nearest first.
//
//	target    asked in this order
//	product   the product
//	source    the source, its schema, its database, its connection
//	path      the level of the path itself, those above it, the connection
//
// A product is no child of its sources' connections: its domain answers for it.
// Of two levels with one path, the first in the file counts.
func stands(s *Set, t Target) []stand {
	var out []stand
	below := strings.TrimSuffix(t.Path, "/")
	switch {
	case t.Product != "":
		if p, ok := Get[*DataProduct](s, KindDataProduct, t.Product); ok {
			out = append(out, stand{holder: p, path: []any{"spec"}, forms: p.Spec.Forms, review: p.Spec.Review})
		}
		return out
	case t.Source != "":
		if d, ok := Get[*DataSource](s, KindDataSource, t.Source); ok {
			out = append(out, stand{holder: d, path: []any{"spec"}, forms: d.Spec.Forms, review: d.Spec.Review})
		}
		below = string(t.Source)[:max(0, strings.LastIndexByte(string(t.Source), '/'))]
	}
	name, level, _ := strings.Cut(below, "/")
	conn, ok := Get[*Connection](s, KindConnection, Name(name))
	for ok {
		for i, l := range conn.Spec.Levels {
			if l.Path == level {
				out = append(out, stand{holder: conn, level: level, path: []any{"spec", "levels", i}, forms: l.Forms, review: l.Review})
				break
			}
		}
		if level == "" {
			break
		}
		level = level[:max(0, strings.LastIndexByte(level, '/'))]
	}
	return out
}

// StatedFor is the flow that counts for a target when the form is given: the
// form's, else the nearest of the target, else the default.
func StatedFor(s *Set, form *RequestForm, t Target) Stated {
	for _, st := range append([]stand{formStand(form)}, stands(s, t)...) {
		if decides(st.review) {
			return st.stated()
		}
	}
	return Stated{}
}

func formStand(form *RequestForm) stand {
	return stand{holder: form, path: []any{"spec"}, review: form.Spec.Review}
}

// FormFor is the name of the form that a request has to fill in. The first that
// names a form for this type of request wins: the product, or the source and
// then its schema, database and connection; then the repository's default; then
// "standard". Emergency access always has "standard": who is in a hurry reads no
// form. What the request itself pins has no say in it.
func FormFor(s *Set, req *AccessRequest) Name {
	form, _, _ := formChoice(s, req)
	return form
}

// FormChosenAt is the place that says which form a request has to fill in; zero
// where it is "standard" because nothing is said.
func FormChosenAt(s *Set, req *AccessRequest) diag.Pos {
	if _, holder, path := formChoice(s, req); holder != nil {
		return holder.At(path...)
	}
	return diag.Pos{}
}

func formChoice(s *Set, req *AccessRequest) (form Name, holder Resource, path []any) {
	if req.Spec.Type == EmergencyAccess {
		return StandardForm, nil, nil
	}
	for _, st := range stands(s, req.Spec.Target) {
		name, key := st.forms.DataAccess, "dataAccess"
		if req.Spec.Type == MaskingException {
			name, key = st.forms.MaskingException, "maskingException"
		}
		if name != "" {
			return name, st.holder, append(append([]any{}, st.path...), "forms", key)
		}
	}
	if r, ok := s.Repository(); ok && r.Spec.Defaults.Form != "" {
		return r.Spec.Defaults.Form, r, []any{"spec", "defaults", "form"}
	}
	return StandardForm, nil, nil
}
