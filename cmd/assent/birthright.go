package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// recalled adds to the facts what the ledger says of emergency access. Where no
// ledger is pinned the judgement says what it misses.
func (w *workspace) recalled(ctx context.Context, judge *determine.Judge, facts review.Facts) (review.Facts, error) {
	l, err := w.openLedger()
	if err != nil {
		return facts, nil //nolint:nilerr // not pinned here
	}
	known, err := determine.ReadDuties(ctx, l)
	if noLedger(err) {
		return facts, nil
	}
	if err != nil {
		return facts, err
	}
	return judge.Recall(ctx, facts, known)
}

// birthrights are the accesses without a request that a person has, or that a
// product gives; all of them for an empty name.
func (w *workspace) birthrights(ctx context.Context, name string) ([]audit.RequestStatus, error) {
	var c audit.Custody
	a, err := w.auditor()
	if err == nil {
		c, err = a.Custody(ctx, w.main)
	}
	if err != nil && !noLedger(err) {
		return nil, err
	}
	list := audit.Birthrights(w.snapshot.Set, c, w.now().UTC())
	return slices.DeleteFunc(list, func(s audit.RequestStatus) bool {
		return name != "" && !slices.Contains(s.For, name) && s.Target != audit.TargetText(resource.Target{Product: resource.Name(name)})
	}), nil
}

// explainBirthright explains a person or a product by the access that needs no
// request. The error is missing where the name is neither.
func (g *global) explainBirthright(ctx context.Context, w *workspace, name resource.Name, missing error) error {
	_, person := resource.UserOf(w.snapshot.Set, name)
	_, product := resource.Get[*resource.DataProduct](w.snapshot.Set, resource.KindDataProduct, name)
	var exit *exitError
	if !person && !product || !errors.As(missing, &exit) {
		return missing
	}
	list, err := w.birthrights(ctx, string(name))
	if err != nil {
		return err
	}
	if g.output == "json" {
		return g.writeJSON(list)
	}
	if len(list) == 0 {
		fmt.Fprintf(g.stdout, "no birthright concerns %s; `assent status` lists requests\n", name)
		return nil
	}
	for _, s := range list {
		fmt.Fprintf(g.stdout, "%s has %s on %s without asking: %s%s\n", strings.Join(s.For, ", "), s.Level, s.Target, s.Reason, at(s.At))
		for _, gr := range s.Grants {
			fmt.Fprintf(g.stdout, "  grant     %s: %s in %s on %s (%s)\n", gr.State, gr.Principal, gr.Role, gr.Connection, gr.Detail)
		}
		for _, p := range s.Prevented {
			fmt.Fprintf(g.stdout, "  gives not %s: %s\n", p.State, p.Reason)
		}
	}
	fmt.Fprintln(g.stdout, "it ends when the entry, the group or attribute, or the person's state changes, by a governance pull request")
	return nil
}

// noticeText says what people have to do about a request, and who can.
func noticeText(n audit.Notice) string {
	return fmt.Sprintf("%s: %s (%s)", n.State, n.Reason, whoText(n.People))
}
