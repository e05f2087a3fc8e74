package adopt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Input is what a proposal rests on.
type Input struct {
	Set        *resource.Set
	Connection *resource.Connection
	Foreign    []platform.Foreign
	Survey     platform.Survey
	// Covered are the requests by which the principal has as much from us.
	Covered   func(platform.Foreign) []resource.Ref
	Requester resource.Name // who opens the pull request
	Now       time.Time
}

// Proposal is what others gave, sorted into what a request can stand for, what
// none can, and what needs none. Every foreign access is in at least one of them.
type Proposal struct {
	Asked  []Asked  `json:"asked"`
	Locked []Locked `json:"locked"`
	Known  []Known  `json:"known"`
}

// Asked is one request that stands for access that exists. Its form is not
// filled in, and its duration not set.
type Asked struct {
	Request *resource.AccessRequest `json:"-"`
	Name    resource.Name           `json:"request"`
	// Principal is the account, or the role with members.
	Principal string   `json:"principal"`
	Guesses   []string `json:"guesses"` // whom the accounts belong to, and on what ground
	// For is the access that it stands for.
	For []platform.Foreign `json:"for"`
}

// Locked is an access that no request of this proposal stands for, and why.
type Locked struct {
	platform.Foreign
	Reason string `json:"reason"` // stable, such as unknown-account
	Detail string `json:"detail"` // a sentence
	Next   string `json:"next"`
}

// Known is an access for which nothing has to be asked.
type Known struct {
	platform.Foreign
	By []resource.Ref `json:"by"`
	// In is the pull request that asks for it; empty for what is on main.
	In string `json:"in,omitempty"`
}

// Propose sorts what others gave on a connection. The same input gives the same
// proposal, in the same order.
func Propose(in Input) Proposal {
	b := newProposer(in)
	for _, principal := range b.principals() {
		b.principal(principal)
	}
	for _, s := range in.Survey.Standing {
		b.lock(s.Foreign, s.Reason)
	}
	b.resolveNames()
	slices.SortStableFunc(b.out.Asked, func(x, y Asked) int { return cmp.Compare(x.Name, y.Name) })
	slices.SortStableFunc(b.out.Locked, Locked.Compare)
	slices.SortStableFunc(b.out.Known, func(x, y Known) int { return compareForeign(x.Foreign, y.Foreign) })
	return b.out
}

// Compare orders locked accesses by reason and detail, then by what they are.
func (l Locked) Compare(o Locked) int {
	return cmp.Or(cmp.Compare(l.Reason, o.Reason), cmp.Compare(l.Detail, o.Detail), compareForeign(l.Foreign, o.Foreign))
}

func compareForeign(a, b platform.Foreign) int {
	return cmp.Or(cmp.Compare(a.Principal, b.Principal), slices.Compare(a.Path, b.Path), cmp.Compare(a.Privilege, b.Privilege),
		slices.Compare(a.Columns, b.Columns), cmp.Compare(a.Grantor, b.Grantor))
}

// proposer is one proposal in the making.
type proposer struct {
	in      Input
	sources map[string]*resource.DataSource   // by path
	schemas map[string][]*resource.DataSource // by the path above
	masked  map[resource.Name]bool
	offered []offer                       // published products
	by      map[string][]platform.Foreign // by principal
	people  *people
	asked   map[askedKey][]resource.Ref
	out     Proposal
}

// offer is a product that may be asked for.
type offer struct {
	product  *resource.DataProduct
	sources  []*resource.DataSource
	audience []resource.Name
}

// askedKey is what requests on main ask for, for one person.
type askedKey struct {
	person resource.Name
	source resource.Name
	level  resource.AccessLevel
}

