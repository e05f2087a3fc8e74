// Package determine is the journey of a pull request: observe it on its forge,
// judge it at its base commit, publish how it stands, merge what is approved,
// judge the merge again and append what was decided to the ledger. It holds
// the determining key and no credential of any data platform.
package determine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/validate"
	"github.com/assent-dev/assent/policies"
)

// Judge judges facts at the commit they name as base. It is what determine and
// audit share: the same facts get the same judgement, now and in ten years.
type Judge struct {
	loader *repo.Loader
	caps   func(platform string) (validate.Capabilities, bool)

	mu      sync.Mutex
	engines map[string]*policy.Engine
}

// NewJudge makes a Judge that reads commits through loader. caps says what each
// kind of platform can do.
func NewJudge(loader *repo.Loader, caps func(platform string) (validate.Capabilities, bool)) *Judge {
	return &Judge{loader: loader, caps: caps, engines: map[string]*policy.Engine{}}
}

// Judged is a judgement with what it rests on.
type Judged struct {
	review.Judgement
	Base *repo.Snapshot
	Head *repo.Snapshot
	// Opened is the repository as it was when the engine first saw the pull
	// request; nil where nothing attests it.
	Opened *repo.Snapshot
	// Engine names what evaluated; Builtin and Custom are the digests of the rules.
	Engine, Builtin, Custom string
	// Problems are the mistakes that the change would bring into the repository.
	Problems diag.List
}

// Judge judges the facts. An error means that nothing is known; what the facts
// or the rules themselves leave open is a pending Judgement.
func (j *Judge) Judge(ctx context.Context, facts review.Facts) (Judged, error) {
	base, err := j.loader.At(ctx, gitdb.OID(facts.Base))
	if err != nil {
		return Judged{}, fmt.Errorf("load base: %w", err)
	}
	head, err := j.loader.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return Judged{}, fmt.Errorf("load head: %w", err)
	}
	out := Judged{Base: base, Head: head, Engine: policy.Version()}
	engine, err := j.engine(ctx, base.Policies)
	if err != nil {
		out.Judgement = pending("the rules on " + facts.BaseRef + " do not compile: " + err.Error())
		return out, nil //nolint:nilerr // the judgement tells of it
	}
	out.Builtin, out.Custom = engine.Digests()
	sets := review.Sets{Base: base.Set, Head: head.Set}
	if out.Opened, sets.NotOpened, err = j.opened(ctx, facts); err != nil {
		return Judged{}, err
	}
	if out.Opened != nil {
		sets.Opened = out.Opened.Set
	}
	if out.Judgement, err = review.DetermineIn(ctx, engine, sets, facts); err != nil {
		return Judged{}, fmt.Errorf("judge %s: %w: %w", facts.PullRequest, ErrFacts, err)
	}
	holdUnread(&out, facts, engine.Reads)
	if facts.ResultTree != "" {
		if err := j.holdInvalid(ctx, &out, facts); err != nil {
			return Judged{}, err
		}
	}
	return out, nil
}

// opened loads the base at which the engine first saw the pull request. It
// counts only where main still descends from it; else why says so.
func (j *Judge) opened(ctx context.Context, facts review.Facts) (at *repo.Snapshot, why string, err error) {
	if facts.OpenedBase == "" {
		return nil, "", nil
	}
	ok, err := j.loader.IsAncestor(gitdb.OID(facts.OpenedBase), gitdb.OID(facts.Base))
	switch {
	case errors.Is(err, gitdb.ErrNotFound):
		return nil, "the commit at which it was opened, " + facts.OpenedBase + ", is not there any more", nil
	case err != nil:
		return nil, "", fmt.Errorf("compare bases: %w", err)
	case !ok:
		return nil, facts.BaseRef + " does not descend any more from " + facts.OpenedBase + ", at which it was opened", nil
	}
	if at, err = j.loader.At(ctx, gitdb.OID(facts.OpenedBase)); err != nil {
		return nil, "", fmt.Errorf("load the base at which it was opened: %w", err)
	}
	return at, "", nil
}

