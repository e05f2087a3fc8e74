package grant

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Preview is what a request would give if it were approved now, next to what its
// beneficiaries have.
type Preview struct {
	Request resource.Name `json:"request"`
	At      time.Time     `json:"at"`             // the instant of Then: now, or when access begins
	Until   time.Time     `json:"until,omitzero"` // exclusive; zero means no end
	Rows    []PreviewRow  `json:"rows"`           // by person, then source
}

// PreviewRow is one person and one data source.
type PreviewRow struct {
	Person resource.Name        `json:"person"`
	Source resource.Name        `json:"source"`
	Now    resource.AccessLevel `json:"now,omitempty"`  // empty for no access
	Then   resource.AccessLevel `json:"then,omitempty"` // if approved
	// Prevented says why that is less than what is asked for.
	Prevented []string        `json:"prevented,omitempty"`
	Columns   []PreviewColumn `json:"columns"`
}

// PreviewColumn is one column of a source.
type PreviewColumn struct {
	Name string     `json:"name"`
	Now  Visibility `json:"now"`
	Then Visibility `json:"then"`
	// Policy is the masking policy behind a mask that stays, Guardrail whether
	// an exception could lift it.
	Policy    resource.Name `json:"policy,omitempty"`
	Guardrail bool          `json:"guardrail,omitempty"`
}

// PreviewOf compares what is desired at now with what would be desired if the
// request were approved until an end, zero for none. Set need not hold the
// request; a request of the same name gives way to it.
func PreviewOf(set *resource.Set, determinations Determinations, req *resource.AccessRequest, until, now time.Time) Preview {
	p, _, _ := Foresee(set, determinations, req, until, now)
	return p
}

// Foresee is PreviewOf with what it rests on: what is desired at the instant of the
// preview without the approval and with it, as far as its beneficiaries are concerned.
func Foresee(set *resource.Set, determinations Determinations, req *resource.AccessRequest, until, now time.Time) (p Preview, without, with State) {
	now = now.UTC().Truncate(time.Second)
	p = Preview{Request: req.Ref().Name, At: now, Until: until, Rows: []PreviewRow{}}
	if begins, err := req.Spec.NotBefore.Time(); err == nil && begins.After(now) {
		p.At = begins
	}
	changed := withRequest(set, req)
	people := resource.People(changed, req.Spec.Beneficiaries)
	determinations = about(set, determinations, people)
	approved := maps.Clone(determinations)
	approved[p.Request] = Approval{Request: p.Request, ContentDigest: req.Digest(), Until: until, DecidedAt: now}
	without = Desired(set, determinations, now).State
	with = Desired(changed, approved, p.At).State
	was, will := sightsByKey(Sights(set, without)), sightsByKey(Sights(changed, with))
	if p.At.After(now) {
		without = Desired(set, determinations, p.At).State
	}
	for _, person := range people {
		for _, d := range resource.SourcesOfTarget(changed, req.Spec.Target) {
			key := [2]resource.Name{person, d.Ref().Name}
			p.Rows = append(p.Rows, previewRow(changed, req, d, person, was[key], will[key], p.At))
		}
	}
	return p, without, with
}

// about are the approvals that concern some of the people.
func about(set *resource.Set, determinations Determinations, people []resource.Name) Determinations {
	out := Determinations{}
	for req := range resource.Of[*resource.AccessRequest](set) {
		a, ok := determinations[req.Ref().Name]
		if ok && slices.ContainsFunc(resource.People(set, req.Spec.Beneficiaries), func(n resource.Name) bool { return slices.Contains(people, n) }) {
			out[req.Ref().Name] = a
		}
	}
	return out
}

func withRequest(set *resource.Set, req *resource.AccessRequest) *resource.Set {
	all := []resource.Resource{req}
	for r := range set.All() {
		if r.Ref() != req.Ref() {
			all = append(all, r)
		}
	}
	return resource.NewSet(all...)
}

func sightsByKey(list []Sight) map[[2]resource.Name]Sight {
	out := map[[2]resource.Name]Sight{}
	for _, s := range list {
		out[[2]resource.Name{s.Person, s.Source}] = s
	}
	return out
}

func previewRow(set *resource.Set, req *resource.AccessRequest, d *resource.DataSource, person resource.Name, was, will Sight, at time.Time) PreviewRow {
	row := PreviewRow{Person: person, Source: d.Ref().Name, Now: was.Level, Then: will.Level, Columns: []PreviewColumn{}}
	masks := map[string]resource.ColumnMask{}
	for _, m := range resource.MasksOf(set, d) {
		masks[m.Column] = m
	}
	exception := req.Spec.Type == resource.MaskingException
	for _, c := range d.Spec.Columns {
		col := PreviewColumn{Name: c.Name, Now: was.how(c.Name), Then: will.how(c.Name)}
		if m, ok := masks[c.Name]; ok && col.Then != Clear {
			col.Policy, col.Guardrail = m.Policy, m.Guardrail
			if exception && m.Guardrail && resource.ColumnNamed(req.Spec.Columns, d, c.Name) {
				row.Prevented = append(row.Prevented, fmt.Sprintf("guardrail %s keeps %s masked", m.Policy, c.Name))
			}
		}
		row.Columns = append(row.Columns, col)
	}
	switch why := barrier(set, req, d, person, at); {
	case why != "":
		row.Prevented = append([]string{why}, row.Prevented...)
	case exception && will.Level == "":
		row.Prevented = append(row.Prevented, "an exception alone gives no access: the person has no access to this data")
	case !exception && req.Spec.Level() == resource.Write && will.Level == resource.Read:
		row.Prevented = append(row.Prevented, "a table with masked columns can be read, and not written")
	}
	return row
}

// barrier is what keeps an approved request from giving a person this source;
// empty if nothing does. It follows the table of Desired.
func barrier(set *resource.Set, req *resource.AccessRequest, d *resource.DataSource, person resource.Name, at time.Time) string {
	if p, ok := resource.Get[*resource.DataProduct](set, resource.KindDataProduct, req.Spec.Target.Product); ok && !published(p) {
		return fmt.Sprintf("data product %s is %s", p.Ref().Name, p.Spec.State)
	}
	u, ok := resource.UserOf(set, person)
	if !ok || !resource.Active(u, at) {
		return fmt.Sprintf("user %s is not active", person)
	}
	if why := ownerless(set, u, at); why != "" {
		return fmt.Sprintf("service account %s gets nothing: %s", person, why)
	}
	c, ok := resource.Get[*resource.Connection](set, resource.KindConnection, d.Spec.Connection)
	if _, level := resource.LevelOf(d.Ref().Name); !ok || !c.ModeAt(level).Acts() {
		return observedText(c, d.Spec.Connection, level)
	}
	if _, ok := resource.AccountOf(u, c); !ok {
		return fmt.Sprintf("user %s has no account on %s", person, d.Spec.Connection)
	}
	return ""
}

// Gives reports whether the request would change anything for anybody.
func (p Preview) Gives() bool {
	return slices.ContainsFunc(p.Rows, func(r PreviewRow) bool {
		return rankOf(r.Then) > rankOf(r.Now) || slices.ContainsFunc(r.Columns, func(c PreviewColumn) bool { return c.Then.rank() > c.Now.rank() })
	})
}
