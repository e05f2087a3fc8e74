package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/review"
)

func newPolicyTraceCmd(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "trace REQUEST|PULL-REQUEST",
		Short: "Show which rules fired on a request, with their places and values",
		Long:  "Judges a pending request as it is now, or a determined one from its recorded facts,\nand shows what the rules were told, which of them fired, and what came of it.",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return runPolicyTrace(cmd.Context(), g, args[0]) },
	}
}

// traced is the result of policy trace.
type traced struct {
	determine.Traced
	PullRequest string `json:"pullRequest"`
	Record      uint64 `json:"record,omitempty"` // of a determination in the ledger
}

func runPolicyTrace(ctx context.Context, g *global, name string) error {
	w, err := g.open(ctx)
	if err != nil {
		return err
	}
	judge := w.rules
	facts, record, err := w.factsOf(ctx, judge, name)
	if err != nil {
		return err
	}
	all, err := judge.Trace(ctx, facts)
	if err != nil {
		return &exitError{code: exitFindings, err: err}
	}
	var out []traced
	for _, t := range all {
		if name == facts.PullRequest || string(t.Request) == name {
			out = append(out, traced{t, facts.PullRequest, record})
		}
	}
	if g.output == "json" {
		return g.writeJSON(out)
	}
	for _, t := range out {
		writeTrace(g.stdout, t)
	}
	return nil
}

// factsOf are the facts of the open pull request that concerns a request, else
// those that its newest determination was recorded with. record is 0 for an open
// one.
func (w *workspace) factsOf(ctx context.Context, judge *determine.Judge, name string) (facts review.Facts, record uint64, err error) {
	f, err := w.openForge(ctx)
	if err != nil {
		return facts, 0, err
	}
	prs, err := f.List(ctx, review.StateOpen)
	if err != nil {
		return facts, 0, err
	}
	for _, pr := range prs {
		facts, err := f.Observe(ctx, pr.ID)
		if err != nil || pr.ID != name && !touches(facts, name) {
			continue
		}
		facts, err = w.withHeld(ctx, judge, f, facts)
		return facts, 0, err
	}
	body, record, err := w.recordOf(ctx, name)
	if err != nil {
		return facts, 0, err
	}
	if err := json.Unmarshal(body.Facts, &facts); err != nil {
		return facts, 0, fmt.Errorf("read facts of record %d: %w", record, err)
	}
	if facts.State != review.StateCanceled {
		facts.State = review.StateOpen
	}
	if body.Change.Commit != "" {
		facts, err = determine.AtMerge(w.db, facts, gitdb.OID(body.Change.Commit))
	}
	return facts, record, err
}

// touches reports whether a pull request changes the file of a request.
func touches(facts review.Facts, name string) bool {
	for _, f := range facts.Files {
		if strings.HasPrefix(f.Path, "requests/") && strings.HasSuffix(f.Path, "/"+name+".yaml") {
			return true
		}
	}
	return false
}

func (w *workspace) recordOf(ctx context.Context, name string) (body ledger.DeterminationBody, record uint64, err error) {
	l, err := w.openLedger()
	if err != nil {
		return body, 0, err
	}
	for v, err := range l.Replay(ctx) {
		if err != nil {
			return body, 0, fmt.Errorf("replay ledger: %w", err)
		}
		if v.Type != ledger.TypeDetermination {
			continue
		}
		b, err := v.Determination()
		if err != nil {
			return body, 0, err
		}
		if v.Subject.Request == name || b.Change.PullRequest == name {
			body, record = b, v.Seq
		}
	}
	if record == 0 {
		return body, 0, usageErrorf("`assent status --all` lists them", "no request %q", name)
	}
	return body, record, nil
}

func writeTrace(out io.Writer, t traced) {
	line := func(label, format string, args ...any) {
		fmt.Fprintf(out, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	what := string(t.Request)
	if what == "" {
		what = "pull request " + t.PullRequest
	}
	fmt.Fprintf(out, "%s: %s: %s\n", what, t.Outcome, t.Reason)
	if t.Record > 0 {
		line("record", "%d of the ledger, pull request %s", t.Record, t.PullRequest)
	}
	traceInput(line, t.Input)
	explainDetermination(line, t.Determination)
	if !t.Until.IsZero() {
		line("until", "%s", t.Until.UTC().Format(time.RFC3339))
	}
	if len(t.Rules) == 0 {
		line("rules", "were not asked")
		return
	}
	fmt.Fprintln(out, "  rules that fired, in the order in which they were done:")
	for _, r := range t.Rules {
		writeFired(out, r)
	}
}

func writeFired(out io.Writer, r policy.Fired) {
	fmt.Fprintf(out, "    %-32s %-24s %s:%d\n", strings.TrimPrefix(r.Rule, "data.assent."), r.Title, r.File, r.Line)
	if text := string(r.Value); text != "" && text != "true" {
		const most = 160
		if runes := []rune(text); len(runes) > most {
			text = string(runes[:most]) + " …"
		}
		fmt.Fprintf(out, "      = %s\n", text)
	}
}

// traceInput sums up what the rules were told.
func traceInput(line func(label, format string, args ...any), raw json.RawMessage) {
	var in struct {
		Kind, At, NotBefore, Limit string
		Request                    *struct {
			Type, Target, AccessLevel, Requester, Duration, Until string
			Beneficiaries, Tags                                   []string
		}
		Changes []struct {
			Files        []string
			Kind, Action string
		}
		Reviews []struct{ Valid bool }
		Access  map[string]struct{ Held, Pending struct{ Count int } }
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return
	}
	line("input", "a %s, judged at %s", in.Kind, in.At)
	if r := in.Request; r != nil {
		line("asks", "%s, %s on %s for %s, by %s", r.Type, r.AccessLevel, r.Target, strings.Join(r.Beneficiaries, ", "), r.Requester)
		line("tags", "%s", strings.Join(r.Tags, ", "))
	}
	if in.Limit != "" {
		line("limit", "%s", in.Limit)
	}
	for _, c := range in.Changes {
		line("changes", "%s (%s %s)", strings.Join(c.Files, ", "), c.Action, c.Kind)
	}
	for _, person := range sortedKeys(in.Access) {
		line("holds", "%s: %d in force, %d asked for besides", person, in.Access[person].Held.Count, in.Access[person].Pending.Count)
	}
	valid := 0
	for _, r := range in.Reviews {
		if r.Valid {
			valid++
		}
	}
	line("reviews", "%d, of which %d are valid", len(in.Reviews), valid)
}
