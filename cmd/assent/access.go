package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

func newAccessCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Ask the platforms who can really read what, by every path",
		Long: "Asks the platforms themselves, now: what Assent gave, what others granted, what is\n" +
			"inherited, owned or open to PUBLIC, each with its path. A person whose request\n" +
			"has ended and who still reads another way is marked RESIDUAL.",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "who OBJECT", Short: "List everybody who can reach a source, a product, or all below a path",
			Example: "  assent access who warehouse/shop/public/customers\n  assent access who customer-orders\n  assent access who warehouse/shop",
			Args:    cobra.ExactArgs(1),
			RunE:    func(cmd *cobra.Command, args []string) error { return runAccessWho(cmd.Context(), g, args[0]) },
		},
		&cobra.Command{
			Use: "what PERSON", Short: "List everything that a person's accounts can reach",
			Example: "  assent access what ana",
			Args:    cobra.ExactArgs(1),
			RunE:    func(cmd *cobra.Command, args []string) error { return runAccessWhat(cmd.Context(), g, args[0]) },
		},
	)
	return cmd
}

// accessRow is one way to data, and what Assent knows of it.
type accessRow struct {
	Connection resource.Name `json:"connection"`
	platform.Access
	Person   resource.Name  `json:"person,omitempty"`   // whose account it is
	Source   resource.Name  `json:"source,omitempty"`   // the data source of the path, where there is one
	Requests []resource.Ref `json:"requests,omitempty"` // why Assent gave it
	Until    time.Time      `json:"until,omitzero"`
	// Residual names the ended request that gave this person the same data, for
	// a way that Assent did not open.
	Residual string `json:"residual,omitempty"`
}

// accessReport is the answer of all platforms that were asked.
type accessReport struct {
	At      time.Time    `json:"at"`
	Access  []accessRow  `json:"access"`
	Unknown []unknownAsk `json:"unknown,omitempty"` // nobody may take it for closed
}

// unknownAsk is a connection, or a part of one, that could not be read.
type unknownAsk struct {
	Connection resource.Name `json:"connection"`
	Reason     string        `json:"reason"`
	Hint       string        `json:"hint,omitempty"`
}

// accessAsk is what to ask of one connection. covers, where set, keeps only
// these sources.
type accessAsk struct {
	connection *resource.Connection
	question   platform.Question
	covers     map[resource.Name]bool
}

func runAccessWho(ctx context.Context, g *global, object string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	asks, err := w.asksAbout(object)
	if err != nil {
		return err
	}
	return w.answerAccess(ctx, g, asks)
}

func runAccessWhat(ctx context.Context, g *global, name string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	set := w.snapshot.Set
	u, ok := resource.UserOf(set, resource.Name(name))
	if !ok {
		return usageErrorf("people are the files below directory/users/", "no user %q", name)
	}
	var asks []accessAsk
	for c := range resource.Of[*resource.Connection](set) {
		if account, ok := resource.AccountOf(u, c); ok {
			asks = append(asks, accessAsk{connection: c, question: platform.Question{Principal: account}})
		}
	}
	if len(asks) == 0 {
		return usageErrorf("give the user an account, or the connection a template for accounts", "%s has no account on any connection", name)
	}
	return w.answerAccess(ctx, g, asks)
}

