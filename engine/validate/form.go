package validate

import (
	"regexp"
	"slices"

	"github.com/assent-dev/assent/engine/resource"
)

// maxPattern bounds a question's pattern, so that a person can read it.
const maxPattern = 256

// forms: ids are unique, and one question at most asks how long.
func forms(c *check) {
	for f := range resource.Of[*resource.RequestForm](c.head) {
		firstID, firstDuration := map[string]int{}, -1
		for i, q := range f.Spec.Questions {
			if j, ok := firstID[q.ID]; ok {
				c.errorf(f, at("spec", "questions", i, "id"), QuestionTwice, "two questions have the id %q", q.ID).
					WithHint("rename one of them").
					WithRelated(f.At("spec", "questions", j, "id"), "used here first")
			} else {
				firstID[q.ID] = i
			}
			if q.Type != resource.QuestionAccessDuration {
				continue
			}
			if firstDuration >= 0 {
				c.errorf(f, at("spec", "questions", i, "type"), DurationTwice, "two questions ask how long").
					WithHint("keep one question of type access-duration").
					WithRelated(f.At("spec", "questions", firstDuration, "type"), "asked here first")
				continue
			}
			firstDuration = i
		}
	}
}

// questions: each question can be answered, and its conditions can hold.
func questions(c *check) {
	for f := range resource.Of[*resource.RequestForm](c.head) {
		for i, q := range f.Spec.Questions {
			path := at("spec", "questions", i)
			c.options(f, path, q)
			c.pattern(f, path, q)
			c.showIf(f, path, i)
			if q.Type == resource.QuestionAccessDuration && q.Required != nil && !*q.Required {
				c.errorf(f, below(path, "required"), DurationOptional, "how long access lasts cannot be left open").
					WithHint("remove required: false; indefinite is an answer too")
			}
		}
	}
}

func (c *check) options(f *resource.RequestForm, path []any, q resource.Question) {
	switch q.Type {
	case resource.QuestionDropdown, resource.QuestionCheckboxes: // the schema asks for options
	case resource.QuestionAccessDuration:
		for j, o := range q.Options {
			if !resource.Duration(o).Valid() {
				c.errorf(f, below(path, "options", j), DurationOption, "%q is no duration", o).
					WithHint("write a whole number and min, h, d, w, mo or y, such as 90d, or indefinite")
			}
		}
	default:
		if len(q.Options) > 0 {
			c.errorf(f, below(path, "options"), QuestionOptions, "a question of type %s has no options", q.Type).
				WithHint("remove them, or use the type dropdown or checkboxes")
		}
	}
}

func (c *check) pattern(f *resource.RequestForm, path []any, q resource.Question) {
	if q.Pattern == "" {
		return
	}
	place := below(path, "pattern")
	switch {
	case q.Type != resource.QuestionShortAnswer && q.Type != resource.QuestionTicket:
		c.errorf(f, place, QuestionPattern, "a question of type %s has no pattern", q.Type).
			WithHint("remove it: patterns are for short-answer and ticket")
	case len(q.Pattern) > maxPattern:
		c.errorf(f, place, QuestionPattern, "the pattern has %d characters, and %d are allowed", len(q.Pattern), maxPattern).
			WithHint("shorten it, and say the rest in help")
	default:
		if _, err := regexp.Compile(q.Pattern); err != nil {
			c.errorf(f, place, QuestionPattern, "the pattern does not compile: %s", cause(err)).
				WithHint("the syntax is RE2: no look-around and no back references")
		}
	}
}

func (c *check) showIf(f *resource.RequestForm, path []any, i int) {
	q := f.Spec.Questions[i]
	if q.ShowIf == nil {
		return
	}
	asked := slices.IndexFunc(f.Spec.Questions, func(o resource.Question) bool { return o.ID == q.ShowIf.Question })
	switch {
	case asked < 0:
		d := c.errorf(f, below(path, "showIf", "question"), ShowIfQuestion, "no question has the id %q", q.ShowIf.Question).
			WithHint("the questions before it are %s", choices(questionIDs(f.Spec.Questions[:i])))
		if guess, ok := c.closest(q.ShowIf.Question, questionIDs(f.Spec.Questions[:i])); ok {
			d.WithHint("did you mean %q?", guess)
		}
	case asked >= i:
		c.errorf(f, below(path, "showIf", "question"), ShowIfQuestion, "question %q is not asked before this one", q.ShowIf.Question).
			WithHint("move it up").
			WithRelated(f.At("spec", "questions", asked, "id"), "it is asked here")
	default:
		on := f.Spec.Questions[asked]
		closed := on.Type == resource.QuestionDropdown || on.Type == resource.QuestionCheckboxes
		if closed && !slices.Contains(on.Options, q.ShowIf.Equals) {
			d := c.errorf(f, below(path, "showIf", "equals"), ShowIfNever, "question %q never has the answer %q", on.ID, q.ShowIf.Equals).
				WithHint("its options are %s", choices(on.Options)).
				WithRelated(f.At("spec", "questions", asked, "options"), "its options are here")
			if guess, ok := c.closest(q.ShowIf.Equals, on.Options); ok {
				d.WithHint("did you mean %q?", guess)
			}
		}
	}
}

func questionIDs(list []resource.Question) []string {
	out := make([]string, 0, len(list))
	for _, q := range list {
		out = append(out, q.ID)
	}
	return out
}
