package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/adopt"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// DriftReport is what should be, compared with what the platforms hold.
type DriftReport struct {
	At          time.Time         `json:"at"`
	Main        string            `json:"main"`
	Connections []ConnectionDrift `json:"connections"`
	// Frozen says why what should be is not known; then no difference is told.
	Frozen   string    `json:"frozen,omitempty"`
	Problems diag.List `json:"problems,omitempty"`
}

// ConnectionDrift is the comparison of one connection. Where Unknown is set,
// nothing of it could be read, and nothing else is.
type ConnectionDrift struct {
	Name     resource.Name `json:"name"`
	Platform string        `json:"platform"`
	Mode     resource.Mode `json:"mode"` // the furthest that any level of it goes
	Unknown  string        `json:"unknown,omitempty"`
	Code     platform.Code `json:"code,omitempty"`
	Hint     string        `json:"hint,omitempty"`
	Drift    []DriftLine   `json:"drift"`
	// Foreign is what others granted: first what concerns governed objects.
	Foreign []ForeignLine `json:"foreign"`
	// Unread are the parts that could not be read: neither missing nor gone.
	Unread [][]string `json:"unread,omitempty"`
	// Survey is what else others opened, for an import; Surveyed says that the
	// platform can tell.
	Survey   platform.Survey `json:"-"`
	Surveyed bool            `json:"-"`
}

// DriftLine is one difference and what to do about it.
type DriftLine struct {
	plan.Drift
	Next string `json:"next"`
}

// ForeignLine is one access of others.
type ForeignLine struct {
	platform.Foreign
	// Governed says that it reaches a declared source, or a role of ours.
	Governed bool `json:"governed"`
	// Covered are the requests by which the same principal has as much from us.
	Covered []resource.Ref `json:"covered,omitempty"`
	Next    string         `json:"next"`
	// Undo is the statement that its grantor would run to take it back, where
	// the platform can word it.
	Undo string `json:"undo,omitempty"`
}

// Count is how many differences of a kind there are.
func (r DriftReport) Count(kind plan.DriftKind) int {
	n := 0
	for _, c := range r.Connections {
		for _, d := range c.Drift {
			if d.Kind == kind {
				n++
			}
		}
	}
	return n
}

// Drifted reports whether anything is known to be missing, extra or altered.
func (r DriftReport) Drifted() bool {
	return r.Count(plan.DriftMissing)+r.Count(plan.DriftExtra)+r.Count(plan.DriftAltered) > 0
}

// Partial reports whether anything could not be compared.
func (r DriftReport) Partial() bool {
	return r.Frozen != "" || slices.ContainsFunc(r.Connections, func(c ConnectionDrift) bool {
		return c.Unknown != "" || len(c.Unread) > 0 || slices.ContainsFunc(c.Drift, func(d DriftLine) bool { return d.Kind == plan.DriftUnknown })
	})
}

// Drift compares what main and the ledger want now with what each connection
// holds, in every mode, and changes nothing. What is only observed is compared
// with what would be wanted if its mode were enforce.
// With names, only these connections are read.
func (r *Reconciler) Drift(ctx context.Context, names ...resource.Name) (DriftReport, error) {
	rd, _, err := r.ground(ctx)
	if err != nil {
		return DriftReport{}, err
	}
	defer rd.close()
	for c := range resource.Of[*resource.Connection](rd.set) {
		if len(names) == 0 || slices.Contains(names, c.Ref().Name) {
			rd.targets = append(rd.targets, &target{connection: c})
		}
	}
	r.read(ctx, rd, nil)
	rd.wish = grant.Desired(rd.withFound(), rd.custody.Approvals, rd.report.At)
	for _, t := range rd.targets {
		r.checkTarget(ctx, rd, t)
		if err := r.survey(ctx, t); err != nil {
			return DriftReport{}, err
		}
	}
	out := DriftReport{At: rd.report.At, Main: rd.report.Main, Frozen: rd.report.Frozen, Problems: rd.report.Problems, Connections: []ConnectionDrift{}}
	for _, t := range rd.targets {
		out.Connections = append(out.Connections, t.drift(rd))
	}
	if len(names) == 0 {
		for _, c := range gone(rd) {
			out.Connections = append(out.Connections, ConnectionDrift{Name: c.Name, Unknown: c.Unknown, Code: c.Code})
		}
	}
	return out, ctx.Err()
}

// survey reads who is in the roles of others and what else they opened, where
// the platform can tell.
func (r *Reconciler) survey(ctx context.Context, t *target) error {
	surveyor, ok := t.platform.(platform.Surveyor)
	if !ok || t.err != nil {
		return nil
	}
	ctx, cancel := r.patience(ctx)
	defer cancel()
	found, err := surveyor.Survey(ctx)
	if err != nil {
		return fmt.Errorf("survey %s: %w", t.connection.Ref().Name, err)
	}
	t.survey, t.surveyed = found, true
	return nil
}