// holdInvalid keeps a change that would bring a mistake into the repository
// pending, whoever agreed to it.
func (j *Judge) holdInvalid(ctx context.Context, out *Judged, facts review.Facts) error {
	result, err := j.loader.AtTree(ctx, gitdb.OID(facts.ResultTree))
	if err != nil {
		return fmt.Errorf("load result: %w", err)
	}
	out.Problems = newProblems(out.Base, out.Opened, result, facts.ObservedAt, j.caps)
	if !out.Problems.HasErrors() || !out.Outcome.Grants() {
		return nil
	}
	reason := "the change has mistakes: " + out.Problems[0].String()
	out.Outcome, out.Reason = review.Pending, reason
	for i := range out.Determinations {
		if d := &out.Determinations[i]; d.Outcome.Grants() {
			d.Outcome, d.Reason = review.Pending, reason
			d.Missing = append(d.Missing, review.Need{What: out.Problems[0].Message, At: out.Problems[0].Pos.String()})
		}
	}
	return nil
}

// NewProblems are the errors of a result that its base does not have already.
func NewProblems(base, result *repo.Snapshot, now time.Time, caps func(string) (validate.Capabilities, bool)) diag.List {
	return newProblems(base, nil, result, now, caps)
}

// newProblems is NewProblems for a change that was opened at another base; nil
// where that is not known.
func newProblems(base, opened, result *repo.Snapshot, now time.Time, caps func(string) (validate.Capabilities, bool)) diag.List {
	var then *resource.Set
	if opened != nil {
		then = opened.Set
	}
	known := map[string]bool{}
	key := func(d diag.Diagnostic) string { return d.Pos.File + "\x00" + string(d.Code) + "\x00" + d.Message }
	for _, d := range slices.Concat(base.Problems, validate.Set(base.Set, base.Set, now, caps, base.Unread()...)) {
		known[key(d)] = true
	}
	var out diag.List
	for _, d := range slices.Concat(result.Problems, validate.Change(base.Set, then, result.Set, now, caps, result.Unread()...)) {
		if d.Severity == diag.Error && !known[key(d)] {
			out = append(out, d)
		}
	}
	return out.Sorted()
}

func pending(reason string) review.Judgement {
	return review.Judgement{Class: review.ClassRequest, Outcome: review.Pending, Reason: reason}
}

// engine compiles the organisation's rules with the built-in ones, once for
// each text of them.
func (j *Judge) engine(ctx context.Context, custom map[string]string) (*policy.Engine, error) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(custom)) {
		fmt.Fprintf(h, "%q %q\n", name, custom[name])
	}
	key := hex.EncodeToString(h.Sum(nil))
	j.mu.Lock()
	defer j.mu.Unlock()
	if e, ok := j.engines[key]; ok {
		return e, nil
	}
	rules := map[string]string{}
	for name, source := range custom {
		if !strings.HasSuffix(name, "_test.rego") {
			rules[name] = source
		}
	}
	e, err := policy.Compile(ctx, policies.Builtin(), rules)
	if err != nil {
		return nil, err
	}
	j.engines[key] = e
	return e, nil
}

// lapse ends what nobody decided in time: all of a pull request, because it can
// only be merged whole.
func (j *Judged) lapse(reason string) {
	j.Outcome, j.Reason = review.Canceled, reason
	for i := range j.Determinations {
		r := &j.Determinations[i]
		r.Outcome, r.Reason, r.Until, r.NotBefore, r.Deadlines = review.Canceled, reason, time.Time{}, time.Time{}, nil
	}
}

// ErrFacts says that facts are such that no judgement may rest on them, whoever
// asks and whenever.
var ErrFacts = errors.New("facts cannot be judged")

// At loads a commit as the judge sees it.
func (j *Judge) At(ctx context.Context, commit gitdb.OID) (*repo.Snapshot, error) {
	return j.loader.At(ctx, commit)
}
