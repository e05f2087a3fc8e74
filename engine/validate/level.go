package validate

import (
	"maps"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// connectionLevels: a level is stated once, lies above something, and says
// something that has an effect.
func connectionLevels(c *check) {
	for conn := range resource.Of[*resource.Connection](c.head) {
		first := map[string]int{}
		for i, l := range conn.Spec.Levels {
			place := at("spec", "levels", i)
			if l.Path != "" {
				place = at("spec", "levels", i, "path")
			}
			if j, ok := first[l.Path]; ok {
				what := "the connection itself"
				if l.Path != "" {
					what = quote(l.Path)
				}
				c.errorf(conn, place, LevelTwice, "two levels are about %s, and only the first counts", what).
					WithHint("put both into one level").
					WithRelated(conn.At("spec", "levels", j), "the first is here")
				continue
			}
			first[l.Path] = i
			if l.Forms == (resource.ProductForms{}) && l.Review == nil && l.Mode == "" && l.Future == "" && len(l.Creators) == 0 {
				c.errorf(conn, place, LevelStatesNone, "this level states nothing").
					WithHint("add forms, review, mode, future or creators, or remove the level")
				continue
			}
			c.futureOf(conn, i, l)
			if l.Path != "" && len(c.below(conn, l.Path)) == 1 {
				c.emptyLevel(conn, place, l)
			}
		}
	}
}

// emptyLevel tells of a level without sources. Where tables are opened as they
// appear, the first may be still to come.
func (c *check) emptyLevel(conn *resource.Connection, place []any, l resource.ConnectionLevel) {
	var d *diag.Diagnostic
	if conn.FutureAt(l.Path) == resource.FutureDiscovered {
		d = c.warnf(conn, place, LevelCoversNone, "no data source lies below %q yet", l.Path)
	} else {
		d = c.errorf(conn, place, LevelCoversNone, "no data source lies below %q", l.Path)
	}
	d.WithHint("write database, or database/schema, as in the paths below sources/%s", conn.Ref().Name)
	if guess, ok := c.closest(l.Path, c.levelsOf(conn)); ok {
		d.WithHint("did you mean %q?", guess)
	}
}

// futureOf: what is to be opened as it appears can be opened.
func (c *check) futureOf(conn *resource.Connection, i int, l resource.ConnectionLevel) {
	if l.Future != resource.FutureDiscovered || conn.ModeAt(l.Path).Acts() {
		return
	}
	c.warnf(conn, at("spec", "levels", i, "future"), LevelFutureIdle, "nothing is opened here as it appears: the level is in mode %s", conn.ModeAt(l.Path)).
		WithHint("set mode to adopt or enforce, on the level or on the connection")
}

// levelsOf are the levels of a connection that have sources.
func (c *check) levelsOf(conn *resource.Connection) []string {
	found := map[string]bool{}
	for d := range resource.Of[*resource.DataSource](c.head) {
		if d.Spec.Connection != conn.Ref().Name {
			continue
		}
		_, level, _ := strings.Cut(string(d.Ref().Name), "/")
		for i := strings.LastIndexByte(level, '/'); i > 0; i = strings.LastIndexByte(level, '/') {
			level = level[:i]
			found[level] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// hiddenProducts: a product that only its audience sees has one.
func hiddenProducts(c *check) {
	for p := range resource.Of[*resource.DataProduct](c.head) {
		if p.Spec.Hidden && len(p.Spec.Audience) == 0 {
			c.errorf(p, at("spec", "hidden"), HiddenFromAll, "%s is hidden, and has no audience to be shown to", name(p.Ref())).
				WithHint("add an audience, or remove hidden")
		}
	}
}

// birthrights: an entry matches somebody, and gives what the product offers.
func birthrights(c *check) {
	for p := range resource.Of[*resource.DataProduct](c.head) {
		offered := p.Spec.AccessLevels
		if len(offered) == 0 {
			offered = []resource.AccessLevel{resource.Read}
		}
		for i, b := range p.Spec.Birthright {
			if !slices.Contains(offered, b.Level()) {
				d := c.errorf(p, at("spec", "birthright", i, "accessLevel"), BirthrightLevel, "%s does not offer the access level %s", name(p.Ref()), b.Level()).
					WithHint("it offers %s", choices(texts(offered)))
				if len(p.Spec.AccessLevels) > 0 {
					d.WithRelated(p.At("spec", "accessLevels"), "what it offers is stated here")
				}
			}
			if b.Group != "" && !c.exists(resource.Ref{Kind: resource.KindGroup, Name: b.Group}) {
				continue
			}
			if len(resource.BirthrightOf(c.head, b, c.now)) == 0 {
				c.warnf(p, at("spec", "birthright", i), BirthrightNobody, "this birthright matches nobody").
					WithHint("check the spelling; it gives access to active people only, and to no service account")
			}
		}
	}
}

// recertifications: a form that asks again does so some day.
func recertifications(c *check) {
	for f := range resource.Of[*resource.RequestForm](c.head) {
		if r := f.Spec.Recertify; r != nil && r.Every == resource.Indefinite {
			c.errorf(f, at("spec", "recertify", "every"), RecertifyNever, "indefinite never comes").
				WithHint("write a length of time, such as 180d, or remove recertify")
		}
	}
}
