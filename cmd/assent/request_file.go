package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

// filed is a request file that was made but not opened yet.
type filed struct {
	name, file, title string
	raw               []byte
}

// fileRequest makes the request file and checks it against main as if it were
// merged.
func (w *workspace) fileRequest(ctx context.Context, me *resource.User, o requestOptions) (filed, diag.List, error) {
	req, err := w.buildRequest(me, o)
	if err != nil {
		return filed{}, nil, err
	}
	folder := requestFolder(req.Spec.Target)
	made := filed{name: req.Metadata.Name, file: repo.FileFor(req, folder)}
	made.title = fmt.Sprintf("%s asks %s on %s", me.Metadata.Name, asks(req, "for "), audit.TargetText(req.Spec.Target))
	if made.raw, err = repo.Encode(req); err != nil {
		return made, nil, &exitError{code: exitUsage, err: err, hint: "change the flag that the message is about"}
	}
	decoded, problems, err := repo.Decode(made.file, "", made.raw)
	if err != nil || problems.HasErrors() {
		return made, problems, err
	}
	result := *w.snapshot
	all := []resource.Resource{decoded}
	for r := range w.snapshot.Set.All() {
		all = append(all, r)
	}
	result.Set = resource.NewSet(all...)
	return made, determine.NewProblems(w.snapshot, &result, w.now().UTC(), platformCapabilities), ctx.Err()
}

func asks(req *resource.AccessRequest, before string) string {
	if req.Spec.Type == resource.MaskingException {
		return "to see " + strings.Join(req.Spec.Columns, ", ")
	}
	return before + string(req.Spec.Level())
}

func requestFolder(t resource.Target) string {
	switch {
	case t.Product != "":
		return string(t.Product)
	case t.Source != "":
		return repo.Slug(strings.ReplaceAll(string(t.Source), "/", "."))
	default:
		return repo.Slug(strings.ReplaceAll(t.Path, "/", "."))
	}
}

// buildRequest makes a request from flags, with its form filled in.
func (w *workspace) buildRequest(me *resource.User, o requestOptions) (*resource.AccessRequest, error) {
	var old *resource.AccessRequest
	if o.renews != "" {
		var ok bool
		if old, ok = resource.Get[*resource.AccessRequest](w.snapshot.Set, resource.KindAccessRequest, resource.Name(o.renews)); !ok {
			return nil, usageErrorf("`assent request list --all` lists them; one whose file was deleted is asked for anew", "no request %q to renew", o.renews)
		}
		o = continuing(o, old.Spec)
	}
	req, err := w.draftRequest(me, o)
	if err != nil {
		return nil, err
	}
	req.Spec.Renews = resource.Name(o.renews)
	if err := w.fillForm(req, o, old); err != nil {
		return nil, err
	}
	req.Metadata.Name = o.name
	if o.name == "" {
		req.Metadata.Name = w.freeName(me.Metadata.Name + "-" + requestFolder(req.Spec.Target))
	}
	return req, nil
}

// continuing takes what the flags leave open from the request that is continued.
func continuing(o requestOptions, old resource.AccessRequestSpec) requestOptions {
	o.product, o.source, o.path = string(old.Target.Product), string(old.Target.Source), old.Target.Path
	if len(o.people) == 0 {
		for _, b := range old.Beneficiaries {
			o.people = append(o.people, subjectFlag(b))
		}
	}
	if o.level == "" {
		o.level = string(old.AccessLevel)
	}
	switch {
	case old.Type == resource.MaskingException && len(o.unmask) == 0:
		o.unmask, o.columns = old.Columns, nil
	case old.Type != resource.MaskingException && len(o.columns) == 0 && len(o.unmask) == 0:
		o.columns = old.Columns
	}
	if o.duration == "" && o.until == "" {
		o.duration = string(old.Duration)
	}
	return o
}

func subjectFlag(s resource.Subject) string {
	switch {
	case s.Group != "":
		return "group:" + string(s.Group)
	case s.ServiceAccount != "":
		return "serviceAccount:" + string(s.ServiceAccount)
	default:
		return string(s.User)
	}
}

