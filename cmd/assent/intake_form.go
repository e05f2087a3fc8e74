package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/forge/github"
	"github.com/assent-dev/assent/engine/resource"
)

// An issue form asks for a product and then what the product's request form asks.
// GitHub makes text of the answers: a heading for each question, with the answer
// below. That text is all that comes back, and anybody can write such a text by
// hand, so that it is read strictly.

const (
	askProduct   = "Which data do you need?"
	askDuration  = "How long do you need it?"
	askAgreement = "Data use agreement"
	noAnswer     = "_No response_"
)

// issueForm is a file of .github/ISSUE_TEMPLATE.
type issueForm struct {
	Name        string         `yaml:"name"`
	Description string         `yaml:"description"`
	Title       string         `yaml:"title,omitempty"`
	Labels      []string       `yaml:"labels"`
	Body        []issueElement `yaml:"body"`
}

type issueElement struct {
	Type        string          `yaml:"type"`
	ID          string          `yaml:"id,omitempty"`
	Attributes  issueAttributes `yaml:"attributes"`
	Validations map[string]bool `yaml:"validations,omitempty"`
}

type issueAttributes struct {
	Label       string `yaml:"label,omitempty"`
	Description string `yaml:"description,omitempty"`
	Placeholder string `yaml:"placeholder,omitempty"`
	Value       string `yaml:"value,omitempty"`
	Options     []any  `yaml:"options,omitempty"`
}

// issueFormOf makes the issue form of a request form; ok is false where no product
// that everybody may see uses it.
func issueFormOf(set *resource.Set, form *resource.RequestForm) (raw []byte, ok bool, err error) {
	var products []any
	var titles strings.Builder
	for p := range resource.Of[*resource.DataProduct](set) {
		name := p.Ref().Name
		if p.Spec.Hidden || resource.FormFor(set, productRequest(name)) != form.Ref().Name {
			continue
		}
		products = append(products, string(name))
		if p.Metadata.Title != "" {
			fmt.Fprintf(&titles, "- %s: %s\n", name, p.Metadata.Title)
		}
	}
	if len(products) == 0 {
		return nil, false, nil
	}
	title := form.Metadata.Title
	if title == "" {
		title = form.Metadata.Name
	}
	out := issueForm{
		Name: title, Description: "Ask for data. A pull request is opened for you, and the people who decide answer there.",
		Title: "Access: ", Labels: []string{github.IssueLabel},
		Body: []issueElement{{
			Type: "dropdown", ID: "product", Validations: map[string]bool{"required": true},
			Attributes: issueAttributes{Label: askProduct, Description: titles.String(), Options: products},
		}},
	}
	for _, q := range issueQuestions(form) {
		out.Body = append(out.Body, elementOf(q, form))
	}
	if a := form.Spec.Agreement; a != "" {
		out.Body = append(out.Body, issueElement{Type: "checkboxes", ID: "agreement", Attributes: issueAttributes{
			Label: askAgreement, Description: "Read it in agreements/" + string(a) + ".yaml.",
			Options: []any{map[string]any{"label": accepts(a), "required": true}},
		}})
	}
	raw, err = yaml.Marshal(out)
	if err != nil {
		return nil, false, fmt.Errorf("make issue form: %w", err)
	}
	return append([]byte("# Made by `assent intake form` from forms/"+string(form.Ref().Name)+".yaml and products/.\n"), raw...), true, nil
}

func productRequest(name resource.Name) *resource.AccessRequest {
	return &resource.AccessRequest{Spec: resource.AccessRequestSpec{Type: resource.DataAccess, Target: resource.Target{Product: name}}}
}

func accepts(agreement resource.Name) string { return "I accept " + string(agreement) }

// issueQuestions are a form's questions, with one for how long where it has none.
func issueQuestions(form *resource.RequestForm) []resource.Question {
	out := slices.Clone(form.Spec.Questions)
	if !slices.ContainsFunc(out, func(q resource.Question) bool { return q.Type == resource.QuestionAccessDuration }) {
		out = append(out, resource.Question{Type: resource.QuestionAccessDuration, Title: askDuration})
	}
	return out
}

