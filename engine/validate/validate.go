// Package validate holds the rules that span resources: references that must
// resolve, flows that somebody must be able to complete, requests that must fit
// their form. What one file can get wrong by itself is the schema's business.
//
// It judges resources and nothing else: it reads no file, asks no platform,
// decides no request and never looks at a ledger. One cause gives one
// diagnostic, at the value that has to change.
package validate

import (
	"bytes"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// Capabilities are what a platform can do, as far as rules ask.
type Capabilities struct {
	Masks        []resource.MaskType
	AccessLevels []resource.AccessLevel
	PathParts    int // of a table's path: database, schema and table, or database and table; any where zero
}

// Set checks head, and the change from base to head, at now. caps tells what a
// platform can do, and false for a platform that does not exist; nil skips the
// rules that need it.
//
//	base       meaning
//	nil        a repository that starts here: everything in head is new
//	head       nothing changes: only what holds at any time is checked
//	other      the change from base to head is checked too
//
// A request that base has too was judged when it came: it only has to keep
// referring to things that exist. unread are resources whose files are there and
// cannot be read: that is told elsewhere, and a reference to them is not called
// unknown. The list is sorted and has no repeats.
func Set(base, head *resource.Set, now time.Time, caps func(platform string) (Capabilities, bool), unread ...resource.Ref) diag.List {
	return Change(base, nil, head, now, caps, unread...)
}

// Change is Set for a change that was proposed when the repository was opened: a
// request may keep the form and the agreement that counted then. opened is nil
// where that is not known, and then base alone counts.
func Change(base, opened, head *resource.Set, now time.Time, caps func(platform string) (Capabilities, bool), unread ...resource.Ref) diag.List {
	c := &check{base: base, opened: opened, head: head, now: now, caps: caps, unread: unread}
	c.findFresh()
	for _, rule := range rules() {
		rule(c)
	}
	return c.out.Sorted()
}

// rules is the table of all rules, by what they look at.
func rules() []func(*check) {
	return []func(*check){
		// references
		references, twins, repeats,
		// directory
		circularGroups, circularManagers, sharedKeys, sharedForgeAccounts, sharedAccounts, serviceOwners,
		// connections
		connections, endpoints, connectionLevels, sourcePaths, secrets,
		// masking
		masks, maskCapabilities, maskMatches,
		// products and domains
		products, globs, retiredProducts, foreignSources, hiddenProducts, birthrights,
		// forms
		forms, questions, recertifications,
		// flows
		flowShapes, flowConditions, flowDeadlines, flowPeople, inactiveFlows,
		// requests
		requestPeople, onBehalfOf, pinnedForms, agreements, durations, dates, columns, targets, deciders, unmapped, renewals,
		// emergency access, and looking back
		breakGlass, emergencies, accessReviews,
		// governance
		identity, mixedChange,
	}
}

// check is what rules read, and the list that they add to.
type check struct {
	base, head *resource.Set
	opened     *resource.Set
	now        time.Time
	caps       func(string) (Capabilities, bool)
	unread     []resource.Ref
	fresh      []freshRequest
	stated     []flow
	formsAt    map[resource.Target][]*resource.RequestForm
	out        diag.List
	guesses    int
}

// errorf adds an error at a value of a resource.
func (c *check) errorf(r resource.Resource, path []any, code diag.Code, format string, args ...any) *diag.Diagnostic {
	pos := r.At(path...)
	d := c.out.Errorf(pos, code, format, args...)
	d.Width = width(r.Origin().Raw, pos)
	return d
}

// warnf adds a warning at a value of a resource.
func (c *check) warnf(r resource.Resource, path []any, code diag.Code, format string, args ...any) *diag.Diagnostic {
	pos := r.At(path...)
	d := c.out.Warnf(pos, code, format, args...)
	d.Width = width(r.Origin().Raw, pos)
	return d
}

// width is the number of runes of the key or value at a place: up to the
// closing quote, or to what ends a plain text in YAML. 0 where nothing is there.
func width(raw []byte, pos diag.Pos) int {
	lines := strings.SplitN(string(raw), "\n", pos.Line+1)
	if pos.Line < 1 || pos.Line > len(lines) {
		return 0
	}
	runes := []rune(strings.TrimRight(lines[pos.Line-1], " \t\r"))
	if pos.Col < 1 || pos.Col > len(runes) {
		return 0
	}
	runes = runes[pos.Col-1:]
	if q := runes[0]; q == '"' || q == '\'' {
		for i := 1; i < len(runes); i++ {
			if runes[i] == q && (q == '\'' || runes[i-1] != '\\') {
				return i + 1
			}
		}
		return len(runes)
	}
	flow := strings.ContainsAny(lines[pos.Line-1], "{[")
	for i, r := range runes {
		next := ' '
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		switch {
		case r == ':' && next == ' ', r == ' ' && next == '#', flow && strings.ContainsRune(",]}", r):
			return max(i, 1)
		}
	}
	return len(runes)
}

// at spells the path of a value.
func at(path ...any) []any { return path }

// below extends a path without touching it.
func below(path []any, more ...any) []any {
	return append(append(make([]any, 0, len(path)+len(more)), path...), more...)
}

// before finds a resource at base; there is none where everything is new.
func (c *check) before(ref resource.Ref) (resource.Resource, bool) {
	if c.base == nil {
		return nil, false
	}
	return c.base.Find(ref)
}

// rulings is the Set that judges a change: base, or head where all is new.
func (c *check) rulings() *resource.Set {
	if c.base == nil {
		return c.head
	}
	return c.base
}

// freshRequest is a request that this change adds or edits, with its former
// version where there is one.
type freshRequest struct{ req, former *resource.AccessRequest }

func (c *check) findFresh() {
	if c.base == c.head {
		return
	}
	for req := range resource.Of[*resource.AccessRequest](c.head) {
		old, ok := c.before(req.Ref())
		switch {
		case !ok:
			c.fresh = append(c.fresh, freshRequest{req: req})
		case !sameBytes(old, req):
			former, _ := old.(*resource.AccessRequest)
			c.fresh = append(c.fresh, freshRequest{req, former})
		}
	}
}

func sameBytes(a, b resource.Resource) bool {
	return a == b || bytes.Equal(a.Origin().Raw, b.Origin().Raw)
}

// freshRequests yields the requests that this change adds or edits.
func (c *check) freshRequests(yield func(req, former *resource.AccessRequest) bool) {
	for _, f := range c.fresh {
		if !yield(f.req, f.former) {
			return
		}
	}
}

// name renders a definition for a person: product "sales".
func name(ref resource.Ref) string { return noun(ref.Kind) + " " + quote(string(ref.Name)) }

func noun(kind resource.Kind) string {
	switch kind {
	case resource.KindDataSource:
		return "data source"
	case resource.KindMaskingPolicy:
		return "masking policy"
	case resource.KindDataProduct:
		return "product"
	case resource.KindRequestForm:
		return "form"
	case resource.KindDataUseAgreement:
		return "agreement"
	case resource.KindAccessRequest:
		return "request"
	case resource.KindAccessReview:
		return "access review"
	case resource.KindNotificationRoute:
		return "notification route"
	case resource.KindUser:
		return "user"
	case resource.KindGroup:
		return "group"
	case resource.KindConnection:
		return "connection"
	case resource.KindDomain:
		return "domain"
	default:
		return string(kind)
	}
}
