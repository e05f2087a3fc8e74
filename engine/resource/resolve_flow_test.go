package resource_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/assent-dev/assent/engine/resource"
)

func TestBuiltinFormIsWhatItsBytesSay(t *testing.T) {
	want := resource.BuiltinForm()
	got := decode(t, want.Source.File, want.Source.Raw)
	if diff := cmp.Diff(resource.Resource(want), got); diff != "" {
		t.Error(diff)
	}
	// Requests pin this digest: changing the form breaks every one of them.
	if got := want.Digest(); got != "sha256:"+builtinDigest {
		t.Errorf("digest of the built-in form is %s", got)
	}
}

func TestFormOfIgnoresAFileThatClaimsTheBuiltinName(t *testing.T) {
	s := setOf(t, "-- forms/standard.yaml --\nkind: RequestForm\nmetadata: {name: standard}\nspec: {questions: []}\n")
	if f, ok := resource.FormOf(s, resource.StandardForm); !ok || len(f.Spec.Questions) != 2 {
		t.Errorf("FormOf(standard) = %v, %v", f, ok)
	}
}

const builtinDigest = "8f6d286deca44b57e6877e138111cb1e44468fde260e158e55bf396a4fd68373"

const flows = people + sources + `
-- forms/strict.yaml --
kind: RequestForm
metadata: {name: strict}
spec: {questions: [], review: {mode: stewards, stages: [{all: [{user: bob}]}]}}
-- forms/delegating.yaml --
kind: RequestForm
metadata: {name: delegating}
spec: {questions: [], review: {mode: delegated}}
-- forms/lax.yaml --
kind: RequestForm
metadata: {name: lax}
spec: {questions: [], review: {mode: automatic, automatic: {justification: public data, duration: 30d}}}
-- forms/empty.yaml --
kind: RequestForm
metadata: {name: empty}
spec: {questions: [], review: {mode: stewards}}
-- forms/ruled.yaml --
kind: RequestForm
metadata: {name: ruled}
spec:
  questions: []
  review:
    mode: automatic
    automatic: {justification: short reads, duration: 30d}
    rules:
      - {when: {longerThan: 90d}, stages: [{any: [{group: outer}]}]}
      - {when: {accessLevel: write, domain: sales}, stages: [{any: [{user: bob}]}]}
      - {when: {attribute: {key: role, value: dpo}}, stages: [{any: [{user: ana}]}]}
      - {when: {answers: {purpose: fun}}, stages: [{any: [{user: cy}]}]}
      - {when: {}, stages: [{any: [{user: nobody}]}]}
`

func product(name, rest string) string {
	return fmt.Sprintf("-- products/%[1]s.yaml --\nkind: DataProduct\nmetadata: {name: %[1]s}\nspec: {domain: sales, sources: [{match: {tags: [sales]}}]%[2]s}\n", name, rest)
}

func request(t *testing.T, spec string) *resource.AccessRequest {
	t.Helper()
	req := &resource.AccessRequest{}
	req.Kind, req.Metadata.Name = resource.KindAccessRequest, "r1"
	if err := yaml.Unmarshal([]byte(spec), &req.Spec); err != nil {
		t.Fatal(err)
	}
	return req
}

