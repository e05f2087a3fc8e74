package resource_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
)

const table = `
-- sources/dw/shop/public/people.yaml --
kind: DataSource
metadata: {name: people}
spec:
  connection: dw
  path: [shop, public, people]
  kind: table
  tags: [pii]
  columns:
    - {name: id}
    - {name: email, tags: [pii.email]}
    - {name: phone, tags: [pii.phone], mask: {type: partial, keepLast: 2}}
    - {name: salary, mask: {type: "null"}}
-- domains/hr.yaml --
kind: Domain
metadata: {name: hr}
spec: {owner: ana, members: {sources: [dw/shop/public/people]}}
`

func policy(name, match, mask string, guardrail bool) string {
	return fmt.Sprintf("-- masking/%[1]s.yaml --\nkind: MaskingPolicy\nmetadata: {name: %[1]s}\nspec: {match: %[2]s, mask: {type: %[3]q}, guardrail: %[4]v}\n", name, match, mask, guardrail)
}

func TestMasksOf(t *testing.T) {
	for _, tc := range []struct {
		name     string
		policies string
		want     []string
	}{
		{"own masks only", "", []string{"phone partial", "salary null"}},
		{
			"a policy by tag leaves own masks and the source's tags alone",
			policy("tag", "{tags: [pii]}", "hash", false),
			[]string{"email hash by tag", "phone partial", "salary null"},
		},
		{
			"of several policies the strongest",
			policy("a", "{tags: [pii]}", "partial", false) + policy("b", "{tags: [pii.email]}", "constant", false) + policy("c", "{columns: [email]}", "hash", false),
			[]string{"email constant by b", "phone partial", "salary null"},
		},
		{
			"of two alike the first by name",
			policy("b", "{columns: [email]}", "hash", false) + policy("a", "{columns: [dw/shop/public/people/email]}", "hash", false),
			[]string{"email hash by a", "phone partial", "salary null"},
		},
		{
			"a guardrail wins over an own mask that is weaker",
			policy("g", "{tags: [pii]}", "constant", true),
			[]string{"email constant by g!", "phone constant by g!", "salary null"},
		},
		{
			"a guardrail never makes a column clearer",
			policy("g", "{columns: [salary]}", "round", true),
			[]string{"phone partial", "salary null by g!"},
		},
		{
			"of a guardrail and a stronger policy the policy's mask, never to be lifted",
			policy("g", "{columns: [email]}", "round", true) + policy("p", "{columns: [email]}", "null", false),
			[]string{"email null by g!", "phone partial", "salary null"},
		},
		{
			"domain and column must both hold",
			policy("p", "{domain: hr, columns: [id]}", "hash", false) + policy("q", "{domain: other, columns: [email]}", "hash", false),
			[]string{"id hash by p", "phone partial", "salary null"},
		},
		{"an empty match masks nothing", policy("p", "{}", "hash", false), []string{"phone partial", "salary null"}},
		{"another source's column is not ours", policy("p", "{columns: [dw/shop/public/other/email]}", "hash", false), []string{"phone partial", "salary null"}},
	} {
		s := setOf(t, table+tc.policies)
		d, _ := resource.Get[*resource.DataSource](s, resource.KindDataSource, "dw/shop/public/people")
		var got []string
		for _, m := range resource.MasksOf(s, d) {
			line := m.Column + " " + string(m.Mask.Type)
			if m.Policy != "" {
				line += " by " + string(m.Policy)
			}
			if m.Guardrail {
				line += "!"
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

func TestMaskStrengthOrdersEveryType(t *testing.T) {
	order := []resource.MaskType{"", resource.MaskRound, resource.MaskPartial, resource.MaskRegex, resource.MaskHash, resource.MaskConstant, resource.MaskNull}
	for i := 1; i < len(order); i++ {
		if resource.MaskStrength(order[i-1]) >= resource.MaskStrength(order[i]) {
			t.Errorf("%q is not weaker than %q", order[i-1], order[i])
		}
	}
}

func TestAddingAPolicyNeverClearsAColumn(t *testing.T) {
	masks := []string{"null", "constant", "hash", "regex", "partial", "round"}
	matches := []string{"{tags: [pii]}", "{columns: [email]}", "{columns: [salary]}", "{domain: hr}", "{columns: [id]}"}
	rapid.Check(t, func(rt *rapid.T) {
		archive := table
		before := strengths(t, archive)
		for i := range rapid.IntRange(1, 4).Draw(rt, "n") {
			archive += policy(fmt.Sprintf("p%d", i), rapid.SampledFrom(matches).Draw(rt, "match"), rapid.SampledFrom(masks).Draw(rt, "mask"), rapid.Bool().Draw(rt, "guardrail"))
			after := strengths(t, archive)
			for column, had := range before {
				if after[column] < had {
					rt.Fatalf("%s went from strength %d to %d", column, had, after[column])
				}
			}
			before = after
		}
	})
}

func strengths(t *testing.T, archive string) map[string]int {
	s := setOf(t, archive)
	d, _ := resource.Get[*resource.DataSource](s, resource.KindDataSource, "dw/shop/public/people")
	out := map[string]int{}
	for _, m := range resource.MasksOf(s, d) {
		out[m.Column] = resource.MaskStrength(m.Mask.Type)
	}
	return out
}