func newProposer(in Input) *proposer {
	b := &proposer{
		in: in, sources: map[string]*resource.DataSource{}, schemas: map[string][]*resource.DataSource{}, masked: map[resource.Name]bool{},
		by: map[string][]platform.Foreign{}, people: newPeople(in.Set, in.Connection, in.Now), asked: map[askedKey][]resource.Ref{},
		out: Proposal{Asked: []Asked{}, Locked: []Locked{}, Known: []Known{}},
	}
	for d := range resource.Of[*resource.DataSource](in.Set) {
		if d.Spec.Connection == in.Connection.Ref().Name {
			b.sources[pathKey(d.Spec.Path)] = d
			b.schemas[above(d.Ref().Name)] = append(b.schemas[above(d.Ref().Name)], d)
			b.masked[d.Ref().Name] = len(resource.MasksOf(in.Set, d)) > 0
		}
	}
	for p := range resource.Of[*resource.DataProduct](in.Set) {
		if p.Spec.State == "" || p.Spec.State == resource.ProductPublished {
			b.offered = append(b.offered, offer{p, resource.SourcesOf(in.Set, p), resource.People(in.Set, p.Spec.Audience)})
		}
	}
	for _, f := range in.Foreign {
		b.by[f.Principal] = append(b.by[f.Principal], f)
	}
	for req := range resource.Of[*resource.AccessRequest](in.Set) {
		b.noteAsked(req)
	}
	return b
}

// noteAsked remembers what a request on main asks for, whether it was approved,
// still waits or is over: nobody is asked the same twice.
func (b *proposer) noteAsked(req *resource.AccessRequest) {
	if req.Spec.Type == resource.MaskingException || len(req.Spec.Columns) > 0 {
		return
	}
	levels := []resource.AccessLevel{resource.Read}
	if req.Spec.Level() == resource.Write {
		levels = append(levels, resource.Write)
	}
	people := resource.People(b.in.Set, req.Spec.Beneficiaries)
	for _, d := range resource.SourcesOfTarget(b.in.Set, req.Spec.Target) {
		for _, p := range people {
			for _, l := range levels {
				k := askedKey{p, d.Ref().Name, l}
				b.asked[k] = append(b.asked[k], req.Ref())
			}
		}
	}
}