// asksAbout reads an object: a product, a source, or a path of a connection.
func (w *workspace) asksAbout(object string) ([]accessAsk, error) {
	set := w.snapshot.Set
	target := resource.Target{Product: resource.Name(object)}
	if _, ok := resource.Get[*resource.DataProduct](set, resource.KindDataProduct, target.Product); !ok {
		target = resource.Target{Source: resource.Name(object)}
		if _, ok := resource.Get[*resource.DataSource](set, resource.KindDataSource, target.Source); !ok {
			target = resource.Target{Path: object}
		}
	}
	if target.Path != "" {
		return w.askBelow(object)
	}
	byConnection := map[resource.Name]*accessAsk{}
	var asks []*accessAsk
	for _, d := range resource.SourcesOfTarget(set, target) {
		a := byConnection[d.Spec.Connection]
		if a == nil {
			c, ok := resource.Get[*resource.Connection](set, resource.KindConnection, d.Spec.Connection)
			if !ok {
				continue
			}
			a = &accessAsk{connection: c, question: platform.Question{Path: d.Spec.Path}, covers: map[resource.Name]bool{}}
			byConnection[d.Spec.Connection] = a
			asks = append(asks, a)
		}
		a.question.Path = commonPath(a.question.Path, d.Spec.Path)
		a.covers[d.Ref().Name] = true
	}
	var out []accessAsk
	for _, a := range asks {
		out = append(out, *a)
	}
	if len(out) == 0 {
		return nil, usageErrorf("register its sources first", "%s covers no data source", object)
	}
	return out, nil
}

// askBelow reads CONNECTION[/DATABASE[/SCHEMA[/TABLE]]], as the platform spells it.
func (w *workspace) askBelow(object string) ([]accessAsk, error) {
	name, rest, _ := strings.Cut(strings.TrimSuffix(object, "/"), "/")
	c, ok := resource.Get[*resource.Connection](w.snapshot.Set, resource.KindConnection, resource.Name(name))
	if !ok {
		return nil, usageErrorf("name a data source, a data product, or CONNECTION/DATABASE/SCHEMA", "nothing here is called %q", object)
	}
	a := accessAsk{connection: c}
	if rest != "" {
		a.question.Path = strings.Split(rest, "/")
	}
	return []accessAsk{a}, nil
}

func commonPath(a, b []string) []string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// answerAccess asks every platform and writes what they said.
func (w *workspace) answerAccess(ctx context.Context, g *global, asks []accessAsk) error {
	rep := accessReport{At: w.now().UTC().Truncate(time.Second), Access: []accessRow{}}
	ended, err := w.endedGrants(ctx)
	if err != nil {
		return err
	}
	var errs []error
	hint := ""
	for _, a := range asks {
		rows, unknown, err := w.askAccess(ctx, a, ended)
		rep.Access = append(rep.Access, rows...)
		if err != nil {
			u := unknownAsk{Connection: a.connection.Ref().Name, Reason: err.Error()}
			var pe *platform.Error
			if errors.As(err, &pe) {
				u.Hint = pe.Hint
			}
			rep.Unknown = append(rep.Unknown, u)
			errs, hint = append(errs, err), cmp.Or(hint, u.Hint)
		}
		for _, u := range unknown {
			rep.Unknown = append(rep.Unknown, unknownAsk{Connection: a.connection.Ref().Name, Reason: u})
		}
	}
	if g.output == "json" {
		err = g.writeJSON(rep)
	} else {
		err = writeAccess(g, rep)
	}
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		return &exitError{code: exitUnreachable, err: errors.Join(errs...), hint: cmp.Or(hint, "what could not be asked is unknown, and not closed")}
	}
	return nil
}

// askAccess asks one platform.
func (w *workspace) askAccess(ctx context.Context, a accessAsk, ended []endedGrant) (rows []accessRow, unknown []string, err error) {
	p, err := w.openPlatform(ctx, a.connection)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = p.Close() }()
	inspector, ok := p.(platform.Inspector)
	if !ok {
		return nil, nil, &platform.Error{
			Connection: a.connection.Ref().Name, Code: platform.Unsupported,
			Err: fmt.Errorf("platform %s cannot say who reads what", a.connection.Spec.Platform), Hint: "look on the platform itself",
		}
	}
	effective, err := inspector.Effective(ctx, a.question)
	if err != nil {
		return nil, nil, err
	}
	state, err := p.Observe(ctx)
	if err != nil {
		return nil, nil, err
	}
	known := w.knownOn(a.connection, state)
	for _, way := range effective.Access {
		row := known.row(way)
		if a.covers == nil || a.covers[row.Source] {
			rows = append(rows, row)
		}
	}
	markResidual(w.snapshot.Set, rows, ended)
	return rows, effective.Unknown, nil
}

