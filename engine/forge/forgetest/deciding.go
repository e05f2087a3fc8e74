package forgetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/policies"
)

// Keyed is a forge that knows people by their SSH keys.
type Keyed interface {
	// PublicKey is somebody's key in authorized_keys form.
	PublicKey(name string) string
}

// Ticker is a forge whose clock is a real one: what comes after has to be later.
type Ticker interface{ Tick() }

// office is what main holds where a request is decided: bo and cy are the
// stewards, and count of them have to agree.
type office struct {
	stewards []string
	count    int
}

// both is the office that most scenarios begin with, where one steward is enough.
var both = office{[]string{"bo", "cy"}, 1}

// ask is a request that a pull request adds or changes.
type ask struct{ requester, beneficiary string }

var forAnn = ask{"ann", "ann"}

// see lets the engine see a pull request, as it does all the time, and lets a
// while pass, so that what follows is later.
func (s *scene) see(id string) review.Facts {
	s.t.Helper()
	s.tick()
	f := s.observe(id)
	s.tick()
	return f
}

func (s *scene) tick() {
	if c, ok := s.Harness.(Ticker); ok {
		c.Tick()
	}
}

// decide judges by the built-in rules what the forge says of a pull request.
func (s *scene) decide(id string, o office, a ask) review.Judgement {
	s.t.Helper()
	return s.judge(s.observe(id), o, a)
}

func (s *scene) judge(f review.Facts, o office, a ask) review.Judgement {
	s.t.Helper()
	rules, err := policy.Compile(s.t.Context(), policies.Builtin(), nil)
	s.must(err)
	base := s.main(o)
	form, ok := resource.Get[*resource.RequestForm](resource.NewSet(base...), resource.KindRequestForm, "ask")
	if !ok {
		s.t.Fatal("the form is gone")
	}
	head := base
	for _, c := range f.Files {
		if name, ok := strings.CutPrefix(c.Path, requests); ok {
			head = append(head[:len(head):len(head)], s.resource(c.Path, c.NewBlob, fmt.Sprintf(
				"kind: AccessRequest\nmetadata: {name: %s}\nspec: {type: data-access, target: {product: orders}, requester: %s, beneficiaries: [{user: %s}], duration: 90d, form: {name: ask, digest: %q}}\n",
				strings.TrimSuffix(name, ".yaml"), a.requester, a.beneficiary, form.Digest())))
		}
	}
	j, err := review.Determine(context.Background(), rules, resource.NewSet(base...), resource.NewSet(head...), f)
	s.must(err)
	return j
}

// main are the resources of the base branch.
func (s *scene) main(o office) []resource.Resource {
	s.t.Helper()
	var out []resource.Resource
	for _, name := range []string{"ann", "bo", "cy", "di"} {
		out = append(out, s.resource("directory/users/"+name+".yaml", "", "kind: User\nmetadata: {name: "+name+"}\nspec: {forge: "+s.account(name)+"}\n"))
	}
	var from []string
	for _, name := range o.stewards {
		from = append(from, "{user: "+name+"}")
	}
	return append(out,
		s.resource("products/orders.yaml", "", "kind: DataProduct\nmetadata: {name: orders}\nspec: {domain: money, sources: [{source: dw/shop/public/orders}], forms: {dataAccess: ask}, maxDuration: 1y}\n"),
		s.resource("domains/money.yaml", "", "kind: Domain\nmetadata: {name: money}\nspec: {owner: di}\n"),
		s.resource("forms/ask.yaml", "", "kind: RequestForm\nmetadata: {name: ask}\nspec: {questions: [], review: {mode: stewards, stages: [{any: ["+strings.Join(from, ", ")+"], count: "+strconv.Itoa(o.count)+"}]}}\n"))
}

// account is how this forge knows somebody.
func (s *scene) account(name string) string {
	if k, ok := s.Harness.(Keyed); ok {
		return fmt.Sprintf("{ssh: [%q]}", k.PublicKey(name))
	}
	a := s.Actor(name)
	return fmt.Sprintf("{%s: {id: %s, login: %s}}", a.Forge, a.ID, a.Login)
}

