package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// maxBytes bounds a scenario, like any other file that people write.
const maxBytes = 32 << 10

// Decode reads one scenario. The Scenario is of use only where the list is empty.
func Decode(file string, raw []byte) (Scenario, diag.List) {
	d := &decoder{file: file}
	out := Scenario{File: file, Name: "scenario", People: map[resource.Name]Person{}}
	if len(raw) > maxBytes {
		d.out.Errorf(diag.Pos{File: file}, CodeScenario, "it is %d bytes; at most %d", len(raw), maxBytes)
		return out, d.out
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		d.out.Errorf(diag.Pos{File: file, Line: lineOf(err)}, CodeScenario, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
		return out, d.out
	}
	if len(doc.Content) == 0 {
		d.out.Errorf(diag.Pos{File: file}, CodeScenario, "it is empty").WithHint("write one as `assent explain %s` shows", CodeScenario)
		return out, d.out
	}
	d.scenario(doc.Content[0], &out)
	return out, d.out.Sorted()
}

func lineOf(err error) int {
	var line int
	if _, scan := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scan != nil {
		return 0
	}
	return line
}

type decoder struct {
	file string
	out  diag.List
}

func (d *decoder) pos(n *yaml.Node) diag.Pos {
	return diag.Pos{File: d.file, Line: n.Line, Col: n.Column}
}

func (d *decoder) errorf(n *yaml.Node, format string, args ...any) *diag.Diagnostic {
	return d.out.Errorf(d.pos(n), CodeScenario, format, args...)
}

// field is one field that a mapping may have.
type field struct {
	name     string
	required bool
	read     func(*yaml.Node)
}

// mapping reads a mapping with exactly the known fields, each at most once.
func (d *decoder) mapping(n *yaml.Node, what string, fields ...field) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "%s is no mapping of names to values", what)
		return
	}
	seen := map[string]bool{}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.Index(names, key.Value)
		switch {
		case seen[key.Value]:
			d.errorf(key, "%s is stated twice", key.Value)
		case at < 0:
			d.errorf(key, "unknown field %q in %s", key.Value, what).WithHint("it may have %s", strings.Join(names, ", "))
		case value.Kind == yaml.AliasNode:
			d.errorf(value, "aliases are not read here")
		default:
			fields[at].read(value)
		}
		seen[key.Value] = true
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			d.errorf(n, "%s lacks %s", what, f.name)
		}
	}
}

func (d *decoder) scenario(n *yaml.Node, s *Scenario) {
	first := Step{Pos: d.pos(n)}
	expected := false
	d.mapping(n, "a scenario",
		field{"scenario", true, d.text(&s.Title)},
		field{"at", true, d.instant(&first.At)},
		field{"people", false, func(v *yaml.Node) { d.people(v, s) }},
		field{"request", false, func(v *yaml.Node) { s.spec, s.pos = v, d.pos(v) }},
		field{"file", false, func(v *yaml.Node) { d.text(&s.path)(v); s.pos = d.pos(v) }},
		field{"name", false, text(d, &s.Name)},
		field{"by", false, text(d, &s.By)},
		field{"held", false, func(v *yaml.Node) { d.held(v, s) }},
		field{"reviews", false, func(v *yaml.Node) { first.Reviews = d.reviews(v) }},
		field{"expect", false, func(v *yaml.Node) { first.Expect, expected = d.expect(v), true }},
		field{"steps", false, func(v *yaml.Node) { s.Steps = d.steps(v) }},
	)
	if (s.spec == nil) == (s.path == "") {
		d.errorf(n, "a scenario has either request or file")
	}
	if !expected && (len(s.Steps) == 0 || len(first.Reviews) > 0) {
		d.errorf(n, "it expects nothing").WithHint("add expect: {outcome: pending}")
	}
	if expected {
		s.Steps = append([]Step{first}, s.Steps...)
	}
	for i, step := range s.Steps {
		if step.At.IsZero() {
			s.Steps[i].At = first.At
		}
		if i > 0 && s.Steps[i].At.Before(s.Steps[i-1].At) {
			d.out.Errorf(step.Pos, CodeScenario, "it is before the step before it")
		}
	}
}