// knownAccess is what Assent knows of a connection, for lookup.
type knownAccess struct {
	connection resource.Name
	people     map[string]resource.Name // by account
	sources    map[string]resource.Name // by path
	grants     map[[2]string]grant.Grant
}

func (w *workspace) knownOn(c *resource.Connection, state platform.State) knownAccess {
	k := knownAccess{c.Ref().Name, map[string]resource.Name{}, map[string]resource.Name{}, map[[2]string]grant.Grant{}}
	for u := range resource.Of[*resource.User](w.snapshot.Set) {
		if account, ok := resource.AccountOf(u, c); ok {
			k.people[account] = u.Ref().Name
		}
	}
	for d := range resource.Of[*resource.DataSource](w.snapshot.Set) {
		if d.Spec.Connection == k.connection {
			k.sources[strings.Join(d.Spec.Path, "\x00")] = d.Ref().Name
		}
	}
	for _, g := range state.Ours.Grants {
		k.grants[[2]string{g.RoleName(), g.Principal}] = g
	}
	return k
}

func (k knownAccess) row(way platform.Access) accessRow {
	row := accessRow{Connection: k.connection, Access: way, Person: k.people[way.Principal], Source: k.sources[strings.Join(way.Path, "\x00")]}
	if way.Origin == platform.ByUs {
		for _, role := range way.Via {
			if g, ok := k.grants[[2]string{role, way.Principal}]; ok {
				row.Requests, row.Until = g.Requests, g.NotAfter
			}
		}
	}
	return row
}

// endedGrant is access that a request gave and that is over.
type endedGrant struct {
	request    resource.Name
	target     string
	connection resource.Name
	account    string
}

func (w *workspace) endedGrants(ctx context.Context) ([]endedGrant, error) {
	a, err := w.auditor()
	if err != nil {
		if noLedger(err) {
			return nil, nil
		}
		return nil, err
	}
	list, err := a.Requests(ctx, w.snapshot.Set, w.main, w.now().UTC())
	if err != nil && !noLedger(err) {
		return nil, err
	}
	var out []endedGrant
	for _, s := range list {
		for _, gr := range s.Grants {
			if s.State.Ended() && gr.State != "waiting" {
				out = append(out, endedGrant{s.Request, s.Target, gr.Connection, gr.Principal})
			}
		}
	}
	return out, nil
}

// markResidual marks the ways past Assent of people whose own access to the same
// data is over.
func markResidual(set *resource.Set, rows []accessRow, ended []endedGrant) {
	type at struct {
		account string
		source  resource.Name
	}
	live := map[at]bool{}
	for _, r := range rows {
		if r.Origin == platform.ByUs {
			live[at{r.Principal, r.Source}] = true
		}
	}
	targets := map[resource.Name][]string{}
	for i := range rows {
		r := &rows[i]
		if r.Origin == platform.ByUs || r.Source == "" || live[at{r.Principal, r.Source}] {
			continue
		}
		if _, ok := targets[r.Source]; !ok {
			targets[r.Source] = targetsOf(set, r.Source)
		}
		for _, e := range ended {
			if e.connection == r.Connection && e.account == r.Principal && slices.Contains(targets[r.Source], e.target) {
				r.Residual = string(e.request)
			}
		}
	}
}

// targetsOf are the targets of a request that cover a source, as audit spells them.
func targetsOf(set *resource.Set, source resource.Name) []string {
	out := []string{audit.TargetText(resource.Target{Source: source})}
	for p := range resource.Of[*resource.DataProduct](set) {
		if slices.ContainsFunc(resource.SourcesOf(set, p), func(d *resource.DataSource) bool { return d.Ref().Name == source }) {
			out = append(out, audit.TargetText(resource.Target{Product: p.Ref().Name}))
		}
	}
	for path := string(source); ; {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return out
		}
		path = path[:i]
		out = append(out, audit.TargetText(resource.Target{Path: path}))
	}
}