func (s *scene) resource(path, oid, text string) resource.Resource {
	s.t.Helper()
	var root yaml.Node
	var head resource.Header
	s.must(errors.Join(yaml.Unmarshal([]byte(text), &root), root.Decode(&head)))
	origin := resource.Origin{File: path, OID: oid, Raw: []byte(text)}
	if oid == "" {
		origin.OID = origin.Digest()
	}
	r, err := resource.FromNode(head.Kind, &root, origin)
	s.must(err)
	return r
}

// stands checks how a pull request stands, and what is said of it.
func (s *scene) stands(j review.Judgement, want review.Outcome, why string) {
	s.t.Helper()
	said := []string{j.Reason}
	for _, d := range j.Determinations {
		said = append(said, d.Reason)
		for _, r := range d.Reviews {
			said = append(said, r.Why)
		}
	}
	if text := strings.Join(said, "; "); j.Outcome != want || !strings.Contains(text, why) {
		s.t.Errorf("it is %s (%s), want %s because of %q", j.Outcome, text, want, why)
	}
}

const granted = review.TemporarilyApproved

// act does what the engine does with a pull request: it reads it, judges it, and
// merges what is granted. Facts that are incomplete leave it pending.
func (s *scene) act(id string, o office, a ask) review.Judgement {
	s.t.Helper()
	f, err := s.Forge().Observe(s.t.Context(), id)
	if errors.Is(err, forge.ErrIncomplete) {
		return review.Judgement{Outcome: review.Pending, Reason: err.Error()}
	}
	s.must(err)
	j := s.judge(f, o, a)
	if j.Outcome.Grants() {
		_, err := s.Forge().Merge(s.t.Context(), id, want(f))
		s.must(err)
	}
	return j
}

// withheld has the engine act, and checks how the pull request stands, what is
// said of it, and that main holds nothing of it.
func (s *scene) withheld(id string, o office, a ask, want review.Outcome, why string) {
	s.t.Helper()
	s.stands(s.act(id, o, a), want, why)
	if got, there := s.File(file); there {
		s.t.Errorf("main holds %q, which nobody agreed to", got)
	}
}

// gives has the engine act, and checks that the pull request is granted, why, and
// that main holds it.
func (s *scene) gives(id string, o office, a ask, why, content string) {
	s.t.Helper()
	s.stands(s.act(id, o, a), granted, why)
	if got, _ := s.File(file); got != content {
		s.t.Errorf("main holds %q, want %q", got, content)
	}
}

func twoOfTwo(_ *testing.T, s *scene) {
	o := office{both.stewards, 2}
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.withheld(id, o, forAnn, review.Pending, "2 distinct people")
	s.review("cy", id, review.Approve, "fine")
	s.gives(id, o, forAnn, "approved by bo, cy", "role: read\n")
}

func selfProxy(_ *testing.T, s *scene) {
	a := ask{"ann", "bo"}
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.withheld(id, both, a, review.Pending, "bo is a beneficiary")
	s.review("cy", id, review.Approve, "fine")
	s.gives(id, both, a, "approved by cy", "role: read\n")
}

func strangersApprove(_ *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("di", id, review.Approve, "fine")
	_ = s.Review(s.t.Context(), "ann", id, review.Approve, "fine") // most forges refuse it themselves
	s.withheld(id, both, forAnn, review.Pending, "di is not a steward")
	s.withheld(id, office{[]string{"ann", "cy"}, 1}, forAnn, review.Pending, "")
}

func hijack(_ *testing.T, s *scene) {
	id := s.opened()
	s.push("bo", id, "role: admin\n")
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.withheld(id, both, forAnn, review.Pending, "bo pushed to the pull request")
	s.review("cy", id, review.Approve, "fine")
	s.gives(id, both, forAnn, "approved by cy", "role: admin\n")
}

