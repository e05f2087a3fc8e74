package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Page is all that people are told of one pull request, or of one request that
// was decided.
type Page struct {
	PullRequest string
	State       State
	Reason      string // one sentence
	Asks        []Ask
	Governance  bool          // it changes something else than requests
	Shifts      []grant.Shift // of a change of governance: who would lose or gain
	Foreseen    bool          // Shifts were worked out
	Impact      *review.Impact
	Commit      string // that the Drafts rest on
	// Commands are what can be done now, as lines of Markdown that the engine
	// itself wrote.
	Commands []string
}

// Ask is one request of a Page.
type Ask struct {
	audit.RequestStatus
	Cannot  []Barred       // who may not decide on it
	Preview *grant.Preview // what it would give
	Places  map[resource.Name]Place
	Answers []Answer
	Facts   []string // for stewards: Markdown that StewardFacts wrote
	Drafts  []Draft  // what would be run, by connection
}

// Barred is somebody whose review does not count, and why.
type Barred struct {
	Person resource.Name
	Why    string
}

// Place is where a data source is.
type Place struct {
	Connection resource.Name
	Path       string
}

// Answer is one question of a form as it was answered.
type Answer struct{ Question, Text string }

// Markdown is the page as Markdown: what matters first, within a number of bytes,
// zero for all. It is cut between blocks only, and says so. Terminals show the
// same text.
func Markdown(p Page, most int) string {
	first := append(p.first(), p.told()...)
	return join(append(first, p.folds()...), most, p.name())
}

// Screen is the part of the page that stands unfolded.
func Screen(p Page) string { return join(append(p.first(), p.told()...), 0, p.name()) }

// Key is what people must learn of at once: the page without the facts and dates
// that move by themselves.
func Key(p Page) string {
	asks := make([]Ask, len(p.Asks))
	for i, a := range p.Asks {
		a.Facts, a.Drafts = nil, nil
		if a.Preview != nil {
			still := *a.Preview
			still.Until, still.At = time.Time{}, time.Time{}
			a.Preview = &still
		}
		a.Judgement = undated(a.Judgement)
		asks[i] = a
	}
	p.Asks = asks
	return Markdown(p, 0)
}

func undated(j *review.Judgement) *review.Judgement {
	if j == nil {
		return nil
	}
	out := *j
	out.Determinations = append([]review.Determination(nil), j.Determinations...)
	for i, d := range out.Determinations {
		if d.Deadlines != nil {
			still := *d.Deadlines
			still.NextReminder = time.Time{}
			out.Determinations[i].Deadlines = &still
		}
	}
	return &out
}

// Line is how the page stands in one line of plain text, with who can move it on.
func Line(p Page) string {
	line := string(p.State)
	who := ""
	for _, a := range p.Asks {
		for _, n := range a.missing() {
			if who == "" && len(n.People) > 0 {
				names := make([]string, 0, len(n.People))
				for _, x := range n.People[:min(len(n.People), 4)] {
					names = append(names, string(x))
				}
				who = strings.Join(names, " or ")
				if more := len(n.People) - len(names); more > 0 {
					who += " or " + count(more, "other", "others")
				}
			}
		}
	}
	switch {
	case who != "" && p.State == Waiting:
		line += " for " + who
	case who != "":
		line += ", " + who + " can move it on"
	}
	return plain(line + ": " + p.Reason)
}

func (p Page) name() string {
	if len(p.Asks) == 1 {
		return string(p.Asks[0].Request)
	}
	return p.PullRequest
}

// first are the head of the page and of each request, with what each needs.
func (p Page) first() []string {
	var out []string
	if len(p.Asks) != 1 {
		what := count(len(p.Asks), "request", "requests")
		if p.Governance {
			what = "a change of governance"
		}
		out = append(out, fmt.Sprintf("%s **%s** · %s\n\n%s\n", p.State.Icon(), p.State, what, sentence(p.Reason)))
	}
	for _, a := range p.Asks {
		state := p.State
		if len(p.Asks) > 1 {
			state = Standing(a.RequestStatus)
		}
		out = append(out, a.head(state, len(p.Asks) > 1))
		out = append(out, a.body(state)...)
	}
	return out
}

