package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// answersOf are the answers of a request with the questions that they answer:
// those of the form as it was pinned, whatever it asks now.
func (w *workspace) answersOf(ctx context.Context, req *resource.AccessRequest, facts *review.Facts) ([]report.Answer, error) {
	form, err := w.pinnedForm(ctx, req, facts)
	if err != nil {
		return nil, err
	}
	var out []report.Answer
	if form != nil {
		for _, q := range form.Spec.Questions {
			answer := strings.Join(resource.AnswerTexts(req.Spec.Answers[q.ID]), ", ")
			if answer == "" && q.Type == resource.QuestionAccessDuration {
				answer = string(req.Spec.Duration)
				if req.Spec.Until.Stated() {
					answer = "until " + string(req.Spec.Until)
				}
			}
			if answer != "" {
				out = append(out, report.Answer{Question: q.Title, Text: answer})
			}
		}
	}
	return out, nil
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