func approvedThenPushed(_ *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.stands(s.decide(id, both, forAnn), granted, "approved by bo")
	s.tick()
	s.push("ann", id, "role: admin\n")
	s.withheld(id, both, forAnn, review.Pending, "")
	s.see(id)
	s.review("bo", id, review.Approve, "fine again")
	s.gives(id, both, forAnn, "approved by bo", "role: admin\n")
}

// A to B and back to A by a new commit: a statement that names the change counts
// for it again; one that only names a commit does not.
func thereAndBack(_ *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.tick()
	s.push("ann", id, "role: admin\n")
	s.see(id)
	s.push("ann", id, "role: read\n")
	if s.signed() {
		s.gives(id, both, forAnn, "approved by bo", "role: read\n")
		return
	}
	s.withheld(id, both, forAnn, review.Pending, "review again")
}

// signed reports whether reviews are signed statements of their own.
func (s *scene) signed() bool {
	_, ok := s.Harness.(Keyed)
	return ok
}

func flips(_ *testing.T, s *scene) {
	last := ""
	for name, c := range map[string]struct {
		says []review.Verdict
		want review.Outcome
		why  string
	}{
		"deny, approve":    {[]review.Verdict{review.Deny, review.Approve}, review.Denied, "denied by bo"},
		"approve, deny":    {[]review.Verdict{review.Approve, review.Deny}, review.Denied, "denied by bo"},
		"approve, comment": {[]review.Verdict{review.Approve, review.Comment}, granted, "approved by bo"},
		"comment":          {[]review.Verdict{review.Comment}, review.Pending, "submit the directive"},
	} {
		id := s.openedWith(strings.ReplaceAll(name, ", ", "-"), map[string]string{file: "role: read\n# " + name + "\n"})
		s.see(id)
		for _, v := range c.says {
			body := "so be it"
			if v == review.Comment {
				body = "/approve"
			}
			s.review("bo", id, v, body)
		}
		if !c.want.Grants() {
			s.withheld(id, both, forAnn, c.want, c.why)
		} else {
			last = id
		}
	}
	s.gives(last, both, forAnn, "approved by bo", "role: read\n# approve, comment\n")
}

func deniedOnPageTwo(_ *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	for i := range 55 {
		s.review("di", id, review.Comment, strconv.Itoa(i))
	}
	s.review("cy", id, review.Deny, "no")
	s.withheld(id, both, forAnn, review.Denied, "denied by cy: no")
}

func policyMoves(_ *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.stands(s.decide(id, both, forAnn), granted, "approved by bo")
	s.Commit(map[string]string{"forms/other.yaml": "b: 2\n"})
	s.stands(s.decide(id, both, forAnn), granted, "approved by bo")
	s.withheld(id, office{[]string{"cy"}, 1}, forAnn, review.Pending, "bo is not a steward") // S13
	s.withheld(id, office{both.stewards, 2}, forAnn, review.Pending, "2 distinct people")    // S15
}

func policyInPullRequest(_ *testing.T, s *scene) {
	id := s.openedWith("mixed", map[string]string{file: "role: read\n", "forms/standard.yaml": "a: 2\n"})
	s.see(id)
	for _, who := range both.stewards {
		s.review(who, id, review.Approve, "fine")
	}
	s.withheld(id, both, forAnn, review.Pending, "split it")
}

func mergedUndecided(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("di", id, review.Approve, "fine")
	s.MergeByHand(id, nil)
	if f, err := s.Forge().Observe(t.Context(), id); err == nil {
		f.State = review.StateOpen // as it is judged at the merge
		if j := s.judge(f, both, forAnn); j.Outcome.Grants() {
			t.Errorf("it is %s: %s", j.Outcome, j.Reason)
		}
	}
}

func retargetedIsPending(t *testing.T, s *scene) {
	id := s.opened()
	s.see(id)
	s.review("bo", id, review.Approve, "fine")
	s.must(s.Harness.(Retargeter).Retarget(t.Context(), "ann", id))
	s.withheld(id, both, forAnn, review.Pending, "")
}