func TestFormForAsksTheProductAndNotTheRequest(t *testing.T) {
	s := setOf(t, flows+product("p", ", forms: {dataAccess: strict, maskingException: lax}"))
	withDefault := setOf(t, flows+"-- assent.yaml --\nkind: Repository\nmetadata: {name: r}\nspec: {id: x, forge: local, defaults: {form: strict}}\n")
	for _, tc := range []struct {
		name string
		set  *resource.Set
		spec string
		want resource.Name
	}{
		{"product", s, "{type: data-access, target: {product: p}, form: {name: lax}}", "strict"},
		{"product, masking exception", s, "{type: masking-exception, target: {product: p}, form: {name: strict}}", "lax"},
		{"product without forms", s, "{target: {product: orders}, form: {name: lax}}", "standard"},
		{"source", s, "{target: {source: dw/shop/public/stock}, form: {name: lax}}", "standard"},
		{"repository default", withDefault, "{target: {source: dw/shop/public/stock}}", "strict"},
	} {
		if got := resource.FormFor(tc.set, request(t, tc.spec)); got != tc.want {
			t.Errorf("%s: FormFor = %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestFlow(t *testing.T) {
	const own = ", review: {mode: stewards, stages: [{any: [{user: ana}]}]}"
	set := func(rest string) *resource.Set { return setOf(t, flows+product("p", rest)) }
	for _, tc := range []struct {
		name string
		set  *resource.Set
		spec string
		want string // from mode first-steward rule, or "error"
	}{
		{"the form's wins over the product's", set(", forms: {dataAccess: strict}" + own), "{target: {product: p}, duration: 5d}", "RequestForm/strict stewards user:bob -1"},
		{"delegated goes to the product", set(", forms: {dataAccess: delegating}" + own), "{target: {product: p}, duration: 5d}", "DataProduct/p stewards user:ana -1"},
		{"absent goes to the product", set(own), "{target: {product: p}, duration: 5d}", "DataProduct/p stewards user:ana -1"},
		{"delegated to nobody is the default", set(", forms: {dataAccess: delegating}"), "{target: {product: p}, duration: 5d}", "/ stewards permission:GOVERNANCE -1"},
		{"delegated twice is the default", set(", review: {mode: delegated}"), "{target: {product: p}, duration: 5d}", "/ stewards permission:GOVERNANCE -1"},
		{"a source has the default", set(""), "{target: {source: dw/shop/public/stock}, duration: 5d}", "/ stewards permission:GOVERNANCE -1"},
		{"automatic", set(", forms: {dataAccess: lax}"), "{target: {product: p}, duration: 5d}", "RequestForm/lax automatic  -1"},
		{"a lax form that the request pins has no say", set(own), "{target: {product: p}, form: {name: lax}, duration: 5d}", "DataProduct/p stewards user:ana -1"},
		{"a form that does not exist is no default", set(", forms: {dataAccess: gone}"), "{target: {product: p}}", "error"},
		{"a product that does not exist is no default", set(""), "{target: {product: ghost}}", "error"},
		{"stewards without stages decide nothing", set(", forms: {dataAccess: empty}"), "{target: {product: p}}", "error"},
		{"automatic without its terms decides nothing", set(", review: {mode: automatic}"), "{target: {product: p}}", "error"},
		{"an unknown mode decides nothing", set(", review: {mode: later, stages: [{any: [{user: ana}]}]}"), "{target: {product: p}}", "error"},
	} {
		if got := flowText(tc.set, request(t, tc.spec)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestFlowRulesFirstMatchWins(t *testing.T) {
	s := setOf(t, flows+product("p", ", forms: {dataAccess: ruled}")+product("q", ", forms: {dataAccess: tagged}")+
		"-- forms/tagged.yaml --\nkind: RequestForm\nmetadata: {name: tagged}\nspec: {questions: [], review: {mode: stewards, stages: [{any: [{user: bob}]}], rules: [{when: {tags: [fin]}, stages: [{any: [{user: cy}]}]}, {when: {tags: [pii]}, stages: [{any: [{user: ana}]}]}]}}\n")
	const p = "target: {product: p}, beneficiaries: [{user: bob}]"
	for _, tc := range []struct{ name, spec, want string }{
		{"no rule holds", "{" + p + ", duration: 30d}", "RequestForm/ruled automatic  -1"},
		{"exactly as long is not longer", "{" + p + ", duration: 90d}", "RequestForm/ruled automatic  -1"},
		{"longer", "{" + p + ", duration: 91d}", "RequestForm/ruled stewards group:outer 0"},
		{"months are longer than days", "{" + p + ", duration: 3mo}", "RequestForm/ruled stewards group:outer 0"},
		{"indefinite is longer", "{" + p + ", duration: indefinite, accessLevel: write}", "RequestForm/ruled stewards group:outer 0"},
		{"unstated is longer", "{" + p + "}", "RequestForm/ruled stewards group:outer 0"},
		{"unreadable is longer", "{" + p + ", duration: soon}", "RequestForm/ruled stewards group:outer 0"},
		{"until, later than the limit", "{" + p + ", until: 2027-02-23}", "RequestForm/ruled stewards group:outer 0"},
		{"until, within the limit", "{" + p + ", until: 2027-02-22}", "RequestForm/ruled automatic  -1"},
		{"until counts from notBefore", "{" + p + ", notBefore: 2027-02-01, until: 2027-03-01}", "RequestForm/ruled automatic  -1"},
		{"all fields of a condition", "{" + p + ", duration: 1d, accessLevel: write}", "RequestForm/ruled stewards user:bob 1"},
		{"attribute of a beneficiary in a group", "{target: {product: p}, beneficiaries: [{group: outer}], duration: 1d}", "RequestForm/ruled stewards user:ana 2"},
		{"answer", "{" + p + ", duration: 1d, answers: {purpose: fun}}", "RequestForm/ruled stewards user:cy 3"},
		{"answer in a list", "{" + p + ", duration: 1d, answers: {purpose: [work, fun]}}", "RequestForm/ruled stewards user:cy 3"},
		{"tags of a column, below the wanted tag", "{target: {product: q}, duration: 1d}", "RequestForm/tagged stewards user:ana 1"},
	} {
		if got := flowText(s, request(t, tc.spec)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func flowText(s *resource.Set, req *resource.AccessRequest) string {
	f, err := resource.Flow(s, req, noon)
	if err != nil {
		return "error"
	}
	first := ""
	if len(f.Stages) > 0 {
		src := append(append([]resource.StewardSource{}, f.Stages[0].Any...), f.Stages[0].All...)[0]
		switch {
		case src.User != "":
			first = "user:" + string(src.User)
		case src.Group != "":
			first = "group:" + string(src.Group)
		default:
			first = "permission:" + string(src.Permission)
		}
	}
	return fmt.Sprintf("%s %s %s %d", f.From, f.Mode, first, f.Rule)
}

func TestMaxEnd(t *testing.T) {
	const repository = "-- assent.yaml --\nkind: Repository\nmetadata: {name: r}\nspec: {id: x, forge: local, defaults: {maxDuration: 1y}}\n"
	plain := setOf(t, flows+product("p", "")+product("capped", ", maxDuration: 60d")+product("auto", ", forms: {dataAccess: lax}"))
	withDefault := setOf(t, flows+repository+product("p", "")+product("free", ", maxDuration: indefinite"))
	decided := time.Date(2027, 1, 31, 10, 30, 15, 999, time.UTC)
	day := func(n int) time.Time { return decided.Truncate(time.Second).AddDate(0, 0, n) }
	for _, tc := range []struct {
		name    string
		set     *resource.Set
		spec    string
		steward []time.Time
		want    time.Time // zero: no end
		err     bool
	}{
		{"asked", plain, "{target: {product: p}, duration: 30d}", nil, day(30), false},
		{"asked until", plain, "{target: {product: p}, until: 2027-03-01}", nil, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), false},
		{"a month ends in February", plain, "{target: {product: p}, duration: 1mo}", nil, time.Date(2027, 2, 28, 10, 30, 15, 0, time.UTC), false},
		{"indefinite", plain, "{target: {product: p}, duration: indefinite}", nil, time.Time{}, false},
		{"indefinite and a steward's end", plain, "{target: {product: p}, duration: indefinite}", []time.Time{{}, day(7), day(9)}, day(7), false},
		{"stewards without an end", plain, "{target: {product: p}, duration: indefinite}", []time.Time{{}, {}}, time.Time{}, false},
		{"a steward cannot lengthen", plain, "{target: {product: p}, duration: 5d}", []time.Time{day(7)}, day(5), false},
		{"product", plain, "{target: {product: capped}, duration: 90d}", nil, day(60), false},
		{"product, indefinite", plain, "{target: {product: capped}, duration: indefinite}", nil, day(60), false},
		{"automatic", plain, "{target: {product: auto}, duration: indefinite}", nil, day(30), false},
		{"automatic, asked for less", plain, "{target: {product: auto}, duration: 3d}", nil, day(3), false},
		{"repository", withDefault, "{target: {product: p}, duration: indefinite}", nil, day(365), false},
		{"repository, source", withDefault, "{target: {source: dw/shop/public/stock}, duration: indefinite}", nil, day(365), false},
		{"the product's word over the repository's", withDefault, "{target: {product: free}, duration: indefinite}", nil, time.Time{}, false},
		{"neither duration nor until", plain, "{target: {product: p}}", nil, time.Time{}, true},
		{"unreadable", plain, "{target: {product: p}, duration: 5 days}", nil, time.Time{}, true},
		{"unreadable until", plain, "{target: {product: p}, until: tomorrow}", nil, time.Time{}, true},
		{"nobody can decide", plain, "{target: {product: ghost}, duration: 5d}", nil, time.Time{}, true},
	} {
		got, bounded, err := resource.MaxEnd(tc.set, request(t, tc.spec), decided, tc.steward...)
		if (err != nil) != tc.err {
			t.Errorf("%s: error %v", tc.name, err)
		}
		if !got.Equal(tc.want) || bounded != !tc.want.IsZero() {
			t.Errorf("%s: MaxEnd = %v, %v; want %v", tc.name, got, bounded, tc.want)
		}
	}
}

func TestAnswerTexts(t *testing.T) {
	for _, tc := range []struct {
		answer any
		want   []string
	}{
		{nil, nil},
		{"x", []string{"x"}},
		{7, []string{"7"}},
		{1.5, []string{"1.5"}},
		{true, []string{"true"}},
		{time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), []string{"2027-01-31"}},
		{[]any{"a", 2}, []string{"a", "2"}},
		{[]string{"a", "b"}, []string{"a", "b"}},
	} {
		if diff := cmp.Diff(tc.want, resource.AnswerTexts(tc.answer)); diff != "" {
			t.Errorf("%v: %s", tc.answer, diff)
		}
	}
}
