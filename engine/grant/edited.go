package grant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// counted is a request as it counts: nil where nothing of it does. Access begins
// at from and ends at until, exclusive; zero means no bound. waits names what the
// file asks for beyond what was approved.
type counted struct {
	req         *resource.AccessRequest
	from, until time.Time
	waits       []string
}

// count compares the file on main with the request that was approved. Editing a
// request narrows it at once; what the edit adds waits for a determination of
// its own, and what was approved stays until its own end.
//
//	part            the file, against what was approved    counts now
//	type, target    another                                nothing
//	beneficiaries   a person fewer                         without that person
//	                a person more                          as approved; the person waits
//	columns         fewer                                  the fewer
//	                more                                   as approved; the columns wait
//	                none in common                         nothing
//	accessLevel     lower                                  the lower
//	                higher                                 as approved; the level waits
//	notBefore       later                                  the later
//	                earlier, or none                       as approved; the start waits
//	until, duration earlier                                the earlier
//	                later, or no end                       as approved; the end waits
//	anything else   another                                as approved: it gives no access
//
// People are compared as they are now, so that a group may stand for its
// members. A duration is counted from the determination, as it was when it was
// approved. Where the approved request is not known, an edited one gives nothing.
func count(set *resource.Set, current *resource.AccessRequest, a Approval) counted {
	c := counted{from: a.NotBefore, until: a.Until}
	switch {
	case current.Digest() == a.ContentDigest:
		c.req = current
		return c
	case a.Approved == nil:
		return c
	}
	was, is := a.Approved.Spec, current.Spec
	if was.Type != is.Type || was.Target != is.Target {
		c.waits = append(c.waits, "another type or target")
		return c
	}
	req := *current
	req.Spec.Beneficiaries = c.people(set, was.Beneficiaries, is.Beneficiaries)
	var some bool
	if req.Spec.Columns, some = c.columns(set, was, is); !some {
		return c
	}
	req.Spec.AccessLevel = was.Level()
	if is.Level() == resource.Read {
		req.Spec.AccessLevel = resource.Read
	} else if is.Level() != was.Level() {
		c.waits = append(c.waits, "access level "+string(is.Level()))
	}
	if err := c.window(was, is, a.DecidedAt); err != nil {
		c.waits = append(c.waits, err.Error())
		return c
	}
	c.req = &req
	return c
}

// people are those whom both lists mean.
func (c *counted) people(set *resource.Set, was, is []resource.Subject) []resource.Subject {
	if slices.Equal(was, is) {
		return is
	}
	before := resource.People(set, was)
	var both []resource.Subject
	for _, name := range resource.People(set, is) {
		if slices.Contains(before, name) {
			both = append(both, resource.Subject{User: name})
		} else {
			c.waits = append(c.waits, "access for "+string(name))
		}
	}
	return both
}

// columns are those that both lists mean. some is false where there is none:
// an empty list would mean every column.
func (c *counted) columns(set *resource.Set, was, is resource.AccessRequestSpec) (both []string, some bool) {
	every := was.Type != resource.MaskingException
	switch {
	case every && len(is.Columns) == 0:
		if len(was.Columns) > 0 {
			c.waits = append(c.waits, "every column")
		}
		return was.Columns, true
	case every && len(was.Columns) == 0, subset(is.Columns, was.Columns):
		return is.Columns, len(is.Columns) > 0
	}
	var more []string
	for _, d := range resource.SourcesOfTarget(set, is.Target) {
		for _, col := range d.Spec.Columns {
			full := string(d.Ref().Name) + "/" + col.Name
			switch {
			case !resource.ColumnNamed(is.Columns, d, col.Name):
			case resource.ColumnNamed(was.Columns, d, col.Name):
				both = append(both, full)
			default:
				more = append(more, full)
			}
		}
	}
	if len(more) > 0 {
		c.waits = append(c.waits, "column "+strings.Join(more, ", "))
	}
	return both, len(both) > 0
}

func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// window narrows when access begins and ends.
func (c *counted) window(was, is resource.AccessRequestSpec, decidedAt time.Time) error {
	if was.NotBefore != is.NotBefore {
		before, err := start(was)
		if err != nil {
			return err
		}
		now, err := start(is)
		if err != nil {
			return err
		}
		if now.Before(before) {
			c.waits = append(c.waits, "an earlier start")
		} else if now.After(c.from) {
			c.from = now
		}
	}
	if was.Until == is.Until && was.Duration == is.Duration {
		return nil
	}
	before, bounded, err := end(was, decidedAt)
	if err != nil {
		return err
	}
	now, nowBounded, err := end(is, decidedAt)
	if err != nil {
		return err
	}
	if bounded && (!nowBounded || now.After(before)) {
		c.waits = append(c.waits, "a later end")
	}
	c.until = resource.Earliest(c.until, now)
	return nil
}

func start(s resource.AccessRequestSpec) (time.Time, error) {
	if !s.NotBefore.Stated() {
		return time.Time{}, nil
	}
	return s.NotBefore.Time()
}

// end is the end that a request asks for; zero where it is not bounded.
func end(s resource.AccessRequestSpec, decidedAt time.Time) (at time.Time, bounded bool, err error) {
	if s.Until.Stated() {
		at, err = s.Until.Time()
		return at, true, err
	}
	if decidedAt.IsZero() {
		return time.Time{}, false, fmt.Errorf("its duration runs from an unknown time")
	}
	return s.Duration.After(decidedAt)
}

// edited says what an edit does not get, in words.
func (c counted) edited(a Approval) string {
	if len(c.waits) == 0 {
		return fmt.Sprintf("the file is not the one that was approved in record %d", a.Seq)
	}
	return fmt.Sprintf("the file was edited since record %d; this waits for a new determination: %s", a.Seq, strings.Join(c.waits, "; "))
}