// draftRequest makes a request from flags, without name and form. me may be nil
// where the flags say for whom it is.
func (w *workspace) draftRequest(me *resource.User, o requestOptions) (*resource.AccessRequest, error) {
	req := &resource.AccessRequest{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessRequest}}
	s := &req.Spec
	s.Type = resource.DataAccess
	if me != nil {
		s.Requester = resource.Name(me.Metadata.Name)
	}
	s.Target = resource.Target{Product: resource.Name(o.product), Source: resource.Name(o.source), Path: o.path}
	if (o.product != "") == (o.source != "" || o.path != "") || (o.source != "" && o.path != "") {
		return nil, usageErrorf("`assent status` lists what there is", "want exactly one of --product, --source and --path")
	}
	if _, ok := w.snapshot.Set.Find(resource.Ref{Kind: resource.KindDataProduct, Name: s.Target.Product}); o.product != "" && !ok {
		var known []string
		for p := range resource.Of[*resource.DataProduct](w.snapshot.Set) {
			if !p.Spec.Hidden || slices.Contains(resource.People(w.snapshot.Set, p.Spec.Audience), s.Requester) {
				known = append(known, p.Metadata.Name)
			}
		}
		return nil, usageErrorf("there are "+strings.Join(known, ", "), "no data product %q", o.product)
	}
	s.Columns = o.columns
	if len(o.unmask) > 0 {
		s.Type, s.Columns = resource.MaskingException, o.unmask
	} else if o.emergency {
		s.Type = resource.EmergencyAccess
	}
	s.AccessLevel, s.Duration = resource.AccessLevel(o.level), resource.Duration(o.duration)
	s.Until, s.NotBefore = resource.Instant(o.until), resource.Instant(o.notBefore)
	if s.Type != resource.MaskingException && s.AccessLevel == "" {
		s.AccessLevel = resource.Read
	}
	for _, p := range o.people {
		s.Beneficiaries = append(s.Beneficiaries, parseSubject(p))
	}
	if len(o.people) == 0 {
		s.Beneficiaries = []resource.Subject{{User: s.Requester}}
	}
	return req, nil
}

func parseSubject(text string) resource.Subject {
	kind, name, ok := strings.Cut(text, ":")
	switch {
	case ok && kind == "group":
		return resource.Subject{Group: resource.Name(name)}
	case ok && kind == "serviceAccount":
		return resource.Subject{ServiceAccount: resource.Name(name)}
	default:
		return resource.Subject{User: resource.Name(text)}
	}
}

// fillForm pins the form and its agreement and sorts the answers by the type of
// their questions. old is the request that this one continues, or nil: its
// answers count where the flags give none and the form still takes them, and its
// acceptance where the same person accepted the same text.
func (w *workspace) fillForm(req *resource.AccessRequest, o requestOptions, old *resource.AccessRequest) error {
	set := w.snapshot.Set
	name := resource.FormFor(set, req)
	form, ok := resource.FormOf(set, name)
	if !ok {
		return nil // validation says which form is missing
	}
	req.Spec.Form = resource.PinnedForm{Name: name, Digest: form.Digest()}
	given, err := parseAnswers(o.answers)
	if err != nil {
		return err
	}
	if old != nil {
		recall(given, form, old.Spec.Answers)
	}
	req.Spec.Answers = map[string]any{}
	var missing []string
	for _, q := range form.Spec.Questions {
		if q.Type == resource.QuestionAccessDuration {
			if values := given[q.ID]; len(values) > 0 {
				req.Spec.Duration = resource.Duration(values[0])
			}
			if req.Spec.Duration.Stated() {
				given[q.ID] = []string{string(req.Spec.Duration)}
			}
		}
		if values := given[q.ID]; len(values) > 0 {
			req.Spec.Answers[q.ID] = answer(q, values)
		} else if q.IsRequired() && shown(q, given) {
			missing = append(missing, ask(q))
		}
	}
	for id, values := range given { // unknown ones stay, so that validation points at them
		if _, known := req.Spec.Answers[id]; !known {
			req.Spec.Answers[id] = values[0]
		}
	}
	if !req.Spec.Duration.Stated() && !req.Spec.Until.Stated() && !slices.ContainsFunc(missing, isDuration) {
		missing = append(missing, ask(resource.Question{Type: resource.QuestionAccessDuration, Title: "How long do you need it?"}))
	}
	if text, ok := resource.Get[*resource.DataUseAgreement](set, resource.KindDataUseAgreement, form.Spec.Agreement); ok {
		same := old != nil && old.Spec.Agreement != nil && old.Spec.Agreement.Accepted &&
			old.Spec.Agreement.Digest == text.Digest() && old.Spec.Requester == req.Spec.Requester
		if !o.accept && !same {
			missing = append(missing, fmt.Sprintf("  %-26s accept %s; read it in %s", "--accept-agreement", text.Metadata.Name, text.Source.File))
		}
		req.Spec.Agreement = &resource.Acceptance{Name: form.Spec.Agreement, Digest: text.Digest(), Accepted: true}
	}
	if len(missing) > 0 {
		return usageErrorf("add these to the command", "form %s asks for more:\n%s", name, strings.Join(missing, "\n"))
	}
	return nil
}