func (b *proposer) principals() []string {
	var out []string
	for p := range b.by {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// principal sorts what one account, or one role with its members, has.
func (b *proposer) principal(name string) {
	items := b.by[name]
	lockAll := func(reason string, args ...any) {
		for _, f := range items {
			b.lock(f, reason, args...)
		}
	}
	switch {
	case name == "PUBLIC":
		lockAll("public")
		return
	case strings.HasPrefix(name, "assent_"):
		lockAll("to-our-role")
		return
	}
	accounts, isRole := b.in.Survey.Members[name]
	if !isRole {
		accounts = []string{name}
	}
	if len(accounts) == 0 {
		lockAll("no-members")
		return
	}
	var who []guess
	for _, a := range accounts {
		g := b.people.guess(a)
		if g.reason == "" {
			who = append(who, g)
			continue
		}
		for _, f := range items {
			f.Principal = a
			b.lock(f, g.reason, through(name, isRole)+g.detail)
		}
	}
	if len(who) > 0 {
		b.ask(name, who, items)
	}
}

func through(role string, isRole bool) string {
	if !isRole {
		return ""
	}
	return "in role " + role + ": "
}

// ask makes the requests for what known people have.
func (b *proposer) ask(principal string, who []guess, items []platform.Foreign) {
	h := newHoldings()
	for _, f := range items {
		d := b.sources[pathKey(f.Path)]
		refs := b.in.Covered(f)
		switch {
		case isMembership(f):
			b.lock(f, "membership")
		case d == nil && b.wide(f):
			b.lock(f, platform.StandsDatabase)
		case d == nil:
			b.lock(f, "no-source")
		case len(refs) > 0:
			b.out.Known = append(b.out.Known, Known{Foreign: f, By: refs})
		default:
			h.add(d, f)
			if f.Grantable {
				b.lock(f, "grant-option")
			}
		}
	}
	for _, level := range []resource.AccessLevel{resource.Write, resource.Read} {
		b.whole(principal, who, level, h)
	}
	b.columns(principal, who, h)
	for _, f := range h.left() {
		b.lock(f, leftReason(f))
	}
}

// wide reports whether an access is on a level above declared sources.
func (b *proposer) wide(f platform.Foreign) bool {
	if everything(f) {
		return true
	}
	for _, d := range b.sources {
		if p := d.Spec.Path; len(f.Path) < len(p) && slices.Equal(f.Path, p[:len(f.Path)]) {
			return true
		}
	}
	return false
}

func leftReason(f platform.Foreign) string {
	switch strings.ToUpper(f.Privilege) {
	case "SELECT":
		return "columns"
	case "INSERT", "UPDATE", "DELETE":
		return "part-of-write"
	default:
		return "other-privilege"
	}
}

// lockReasons are why an access cannot be asked for, and what to do about it.
var lockReasons = map[string][2]string{
	"public":          {"it is everybody's, and no request is for everybody", "its grantor takes it back from PUBLIC, and those who need it ask"},
	"to-our-role":     {"somebody gave it to a role of ours, so all its members have it", "its grantor takes it back; a product opens what its members should have"},
	"membership":      {"somebody put the account into a role of ours behind Assent", "its grantor takes it out; a request lets it in"},
	"no-members":      {"the role has no members who could log in, so nobody has it", "its owner drops the role, or its grantor takes the privilege back"},
	"no-source":       {"no data source declares the object", "`assent discover` it, review the file, and import again"},
	"grant-option":    {"it may be passed on, and no request gives that", "its grantor takes the option back: REVOKE GRANT OPTION FOR …"},
	"columns":         {"it is on columns that no data source declares, or differs between columns", "a request for columns, or a product with fewer columns, by hand"},
	"part-of-write":   {"to write means SELECT, INSERT, UPDATE and DELETE on a whole table without masks; this is a part of that", "ask to write by hand, or leave it with its grantor"},
	"other-privilege": {"no access level has this privilege", "leave it with its grantor"},
	"unknown-account": {"no user is known to have this account", "add it to accounts in the user's file, or import as it is later"},
	"ambiguous":       {"the account could be that of several users", "state it in accounts of the right user's file"},
	"inactive":        {"the account is that of somebody who is not here any more", "its grantor takes it back"},
	"invalid":         {"the request would be refused", "mend what it says, and import again"},

	platform.StandsSuper:     {"a superuser is not checked at all", "keep such accounts few, and nobody's own"},
	platform.StandsOwner:     {"an owner may do everything with what it owns", "give the object to a role that nobody logs in as"},
	platform.StandsBuiltIn:   {"a role of the platform itself opens everything", "its grantor takes it out, once requests stand for what it needs"},
	platform.StandsDatabase:  {"it is on a whole database or server, with all that will be made there", "ask for the path by hand, or leave it with its grantor"},
	platform.StandsSchema:    {"it is on a schema, and not on its data", "leave it with its grantor"},
	platform.StandsFunction:  {"the function works with its owner's rights, and may show anything the owner sees", "read the function, and close it if it shows governed data"},
	platform.StandsByDefault: {"it opens tables that will be made", "its owner takes it back: ALTER DEFAULT PRIVILEGES … REVOKE; a request for a schema covers later tables too"},
}

// Lock makes a locked item of an access for one of the reasons.
func Lock(f platform.Foreign, reason, detail string) Locked {
	texts := lockReasons[reason]
	l := Locked{Foreign: f, Reason: reason, Detail: texts[0], Next: texts[1]}
	if detail != "" {
		l.Detail = detail
	}
	return l
}

func (b *proposer) lock(f platform.Foreign, reason string, detail ...any) {
	b.out.Locked = append(b.out.Locked, Lock(f, reason, fmt.Sprint(detail...)))
}