// gone are the connections with grants of ours that main does not name any more.
func gone(rd *round) []Connection {
	var out []Connection
	for _, c := range abandoned(rd) {
		if _, there := rd.set.Find(resource.Ref{Kind: resource.KindConnection, Name: c.Name}); !there {
			out = append(out, c)
		}
	}
	return out
}

func (t *target) drift(rd *round) ConnectionDrift {
	spec := t.connection.Spec
	c := ConnectionDrift{Name: t.connection.Ref().Name, Platform: spec.Platform, Mode: t.connection.Furthest(), Drift: []DriftLine{}, Foreign: []ForeignLine{}}
	if t.err != nil {
		var seen Connection
		seen.unknown(t.err)
		c.Unknown, c.Code, c.Hint = seen.Unknown, seen.Code, seen.Hint
		return c
	}
	c.Unread, c.Survey, c.Surveyed = t.state.Unknown, t.survey, t.surveyed
	if rd.report.Frozen == "" {
		desired := rd.desired()
		for _, d := range plan.FindDrift(desired, plan.Observed{Connection: c.Name, State: t.state.Ours}, t.state.Unknown) {
			d.What = explained(d, t.state.Altered)
			c.Drift = append(c.Drift, DriftLine{Drift: d, Next: nextOf(d, rd.wish.ModeOf(d.Role))})
		}
	}
	c.Foreign = t.foreign(rd)
	return c
}

// explained puts what the platform knows of an altered role in the place of what
// only says that something differs.
func explained(d plan.Drift, altered []platform.Alteration) []plan.Difference {
	if d.Principal != "" || d.Kind != plan.DriftAltered {
		return d.What
	}
	var out []plan.Difference
	told := map[string]bool{}
	for _, w := range d.What {
		key := strings.Join(w.Path, "\x00")
		var known []plan.Difference
		for _, a := range altered {
			if a.Role == d.Role && slices.Equal(a.Path, w.Path) {
				known = append(known, plan.Difference{Path: a.Path, Text: a.What})
			}
		}
		switch {
		case !w.Vague || len(known) == 0:
			out = append(out, w)
		case !told[key]:
			told[key] = true
			if len(w.Path) > 0 {
				known[0].Text = w.Text + ": " + known[0].Text
			}
			out = append(out, known...)
		}
	}
	return out
}

// nextOf is what to do about a difference, and by whom, in the mode of its role;
// see resource.Mode.
func nextOf(d plan.Drift, mode resource.Mode) string {
	ends := d.Kind == plan.DriftExtra && d.Principal != "" && d.Reason != plan.ReasonUnexpected
	added := d.Kind == plan.DriftMissing || d.Kind == plan.DriftAltered
	switch {
	case d.Kind == plan.DriftUnknown:
		return "the platform's owner lets the engine read it, or wait until it can be read again"
	case mode == resource.ModeEnforce || ends || mode == resource.ModeAdopt && added:
		return "`assent reconcile --once` would " + does(d) + "; `assent plan` shows the statements"
	default:
		return fmt.Sprintf("mode %s leaves it; in `mode: enforce`, `assent reconcile` would %s", mode, does(d))
	}
}

func does(d plan.Drift) string {
	switch {
	case d.Kind == plan.DriftMissing && d.Principal != "":
		return "let the account in"
	case d.Kind == plan.DriftMissing:
		return "make the role"
	case d.Kind == plan.DriftExtra && d.Principal != "":
		return "take the account out"
	case d.Kind == plan.DriftExtra:
		return "drop the role"
	default:
		return "put it right"
	}
}

// foreign is what others granted, what concerns governed objects first.
func (t *target) foreign(rd *round) []ForeignLine {
	governed := adopt.Governed(rd.set, t.connection.Ref().Name)
	cover := adopt.NewCover(rd.set, t.connection.Ref().Name, rd.wish.All(), t.state.Ours, t.survey.Members)
	advisor, _ := t.platform.(platform.Advisor)
	lines := []ForeignLine{}
	for _, f := range t.state.Foreign {
		l := ForeignLine{Foreign: f, Governed: governed(f), Covered: cover.Of(f)}
		if advisor != nil {
			l.Undo = advisor.Undo(f)
		}
		switch {
		case len(l.Covered) > 0:
			l.Next = "covered by " + refNames(l.Covered) + ": its grantor can take it back"
		case !l.Governed:
			l.Next = "nothing: no source declares the object; `assent discover` would"
		default:
			l.Next = "`assent import " + string(t.connection.Ref().Name) + "` asks for it by pull request, or its grantor takes it back"
		}
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b ForeignLine) int { return rank(a.Governed) - rank(b.Governed) })
	return lines
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func refNames(refs []resource.Ref) string {
	var out []string
	for _, r := range refs {
		out = append(out, string(r.Name))
	}
	return strings.Join(out, ", ")
}