func elementOf(q resource.Question, form *resource.RequestForm) issueElement {
	e := issueElement{Type: "input", ID: q.ID, Attributes: issueAttributes{Label: heading(q), Description: q.Help}}
	if q.IsRequired() && q.ShowIf == nil {
		e.Validations = map[string]bool{"required": true}
	}
	switch q.Type {
	case resource.QuestionDropdown:
		e.Type = "dropdown"
		for _, o := range q.Options {
			e.Attributes.Options = append(e.Attributes.Options, o)
		}
	case resource.QuestionCheckboxes:
		e.Type, e.Validations = "checkboxes", nil
		for _, o := range q.Options {
			e.Attributes.Options = append(e.Attributes.Options, map[string]any{"label": o})
		}
	case resource.QuestionAccessDuration:
		e.ID, e.Attributes.Placeholder = "duration", "90d"
		e.Attributes.Description = strings.TrimSpace(q.Help + " Such as 30d, 3mo or 1y.")
	case resource.QuestionDate:
		e.Attributes.Placeholder = "2027-01-31"
	}
	if q.ShowIf != nil {
		for _, other := range form.Spec.Questions {
			if other.ID == q.ShowIf.Question {
				e.Attributes.Description = strings.TrimSpace(fmt.Sprintf("Only where “%s” is “%s”. %s", heading(other), q.ShowIf.Equals, q.Help))
			}
		}
	}
	return e
}

// heading is a question's title on one line, as it comes back.
func heading(q resource.Question) string { return strings.Join(strings.Fields(q.Title), " ") }

// splitIssue reads the answers below known headings: each heading is there once,
// in order, the first one at the top. So no answer can hold a question.
func splitIssue(body string, headings []string) ([]string, error) {
	lines := strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n")
	at := make([]int, len(headings))
	for i, h := range headings {
		at[i] = -1
		for n, line := range lines {
			if strings.TrimRight(line, " ") != "### "+h {
				continue
			}
			if at[i] >= 0 {
				return nil, fmt.Errorf("the line “### %s” is there twice. Leave it out of your answers", h)
			}
			at[i] = n
		}
		switch {
		case at[i] < 0:
			return nil, fmt.Errorf("the question “%s” is missing. Open a new issue with the form, and change nothing but the answers", h)
		case i > 0 && at[i] < at[i-1], i == 0 && at[i] != 0:
			return nil, errors.New("the questions are not in their order. Open a new issue with the form, and change nothing but the answers")
		}
	}
	out := make([]string, len(headings))
	for i := range headings {
		end := len(lines)
		if i+1 < len(headings) {
			end = at[i+1]
		}
		if out[i] = strings.TrimSpace(strings.Join(lines[at[i]+1:end], "\n")); out[i] == noAnswer {
			out[i] = ""
		}
	}
	return out, nil
}

// firstAnswer is the answer below the first heading, whatever follows it.
func firstAnswer(body string) string {
	lines := strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n")
	if strings.TrimRight(lines[0], " ") != "### "+askProduct {
		return ""
	}
	var answer []string
	for _, line := range lines[1:] {
		if strings.HasPrefix(line, "### ") {
			break
		}
		answer = append(answer, line)
	}
	return strings.TrimSpace(strings.Join(answer, "\n"))
}

// ticked are the options that are ticked; ok is false for any line that is none.
func ticked(answer string, options []string) (out []string, ok bool) {
	for line := range strings.Lines(answer) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		box, option, _ := strings.Cut(line, "] ")
		switch {
		case !slices.Contains(options, option):
			return nil, false
		case box == "- [X" || box == "- [x":
			out = append(out, option)
		case box != "- [ ":
			return nil, false
		}
	}
	return out, true
}