func (d *decoder) steps(n *yaml.Node) []Step {
	var out []Step
	d.list(n, "steps", func(v *yaml.Node) {
		step := Step{Pos: d.pos(v)}
		d.mapping(v, "a step",
			field{"at", false, d.instant(&step.At)},
			field{"reviews", false, func(v *yaml.Node) { step.Reviews = d.reviews(v) }},
			field{"expect", true, func(v *yaml.Node) { step.Expect = d.expect(v) }},
		)
		out = append(out, step)
	})
	return out
}

func (d *decoder) reviews(n *yaml.Node) []Review {
	var out []Review
	d.list(n, "reviews", func(v *yaml.Node) {
		var r Review
		d.mapping(v, "a review",
			field{"by", true, text(d, &r.By)},
			field{"verdict", true, choice(d, &r.Verdict, review.Approve, review.Deny, review.Comment, review.Dismissed)},
			field{"body", false, d.text(&r.Body)},
		)
		out = append(out, r)
	})
	return out
}

func (d *decoder) expect(n *yaml.Node) Expect {
	e := Expect{Pos: d.pos(n)}
	d.mapping(n, "expect",
		field{"outcome", true, choice(d, &e.Outcome, review.Pending, review.Approved, review.TemporarilyApproved, review.Denied, review.Canceled)},
		field{"until", false, func(v *yaml.Node) {
			e.Until = new(time.Time)
			if v.Value != "" && v.Value != "none" {
				d.instant(e.Until)(v)
			}
		}},
		field{"missing", false, func(v *yaml.Node) { e.missing = true; texts(d, &e.Missing)(v) }},
		field{"counted", false, func(v *yaml.Node) { e.counted = true; texts(d, &e.Counted)(v) }},
		field{"reason", false, d.text(&e.Reason)},
	)
	return e
}

func (d *decoder) people(n *yaml.Node, s *Scenario) {
	d.each(n, "people", func(name string, v *yaml.Node) {
		p := Person{stated: map[string]bool{}}
		note := func(field string, read func(*yaml.Node)) func(*yaml.Node) {
			return func(v *yaml.Node) { p.stated[field] = true; read(v) }
		}
		d.mapping(v, "a person",
			field{"groups", false, note("groups", texts(d, &p.Groups))},
			field{"attributes", false, note("attributes", func(v *yaml.Node) {
				p.Attributes = map[string][]string{}
				d.each(v, "attributes", func(key string, v *yaml.Node) {
					var list []string
					texts(d, &list)(v)
					p.Attributes[key] = list
				})
			})},
			field{"permissions", false, note("permissions", texts(d, &p.Permissions))},
			field{"state", false, note("state", choice(d, &p.State, resource.UserActive, resource.UserLeft))},
		)
		s.People[resource.Name(name)] = p
	})
}

func (d *decoder) held(n *yaml.Node, s *Scenario) {
	s.Held = map[resource.Name][]review.HeldAccess{}
	d.each(n, "held", func(name string, v *yaml.Node) {
		d.list(v, "held", func(v *yaml.Node) {
			h := review.HeldAccess{AccessLevel: resource.Read}
			d.mapping(v, "held access",
				field{"product", false, text(d, &h.Product)},
				field{"tags", false, texts(d, &h.Tags)},
				field{"accessLevel", false, choice(d, &h.AccessLevel, resource.Read, resource.Write)},
				field{"pending", false, func(v *yaml.Node) {
					if err := v.Decode(&h.Pending); err != nil {
						d.errorf(v, "pending is true or false")
					}
				}},
			)
			if h.Product != "" {
				h.Target = "DataProduct/" + string(h.Product)
			}
			s.Held[resource.Name(name)] = append(s.Held[resource.Name(name)], h)
		})
	})
}
