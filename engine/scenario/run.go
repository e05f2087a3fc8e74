package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Result is how one scenario went. It passed where Differs and Problems are empty.
type Result struct {
	File     string       `json:"file"`
	Title    string       `json:"title"`
	Steps    int          `json:"steps"`
	Differs  []Difference `json:"differs,omitempty"`
	Problems diag.List    `json:"problems,omitempty"`
}

// Passed reports whether everything came out as expected.
func (r Result) Passed() bool { return len(r.Differs) == 0 && !r.Problems.HasErrors() }

// Difference is one thing that came out otherwise.
type Difference struct {
	At   diag.Pos `json:"at"`   // of the expectation
	Step int      `json:"step"` // from 1
	What string   `json:"what"` // outcome, until, missing, counted, reason
	Want string   `json:"want"`
	Got  string   `json:"got"`
}

// Run plays a scenario on a repository: every step is judged by d as the pull
// request would be then. An error means that it could not be judged at all.
func Run(ctx context.Context, d review.Decider, set *resource.Set, s Scenario) (Result, error) {
	out := Result{File: s.File, Title: s.Title, Steps: len(s.Steps)}
	w := newWorld(set, s.People)
	req, problems := s.request(w)
	out.Problems = slices.Concat(problems, s.unknown(w, req))
	if out.Problems.HasErrors() {
		return out, nil
	}
	base, head := w.with(req, false), w.with(req, true)
	var said []Review
	for i, step := range s.Steps {
		said = append(said, step.Reviews...)
		j, err := review.Determine(ctx, d, base, head, s.facts(w, req, step.At, said))
		if err != nil {
			return out, fmt.Errorf("play %s: %w", s.File, err)
		}
		if len(j.Determinations) != 1 {
			return out, fmt.Errorf("play %s: %d determinations", s.File, len(j.Determinations))
		}
		out.Differs = append(out.Differs, step.Expect.compare(i+1, j.Determinations[0])...)
	}
	return out, nil
}

// with is the repository before the request, or with it.
func (w world) with(req *resource.AccessRequest, in bool) *resource.Set {
	var all []resource.Resource
	for r := range w.set.All() {
		if r.Ref() != req.Ref() {
			all = append(all, r)
		}
	}
	if in {
		all = append(all, req)
	}
	return resource.NewSet(all...)
}

// unknown are the people that nobody knows.
func (s Scenario) unknown(w world, req *resource.AccessRequest) diag.List {
	var out diag.List
	check := func(at diag.Pos, name resource.Name) {
		if _, ok := w.accounts[name]; name != "" && !ok {
			out.Errorf(at, CodeScenario, "nobody is %q", string(name)).WithHint("name somebody in directory/users/, or add them under people")
		}
	}
	check(s.Steps[0].Pos, s.By)
	if req != nil {
		check(s.pos, req.Spec.Requester)
	}
	for _, step := range s.Steps {
		for _, r := range step.Reviews {
			check(step.Pos, r.By)
		}
		for _, p := range step.Expect.Counted {
			check(step.Expect.Pos, p)
		}
	}
	return out
}

func (e Expect) compare(step int, d review.Determination) []Difference {
	var out []Difference
	differ := func(what, want, got string) {
		if want != got {
			out = append(out, Difference{At: e.Pos, Step: step, What: what, Want: want, Got: got})
		}
	}
	if e.Outcome != d.Outcome {
		differ("outcome", string(e.Outcome), fmt.Sprintf("%s (%s)", d.Outcome, d.Reason))
	}
	if e.Until != nil {
		differ("until", instantText(*e.Until), instantText(d.Until))
	}
	if e.counted {
		differ("counted", namesText(e.Counted), namesText(countedIn(d)))
	}
	if e.missing {
		if left := e.unmatched(d.Missing); left != "" {
			differ("missing", fmt.Sprintf("%q", e.Missing), left)
		}
	}
	if !strings.Contains(d.Reason, e.Reason) {
		differ("reason", fmt.Sprintf("… %s …", e.Reason), d.Reason)
	}
	return out
}

// unmatched tells what is missing where it is not exactly what was expected.
func (e Expect) unmatched(missing []review.Need) string {
	var got []string
	left := slices.Clone(e.Missing)
	matched := true
	for _, n := range missing {
		got = append(got, n.What)
		i := slices.IndexFunc(left, func(want string) bool { return strings.Contains(n.What, want) })
		if i < 0 {
			matched = false
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	if matched && len(left) == 0 {
		return ""
	}
	return fmt.Sprintf("%q", got)
}

func countedIn(d review.Determination) []resource.Name {
	var out []resource.Name
	for _, r := range d.Reviews {
		if r.Counted {
			out = append(out, r.Person)
		}
	}
	return out
}

func namesText(names []resource.Name) string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return fmt.Sprint(slices.Compact(sorted))
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return "no end"
	}
	return t.UTC().Format(time.RFC3339)
}