// told is what belongs to the page as a whole.
func (p Page) told() []string {
	var out []string
	if p.Foreseen {
		out = append(out, Shifts(p.Shifts))
	}
	if text := impact(p.Impact); text != "" {
		out = append(out, text)
	}
	return out
}

func (a Ask) head(state State, one bool) string {
	var b strings.Builder
	if one {
		b.WriteString("### ")
	}
	fmt.Fprintf(&b, "%s **%s** · ", state.Icon(), a.words(state))
	switch {
	case a.Target == "" || len(a.For) == 0:
		fmt.Fprintf(&b, "%s", Escape(string(a.Request)))
		if a.Target != "" {
			fmt.Fprintf(&b, " · %s", word(a.Target)) // governance change, access review
		}
	default:
		fmt.Fprintf(&b, "request %s · %s → %s", Escape(string(a.Request)), subjects(a.For), targetText(a.Target))
		if a.Level != "" {
			b.WriteString(" · " + word(a.Level))
		}
		b.WriteString(a.term(state))
	}
	b.WriteString("\n")
	if needs := a.missing(); len(needs) != 1 || !strings.Contains(a.Reason, needs[0].What) { // Next says it
		b.WriteString("\n" + sentence(a.Reason) + "\n")
	}
	return b.String()
}

// words is the state with what it means for this request.
func (a Ask) words(state State) string {
	needs := a.missing()
	switch {
	case state == Waiting && a.Judgement != nil && len(needs) > 0 && slices.ContainsFunc(a.Judgement.Determinations, waitsForStage) && !a.Judgement.Determinations[0].Parked():
		return "waiting for a steward"
	case state == Approved && a.Judgement != nil:
		return "approved, merge to apply"
	case state == Approved && slices.ContainsFunc(a.Grants, func(g audit.GrantStatus) bool { return g.State == "failing" }):
		return "approved, but applying it fails"
	case state == Approved:
		return "approved, about to be applied"
	default:
		return string(state)
	}
}

func waitsForStage(d review.Determination) bool {
	return slices.ContainsFunc(d.Stages, func(s review.StageResult) bool { return s.State == review.StageWaiting })
}

// targetText is a target with its name as code.
func targetText(target string) string {
	for _, kind := range []string{"data product ", "data source ", "everything below "} {
		if name, ok := strings.CutPrefix(target, kind); ok {
			return kind + Escape(name)
		}
	}
	return Escape(target)
}

// term says until when: what was decided, or what is asked.
func (a Ask) term(state State) string {
	switch {
	case !a.Until.IsZero():
		return " · until " + day(a.Until)
	case a.Judgement != nil && len(a.Judgement.Determinations) == 1 && !a.Judgement.Determinations[0].Until.IsZero():
		return " · until " + day(a.Judgement.Determinations[0].Until)
	case a.Asked != "" && open(state) && a.Preview != nil && !a.Preview.Until.IsZero():
		return fmt.Sprintf(" · until %s if approved today (asked: %s)", a.Preview.Until.UTC().Format(time.DateOnly), Escape(a.Asked))
	case a.Asked != "":
		return " · asked for " + Escape(a.Asked)
	default:
		return ""
	}
}

// day is an instant as people read it; seconds matter to the ledger.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func subjects(list []string) string {
	const most = 5
	var out []string
	for _, s := range list[:min(len(list), most)] {
		out = append(out, Escape(s))
	}
	if more := len(list) - most; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

// sentence is a sentence with people's words in it.
func sentence(text string) string { return Escape(Clip(cmp.Or(text, "no reason given"), 1000)) }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// missing is what would move the request on.
func (a Ask) missing() []review.Need {
	var out []review.Need
	if a.Judgement != nil {
		for _, d := range a.Judgement.Determinations {
			out = append(out, d.Missing...)
		}
	}
	return out
}
