// Package scenario plays what-if stories of an organisation's rules: a request,
// the reviews it gets, and how it should stand then. A story is judged by the
// real review.Determine on the repository's own resources, so that a change of a
// form, a product, a group or a rule that would let something through, or hold
// it, fails a test before it is merged.
//
// It is a package of its own because it decodes YAML with places in it and
// request files by their schema, which package review, being pure, may not. It
// does no I/O, knows no forge and no ledger, and proves nothing about who signed
// what: reviews are taken to be of this head and by whom they name.
package scenario

import (
	"time"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Folder is where a repository keeps its scenarios, one a file.
const Folder = "policies/scenarios/"

// The codes of mistakes in scenarios.
const (
	CodeScenario diag.Code = "SCN001"
	CodeRequest  diag.Code = "SCN002"
)

// Explanations says what the codes mean and how to mend what they name.
func Explanations() []diag.Explanation {
	return []diag.Explanation{
		{
			Code: CodeScenario, Title: "A scenario cannot be read",
			Why:     "A scenario that is half understood would prove something else than its author meant, so unknown fields and names are mistakes.",
			Fix:     "Write it like the example. Every person must be in directory/ or under people.",
			Example: example,
		},
		{
			Code: CodeRequest, Title: "The request of a scenario is none",
			Why: "The request is checked like a file in requests/, so that a scenario proves something about requests that could be made.",
			Fix: "Write what stands below spec in a request file. Form, agreement, type and beneficiaries are filled in where they are left out.",
		},
	}
}

const example = `scenario: personal data takes finance and privacy
at: 2026-11-09T09:00:00Z
request:
  requester: ana
  target: {product: customer-orders}
  duration: 90d
  answers: {purpose: Churn model for the spring campaign, project: churn-model, duration: 90d}
reviews:
  - {by: kim, verdict: approve}
expect:
  outcome: pending
  counted: [kim]
  missing: [group privacy]
steps:
  - at: 2026-11-10T09:00:00Z
    reviews:
      - {by: lea, verdict: approve, body: /approve for 30d}
    expect: {outcome: temporarily-approved, until: 2026-12-10T09:00:00Z}
`

// Scenario is one story.
type Scenario struct {
	File   string
	Title  string // scenario: what it shows
	Name   resource.Name
	By     resource.Name // who opens the pull request; the requester unless stated
	People map[resource.Name]Person
	Held   map[resource.Name][]review.HeldAccess
	Steps  []Step

	spec *yaml.Node // of the request, where it stands in the scenario
	path string     // of the request, where it is a file of the repository
	pos  diag.Pos   // of the request
}

// Person is somebody whom the story needs: new, or a person of the directory with
// what is stated replaced.
type Person struct {
	Groups      []resource.Name
	Attributes  map[string][]string
	Permissions []resource.Permission
	State       resource.UserState
	stated      map[string]bool
}

// Step is a moment of the story: the reviews that came since the step before, and
// how the request stands then.
type Step struct {
	At      time.Time
	Reviews []Review
	Expect  Expect
	Pos     diag.Pos
}

// Review is what one person says.
type Review struct {
	By      resource.Name
	Verdict review.Verdict
	Body    string
}

// Expect is how the request should stand; what is nil or empty is not compared.
type Expect struct {
	Outcome review.Outcome
	Until   *time.Time      // the zero time: no end
	Missing []string        // each is part of one thing that is missing, and there are no others
	Counted []resource.Name // exactly the people whose reviews count
	Reason  string          // part of the reason
	missing bool            // stated, be it as nothing
	counted bool
	Pos     diag.Pos
}
