package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// explainLosers writes which flows do not count, though somebody stated them.
func explainLosers(line func(label, format string, args ...any), d review.Determination) {
	for _, lost := range d.Flow.Inactive {
		from, place, _ := strings.Cut(lost, " at ")
		line("inactive", "the flow of %s%s", from, at(place))
	}
}

// explainDeadlines writes what happens to a request that nobody decides.
func explainDeadlines(line func(label, format string, args ...any), d review.Determination) {
	if d.Deadlines == nil {
		return
	}
	when := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	if t := d.Deadlines.NextReminder; !t.IsZero() {
		line("reminder", "due %s", when(t))
	}
	if t := d.Deadlines.EscalateAt; !t.IsZero() {
		var to []string
		for _, s := range d.Deadlines.EscalateTo {
			to = append(to, audit.SubjectText(s))
		}
		since := ""
		if !d.DecidedAt.Before(t) {
			since = "since "
		}
		line("escalates", "to %s, %s%s", strings.Join(to, ", "), since, when(t))
	}
	if t := d.Deadlines.LapseAt; !t.IsZero() {
		line("lapses", "%s, when nobody has decided by then", when(t))
	}
}

// writeAnswers writes the answers of a request below the questions that they
// answer: those of the form as it was pinned, whatever it asks now.
func (w *workspace) writeAnswers(ctx context.Context, out io.Writer, s audit.RequestStatus, text string) error {
	r, problems, err := repo.Decode(s.File, "", []byte(text))
	req, ok := r.(*resource.AccessRequest)
	if err != nil || problems.HasErrors() || !ok {
		return err
	}
	form, err := w.pinnedForm(ctx, req, s.Facts)
	if err != nil || form == nil {
		return err
	}
	fmt.Fprintf(out, "# %s, as it was filled in\n", formTitle(form))
	for _, q := range form.Spec.Questions {
		answer := strings.Join(resource.AnswerTexts(req.Spec.Answers[q.ID]), ", ")
		if answer == "" && q.Type == resource.QuestionAccessDuration {
			answer = string(req.Spec.Duration)
			if req.Spec.Until.Stated() {
				answer = "until " + string(req.Spec.Until)
			}
		}
		if answer != "" {
			fmt.Fprintf(out, "%s\n  %s\n", q.Title, answer)
		}
	}
	if a := req.Spec.Agreement; a != nil && a.Accepted {
		fmt.Fprintf(out, "accepted: %s\n", a.Name)
	}
	fmt.Fprintln(out)
	return nil
}

func formTitle(f *resource.RequestForm) string {
	if f.Metadata.Title != "" {
		return f.Metadata.Title
	}
	return f.Metadata.Name
}

// pinnedForm finds the form with the digest that a request pins: on main, at the
// commits of the pull request, or anywhere in the history of main. Nil where no
// commit has it.
func (w *workspace) pinnedForm(ctx context.Context, req *resource.AccessRequest, facts *review.Facts) (*resource.RequestForm, error) {
	pin := req.Spec.Form
	if pin.Name == resource.StandardForm {
		if f := resource.BuiltinForm(); f.Digest() == pin.Digest {
			return f, nil
		}
		return nil, nil
	}
	commits := []gitdb.OID{w.main}
	if facts != nil {
		commits = append(commits, gitdb.OID(facts.OpenedBase), gitdb.OID(facts.Base))
	}
	history, _, err := w.db.FirstParents(w.main, "")
	if err != nil {
		return nil, err
	}
	for _, c := range history {
		commits = append(commits, c.OID)
	}
	file := "forms/" + string(pin.Name) + ".yaml"
	seen := map[gitdb.OID]bool{}
	for _, oid := range commits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if oid == "" {
			continue
		}
		c, err := w.db.Commit(oid)
		if err != nil {
			return nil, err
		}
		e, ok, err := w.db.Find(c.Tree, file)
		if err != nil {
			return nil, err
		}
		if !ok || seen[e.OID] {
			continue
		}
		seen[e.OID] = true
		raw, err := w.db.Blob(e.OID, 1<<20)
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(raw); "sha256:"+hex.EncodeToString(sum[:]) != pin.Digest {
			continue
		}
		r, problems, err := repo.Decode(file, string(e.OID), raw)
		if form, ok := r.(*resource.RequestForm); ok && err == nil && !problems.HasErrors() {
			return form, nil
		}
		return nil, err
	}
	return nil, nil
}
