package resource_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
)

// pinWorld is a product p with the form that choice names.
func pinWorld(choice, question, text string) string {
	return product("p", ", forms: {dataAccess: "+choice+"}") + `
-- forms/a.yaml --
kind: RequestForm
metadata: {name: a}
spec: {questions: [{id: x, title: ` + question + `, type: short-answer}], agreement: terms}
-- forms/b.yaml --
kind: RequestForm
metadata: {name: b}
spec: {questions: []}
-- agreements/terms.yaml --
kind: DataUseAgreement
metadata: {name: terms}
spec: {text: ` + text + `}
`
}

func TestPinOf(t *testing.T) {
	then := setOf(t, pinWorld("a", "old", "old"))
	form, _ := resource.FormOf(then, "a")
	text, _ := resource.Get[*resource.DataUseAgreement](then, resource.KindDataUseAgreement, "terms")
	pinned := func(name, digest string) *resource.AccessRequest {
		req := request(t, "{type: data-access, target: {product: p}}")
		req.Spec.Form = resource.PinnedForm{Name: resource.Name(name), Digest: digest}
		return req
	}
	req := pinned("a", form.Digest())
	accepted := &resource.Acceptance{Name: "terms", Digest: text.Digest(), Accepted: true}
	set := func(choice, question, agreement string) *resource.Set {
		return setOf(t, pinWorld(choice, question, agreement))
	}
	noForms := setOf(t, product("p", ", forms: {dataAccess: a}"))
	for _, tc := range []struct {
		name         string
		base, opened *resource.Set
		former, req  *resource.AccessRequest
		want         resource.PinState
		question     string // of the form that counts
		accepts      bool   // the old text
	}{
		{"nothing changed", then, nil, nil, req, resource.PinNow, "old", true},
		{"the form was edited meanwhile", set("a", "new", "old"), then, nil, req, resource.PinOpened, "old", true},
		{"and nobody knows how it was", set("a", "new", "old"), nil, nil, req, resource.PinUnknown, "new", true},
		{"the form was edited before", set("a", "new", "old"), set("a", "newer", "old"), nil, req, resource.PinUnknown, "new", true},
		{"form and agreement were edited", set("a", "new", "new"), then, nil, req, resource.PinOpened, "old", true},
		{"the agreement was edited meanwhile", set("a", "old", "new"), then, nil, req, resource.PinNow, "old", true},
		{"the agreement was edited before", set("a", "old", "new"), set("a", "old", "newer"), nil, req, resource.PinNow, "old", false},
		{"the agreement was edited while another form counted", set("a", "old", "new"), set("b", "old", "old"), nil, req, resource.PinNow, "old", false},
		{"the product chose another form meanwhile", set("b", "old", "old"), then, nil, req, resource.PinOpened, "old", true},
		{"the product chose another form before", set("b", "old", "old"), set("b", "old", "old"), nil, req, resource.PinWrongForm, "", false},
		{"the form was removed meanwhile", noForms, then, nil, req, resource.PinOpened, "old", true},
		{"the form was removed before", noForms, noForms, nil, req, resource.PinNoForm, "", false},
		{"an edited request keeps its pin", set("a", "new", "old"), set("a", "new", "old"), req, req, resource.PinKept, "new", true},
		{"an edited request changes to another old pin", set("a", "new", "old"), nil, pinned("a", "sha256:x"), req, resource.PinUnknown, "new", true},
		{"a form that is no choice of anybody", then, then, nil, pinned("b", form.Digest()), resource.PinWrongForm, "old", true},
	} {
		pin := resource.PinOf(tc.base, tc.opened, tc.former, tc.req)
		if pin.State != tc.want || pin.Accepts(accepted) != tc.accepts {
			t.Errorf("%s: %s, accepts %v; want %s, %v", tc.name, pin.State, pin.Accepts(accepted), tc.want, tc.accepts)
		}
		question := ""
		if pin.Form != nil && len(pin.Form.Spec.Questions) > 0 {
			question = pin.Form.Spec.Questions[0].Title
		}
		if question != tc.question {
			t.Errorf("%s: the form that counts asks %q, want %q", tc.name, question, tc.question)
		}
		problem, hint := pin.Problem()
		if (problem == "") != pin.State.Holds() || (hint == "") != pin.State.Holds() {
			t.Errorf("%s: problem %q, hint %q", tc.name, problem, hint)
		}
	}
}