// recall adds former answers that the form still takes.
func recall(given map[string][]string, form *resource.RequestForm, former map[string]any) {
	for _, q := range form.Spec.Questions {
		texts := resource.AnswerTexts(former[q.ID])
		fits := len(q.Options) == 0 || !slices.ContainsFunc(texts, func(t string) bool { return !slices.Contains(q.Options, t) })
		if len(given[q.ID]) == 0 && len(texts) > 0 && fits && q.Type != resource.QuestionAccessDuration {
			given[q.ID] = texts
		}
	}
}

func parseAnswers(flags []string) (map[string][]string, error) {
	given := map[string][]string{}
	for _, a := range flags {
		id, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, usageErrorf("write it as --answer question=answer", "read --answer %q: no = in it", a)
		}
		given[id] = append(given[id], value)
	}
	return given, nil
}

// shown reports whether the form shows a question, given the answers so far.
func shown(q resource.Question, given map[string][]string) bool {
	return q.ShowIf == nil || slices.Contains(given[q.ShowIf.Question], q.ShowIf.Equals)
}

const durationFlag = "  --duration 90d"

func isDuration(line string) bool { return strings.HasPrefix(line, durationFlag) }

// ask is the line that tells which flag answers a question.
func ask(q resource.Question) string {
	if q.Type == resource.QuestionAccessDuration {
		return fmt.Sprintf("%-28s %s", durationFlag, q.Title)
	}
	text := q.Title
	if len(q.Options) > 0 {
		text += " One of: " + strings.Join(q.Options, ", ") + "."
	}
	if q.Help != "" {
		text += " " + q.Help
	}
	return fmt.Sprintf("  %-26s %s", "--answer "+q.ID+"=…", text)
}

func answer(q resource.Question, values []string) any {
	switch q.Type {
	case resource.QuestionCheckboxes:
		var all []any
		for _, v := range values {
			for part := range strings.SplitSeq(v, ",") {
				all = append(all, strings.TrimSpace(part))
			}
		}
		return all
	case resource.QuestionNumber:
		if n, err := strconv.Atoi(values[0]); err == nil {
			return n
		}
	}
	return values[0]
}

// freeName is the wanted name, or the first of name-2, name-3 … that neither a
// request nor a branch has.
func (w *workspace) freeName(want string) string {
	want = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(want)), "-")
	want = strings.TrimRight(want[:min(len(want), 56)], "-")
	for n := 1; ; n++ {
		name := want
		if n > 1 {
			name = fmt.Sprintf("%s-%d", want, n)
		}
		_, taken := w.snapshot.Set.Find(resource.Ref{Kind: resource.KindAccessRequest, Name: resource.Name(name)})
		refs, err := w.db.Refs("refs/assent/pr/" + name)
		if !taken && err == nil && !slices.ContainsFunc(refs, func(r gitdb.Ref) bool { return r.Name == "refs/assent/pr/"+name }) {
			return name
		}
	}
}
