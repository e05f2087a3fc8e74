package validate

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// ticketShape is what a ticket looks like where the question has no pattern.
var ticketShape = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_]*-[0-9]+|#?[0-9]+|https?://\S+)$`)

// pinnedForms: a request pins the form that its target wants, as it is at base
// or as it was when the change was opened, and answers it. An edited request may
// keep the pin that it came with; what the form asked then is not known any more,
// so that its answers stay unread.
func pinnedForms(c *check) {
	for req, former := range c.freshRequests {
		if !c.targetExists(req) {
			continue
		}
		pin := c.pinOf(req, former)
		problem, hint := pin.Problem()
		switch pin.State {
		case resource.PinNow, resource.PinOpened:
			c.answers(req, pin.Form)
		case resource.PinWrongForm:
			if c.exists(resource.Ref{Kind: resource.KindRequestForm, Name: req.Spec.Form.Name}) {
				d := c.errorf(req, at("spec", "form", "name"), WrongForm, "%s", problem).WithHint("%s", hint)
				if chosen := resource.FormChosenAt(c.rulings(), req); chosen.File != "" {
					d.WithRelated(chosen, "the form is chosen here")
				}
			}
		case resource.PinUnknown:
			c.errorf(req, at("spec", "form", "digest"), FormDigest, "%s", problem).WithHint("%s", hint)
		case resource.PinKept, resource.PinNoForm: // a form that is missing is told where it is named
		}
	}
}

// pinOf is the form that a request is held to.
func (c *check) pinOf(req, former *resource.AccessRequest) resource.Pin {
	return resource.PinOf(c.rulings(), c.opened, former, req)
}

func (c *check) targetExists(req *resource.AccessRequest) bool {
	ref, ok := req.Spec.Target.Ref()
	return !ok || c.exists(ref)
}