func TestAcceptsNothingButAYesToTheText(t *testing.T) {
	s := setOf(t, pinWorld("a", "old", "old"))
	text, _ := resource.Get[*resource.DataUseAgreement](s, resource.KindDataUseAgreement, "terms")
	form, _ := resource.FormOf(s, "a")
	req := request(t, "{target: {product: p}}")
	req.Spec.Form = resource.PinnedForm{Name: "a", Digest: form.Digest()}
	pin := resource.PinOf(s, nil, nil, req)
	for name, a := range map[string]*resource.Acceptance{
		"nothing": nil, "no": {Name: "terms", Digest: text.Digest()},
		"another": {Name: "other", Digest: text.Digest(), Accepted: true}, "another text": {Name: "terms", Digest: "sha256:0", Accepted: true},
	} {
		if pin.Accepts(a) {
			t.Errorf("%s is taken for a yes", name)
		}
	}
}

// A form may be edited by those whom it names. Whoever it only leads to, through
// a product or by what is asked for, has no say in it.
func TestSemantic07_OnlyStewardsNamedInTheFormMayEditIt(t *testing.T) {
	s := setOf(t, people+sources)
	for review, want := range map[string][]resource.Name{
		"{mode: delegated, stages: [{any: [{user: ana}]}]}":                                                                            {},
		"{mode: stewards, stages: [{any: [{user: bob}, {user: ghost}, {user: etl}]}]}":                                                 {"bob"},
		"{mode: stewards, stages: [{any: [{group: inner}]}, {all: [{permission: AUDIT}]}]}":                                            {"ana", "bob", "cy"},
		"{mode: stewards, stages: [{any: [{attribute: {key: role, value: dpo}}]}]}":                                                    {"ana"},
		"{mode: stewards, stages: [{any: [{domainPermission: manageDataProducts}, {subjectMatterExpert: true}]}]}":                     {},
		"{mode: automatic, automatic: {justification: x, duration: 1d}, rules: [{when: {tags: [x]}, stages: [{any: [{user: bob}]}]}]}": {"bob"},
		"{mode: stewards, stages: [{any: [{user: bob, group: outer}]}]}":                                                               {},
	} {
		f := decode(t, "forms/f.yaml", []byte("kind: RequestForm\nmetadata: {name: f}\nspec: {questions: [], review: "+review+"}\n")).(*resource.RequestForm)
		if diff := cmp.Diff(want, append([]resource.Name{}, resource.FormStewards(s, f)...)); diff != "" {
			t.Errorf("%s: %s", strings.TrimSpace(review), diff)
		}
	}
	if got := resource.FormStewards(s, resource.BuiltinForm()); len(got) != 0 {
		t.Errorf("the built-in form is edited by %v", got)
	}
}

func TestSemantic08_TheStandardFormIsThereAndCannotBeEdited(t *testing.T) {
	nothing, claimed := setOf(t, ""), setOf(t, "-- forms/standard.yaml --\nkind: RequestForm\nmetadata: {name: standard}\nspec: {questions: [], review: {mode: automatic, automatic: {justification: x, duration: indefinite}}}\n")
	for name, s := range map[string]*resource.Set{"an empty repository": nothing, "a file that claims the name": claimed} {
		req := request(t, "{target: {source: dw/a/b/c}, duration: 1d}")
		form, ok := resource.FormOf(s, resource.FormFor(s, req))
		chosen, err := resource.Flow(s, req, noon)
		if !ok || err != nil || form.Digest() != resource.BuiltinForm().Digest() || chosen.Stated.String() != "default" {
			t.Errorf("%s: %v, %v, from %s", name, ok, err, chosen.Stated)
		}
	}
}