// answers: every question that is shown is answered as it asks, and no other.
func (c *check) answers(req *resource.AccessRequest, form *resource.RequestForm) {
	shown := map[string]bool{}
	for _, q := range form.Spec.Questions {
		answer, given := req.Spec.Answers[q.ID]
		shown[q.ID] = q.ShowIf == nil || shown[q.ShowIf.Question] && resource.AnswerIs(req.Spec.Answers[q.ShowIf.Question], q.ShowIf.Equals)
		path := at("spec", "answers", q.ID)
		switch {
		case given && !shown[q.ID]:
			c.errorf(req, path, AnswerHidden, "question %q is not asked with these answers", q.ID).
				WithHint("remove this answer").
				WithRelated(form.At("spec", "questions", questionIndex(form, q.ID), "showIf"), "it is asked when this holds")
		case !shown[q.ID]:
		case q.Type == resource.QuestionAccessDuration:
			c.durationAnswer(req, q, path, answer, given)
		case !given || blank(answer):
			if q.IsRequired() {
				c.missing(req, form, q)
			}
		default:
			if problem, hint := c.wrong(q, answer); problem != "" {
				c.errorf(req, path, AnswerInvalid, "%s", problem).WithHint("%s", hint)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(req.Spec.Answers)) {
		if slices.Contains(questionIDs(form.Spec.Questions), id) {
			continue
		}
		ids := questionIDs(form.Spec.Questions)
		d := c.errorf(req, at("spec", "answers", id), AnswerUnknown, "the form %q has no question %q", string(form.Ref().Name), id).
			WithHint("its questions are %s", choices(ids))
		if guess, ok := c.closest(id, ids); ok {
			d.WithHint("did you mean %q?", guess)
		}
	}
}

func questionIndex(f *resource.RequestForm, id string) int {
	return slices.IndexFunc(f.Spec.Questions, func(q resource.Question) bool { return q.ID == id })
}

func (c *check) missing(req *resource.AccessRequest, form *resource.RequestForm, q resource.Question) {
	d := c.errorf(req, at("spec", "answers", q.ID), AnswerMissing, "question %q is not answered: %s", q.ID, q.Title).
		WithHint("add %s below answers", q.ID)
	if form.Ref().Name != resource.StandardForm {
		d.WithRelated(form.At("spec", "questions", questionIndex(form, q.ID), "id"), "the question is here")
	}
}

// blank: an answer of spaces, or of no choice, answers nothing.
func blank(answer any) bool {
	return strings.TrimSpace(strings.Join(resource.AnswerTexts(answer), "")) == ""
}

// durationAnswer: spec.duration or spec.until is the answer. Where it is
// repeated among the answers, both have to say the same.
func (c *check) durationAnswer(req *resource.AccessRequest, q resource.Question, path []any, answer any, given bool) {
	asked := string(req.Spec.Duration)
	if req.Spec.Until.Stated() {
		asked = string(req.Spec.Until)
	}
	if asked == "" {
		return // another rule asks for it
	}
	if given && !resource.AnswerIs(answer, asked) {
		c.errorf(req, path, AnswerInvalid, "this answer and the length that the request states differ").
			WithHint("write %s, or remove the answer: the request already says how long", asked).
			WithRelated(req.At("spec", durationKey(req)), "the request states it here")
		return
	}
	if len(q.Options) > 0 && !slices.Contains(q.Options, asked) {
		c.errorf(req, at("spec", durationKey(req)), AnswerInvalid, "the form does not offer %s", asked).
			WithHint("it offers %s", choices(q.Options))
	}
}

func durationKey(req *resource.AccessRequest) string {
	if req.Spec.Until.Stated() {
		return "until"
	}
	return "duration"
}

// wrong says what is the matter with an answer; empty where nothing is.
func (c *check) wrong(q resource.Question, answer any) (problem, hint string) {
	list, isList := answer.([]any)
	text, isText := answer.(string)
	if isList != (q.Type == resource.QuestionCheckboxes) {
		if isList {
			return "question " + quote(q.ID) + " takes one answer", "write one value, without brackets"
		}
		return "question " + quote(q.ID) + " takes a list", "write [" + strings.Join(resource.AnswerTexts(answer), ", ") + "]"
	}
	switch q.Type {
	case resource.QuestionNumber:
		switch answer.(type) {
		case int, int64, uint64, float64:
			return "", ""
		}
		return "question " + quote(q.ID) + " takes a number", "write a number, without quotes"
	case resource.QuestionDate:
		if _, isTime := answer.(time.Time); isTime {
			return "", ""
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "question " + quote(q.ID) + " takes a date", "write it as 2027-01-31"
		}
		return "", ""
	case resource.QuestionCheckboxes:
		return c.wrongChoices(q, list)
	case resource.QuestionDropdown:
		return c.wrongChoices(q, []any{answer})
	}
	if !isText {
		return "question " + quote(q.ID) + " takes a text", "put the answer in quotes"
	}
	return wrongText(q, text)
}

func (c *check) wrongChoices(q resource.Question, list []any) (problem, hint string) {
	seen := map[string]bool{}
	for _, e := range list {
		for _, choice := range resource.AnswerTexts(e) {
			if seen[choice] {
				return quote(choice) + " is chosen twice", "remove one of them"
			}
			seen[choice] = true
			if slices.Contains(q.Options, choice) {
				continue
			}
			if guess, ok := c.closest(choice, q.Options); ok {
				return quote(choice) + " is no option of question " + quote(q.ID), "did you mean " + quote(guess) + "?"
			}
			return quote(choice) + " is no option of question " + quote(q.ID), "the options are " + choices(q.Options)
		}
	}
	return "", ""
}

// wrongText: a pattern has to match the whole answer.
func wrongText(q resource.Question, text string) (problem, hint string) {
	switch {
	case q.Pattern != "":
		whole, err := regexp.Compile(`^(?:` + q.Pattern + `)$`)
		if err == nil && !whole.MatchString(text) {
			return "this answer does not fit question " + quote(q.ID), "it has to match " + q.Pattern
		}
	case q.Type == resource.QuestionTicket && !ticketShape.MatchString(text):
		return "this is no ticket", "write it as ABC-123, #123 or an address"
	}
	return "", ""
}

// agreements: where the form has an agreement, its text as it is at base, or was
// when the change was opened, is accepted.
func agreements(c *check) {
	for req, former := range c.freshRequests {
		pin := c.pinOf(req, former)
		want, text := pin.Agreement()
		got := req.Spec.Agreement
		if text == nil || pin.Form.Ref().Name != req.Spec.Form.Name {
			continue
		}
		if former != nil && former.Spec.Agreement != nil && got != nil && *former.Spec.Agreement == *got {
			continue
		}
		var path []any
		var problem string
		switch {
		case pin.Accepts(got):
			continue
		case got == nil:
			path, problem = at("spec"), "is not accepted"
		case got.Name != want:
			path, problem = at("spec", "agreement", "name"), "is the one to accept"
		case !got.Accepted:
			path, problem = at("spec", "agreement", "accepted"), "is not accepted"
		default:
			path, problem = at("spec", "agreement", "digest"), "has another text now"
		}
		c.errorf(req, path, AgreementMissing, "%s %s", name(text.Ref()), problem).
			WithHint("read it, then write agreement: {name: %s, digest: %s, accepted: true}", want, text.Digest()).
			WithRelated(text.At("spec", "text"), "its text is here")
	}
}
