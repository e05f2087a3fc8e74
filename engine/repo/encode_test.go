package repo

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/resource"
)

// diffResources compares two resources but for the files that they come from.
// An empty list and an absent one mean the same.
func diffResources(a, b resource.Resource) string {
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(resource.Header{}, "Source"))
}

// hostile draws text that YAML could take for something else.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"null", "~", "yes", "No", "on", "y", "true", "False", "0777", "0x1f", "1_000", "1e3", ".inf", ".nan", "12:30", "190:20:30", "-", "- a", "? a",
			": a", "a: b", "a:", "a #b", "#a", "&a", "*a", "!a", "!", "%a", "@a", "`a", "|", ">", "<<", "=", "{a}", "[a]", "{", "]", ",", "'", "\"", "''a", "\\",
			"\\n", " a", "a ", " ", "a\nb", "a\nb\n", "a\n\nb", "\na", "a\n", "a\n\n", "a\n b\n  c\n", " a\nb", "\ta", "a\tb", "a\n\tb", "a \nb", "a\nb ", "---", "...", "--- a",
			"2027-01-31", "2027-01-31T17:00:00Z", "2027-02-30", "007", "+1", "-0", "0", "1.5", "é", "日本語", "🔒", "a\u00a0b", "\u00a0", "=1+1", "${x}", "{{.X}}", "%d", "a\\", "'; DROP TABLE x; --", "\u2019",
		}),
		rapid.StringMatching(`[ -~\n]{0,40}`),
		rapid.StringOfN(rapid.RuneFrom([]rune("ab:#-?|>'\" \n\t&*!%@`{}[],é語🔒\u00a00\\")), 0, 30, -1),
	)
}

// one line or several, never empty
func text(t *rapid.T, label string) string {
	s := hostile().Draw(t, label)
	if s == "" {
		return "x"
	}
	return s
}

func requestOf(t *rapid.T) *resource.AccessRequest {
	r := &resource.AccessRequest{Header: header(t, resource.KindAccessRequest)}
	r.Spec = resource.AccessRequestSpec{
		Type:          rapid.SampledFrom([]resource.RequestType{resource.DataAccess, resource.MaskingException}).Draw(t, "type"),
		Target:        resource.Target{Product: "sales"},
		Requester:     "ana",
		Beneficiaries: []resource.Subject{{User: "ana"}, {Group: "g0"}},
		Form:          resource.PinnedForm{Name: "standard", Digest: "sha256:" + strings.Repeat("0", 64)},
		Answers:       map[string]any{},
	}
	if rapid.Bool().Draw(t, "until") {
		r.Spec.Until = rapid.SampledFrom([]resource.Instant{"2027-01-31", "2027-01-31T17:00:00Z", "0001-01-01"}).Draw(t, "end")
	} else {
		r.Spec.Duration = rapid.SampledFrom([]resource.Duration{"90d", "indefinite", "1y"}).Draw(t, "duration")
	}
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"purpose", "on", "null", "y", "n1", "TRUE", "A-b_c"}), 0, 5, rapid.ID).Draw(t, "ids") {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			r.Spec.Answers[id] = hostile().Draw(t, "answer")
		case 1:
			r.Spec.Answers[id] = rapid.IntRange(-1<<53, 1<<53).Draw(t, "number")
		case 2:
			r.Spec.Answers[id] = rapid.Bool().Draw(t, "bool")
		default:
			r.Spec.Answers[id] = []any{text(t, "item"), text(t, "item")}
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "columns") {
		r.Spec.Columns = append(r.Spec.Columns, text(t, "column")+strings.Repeat("x", i+1)+"\n"[:i])
	}
	slices.Sort(r.Spec.Columns)
	r.Spec.Columns = slices.Compact(r.Spec.Columns)
	return r
}

func header(t *rapid.T, kind resource.Kind) resource.Header {
	h := resource.Header{APIVersion: resource.APIVersion, Kind: kind, Metadata: resource.Metadata{Name: "n" + rapid.StringMatching(`[a-z0-9]{0,8}`).Draw(t, "name")}}
	h.Metadata.Title = hostile().Draw(t, "title")
	h.Metadata.Description = hostile().Draw(t, "description")
	h.Metadata.Labels = map[string]string{"on": hostile().Draw(t, "label"), "0": hostile().Draw(t, "label"), "null": ""}
	return h
}

func TestEncodedResourcesDecodeToTheSameValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		no := false
		count := rapid.IntRange(0, 3).Draw(t, "count")
		for _, r := range []resource.Resource{
			requestOf(t),
			&resource.DataUseAgreement{Header: header(t, resource.KindDataUseAgreement), Spec: resource.DataUseAgreementSpec{Text: text(t, "text")}},
			&resource.DataSource{Header: header(t, resource.KindDataSource), Spec: resource.DataSourceSpec{
				Connection: "warehouse", Path: []string{text(t, "db"), text(t, "schema"), text(t, "table")}, Kind: "table",
				Columns: []resource.Column{{Name: text(t, "column"), Type: text(t, "type"), Nullable: &no, Mask: &resource.Mask{Type: resource.MaskNull}}},
			}},
			&resource.RequestForm{Header: header(t, resource.KindRequestForm), Spec: resource.RequestFormSpec{
				Questions: []resource.Question{{ID: "on", Title: text(t, "question"), Type: resource.QuestionDropdown, Required: &no, Options: []string{"yes", "1" + text(t, "option")}}},
				Review:    &resource.ReviewFlow{Mode: resource.ReviewStewards, Stages: []resource.Stage{{Any: []resource.StewardSource{{User: "kim"}}, Count: count}}},
			}},
		} {
			raw, err := Encode(r)
			if err != nil {
				t.Fatalf("encode: %v", err)
			}
			file := FileFor(r, "sales")
			if r.Ref().Kind == resource.KindDataSource {
				// The file is called by the table, the drawn metadata.name is not.
				r.(*resource.DataSource).Metadata.Name = strings.TrimSuffix(file[strings.LastIndex(file, "/")+1:], ".yaml")
				if raw, err = Encode(r); err != nil {
					t.Fatalf("encode: %v", err)
				}
			}
			got, problems, err := Decode(file, "", raw)
			if err != nil || len(problems) > 0 {
				t.Fatalf("decode: %v %v\n%s", err, problems, raw)
			}
			if diff := diffResources(r, got); diff != "" {
				t.Fatalf("(-written +read)\n%s\n%s", diff, raw)
			}
		}
	})
}

func TestEncodeRefusesWhatCouldNotBeRead(t *testing.T) {
	for name, r := range map[string]resource.Resource{
		"invisible": &resource.DataUseAgreement{Spec: resource.DataUseAgreementSpec{Text: "a\u202eb"}},
		"control":   &resource.DataUseAgreement{Spec: resource.DataUseAgreementSpec{Text: "a\x00b"}},
		"not UTF-8": &resource.DataUseAgreement{Spec: resource.DataUseAgreementSpec{Text: "a\xffb"}},
		"empty":     &resource.DataUseAgreement{},
	} {
		a := r.(*resource.DataUseAgreement)
		a.Header = resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindDataUseAgreement, Metadata: resource.Metadata{Name: "terms"}}
		if out, err := Encode(r); err == nil {
			t.Errorf("%s: written as\n%s", name, out)
		}
	}
}

func TestEncodeWritesWhatPeopleWrite(t *testing.T) {
	r := &resource.AccessRequest{
		Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessRequest, Metadata: resource.Metadata{Name: "ana-1", Title: "Sales: Q4"}},
		Spec: resource.AccessRequestSpec{
			Type: resource.DataAccess, Target: resource.Target{Product: "sales"}, Requester: "ana", Beneficiaries: []resource.Subject{{User: "ana"}},
			Until: "2027-01-31", Form: resource.PinnedForm{Name: "standard", Digest: "sha256:" + strings.Repeat("0", 64)},
			Answers: map[string]any{"purpose": "Quarterly report, for finance", "on": "no", "text": "one\ntwo\n"},
		},
	}
	want := `# yaml-language-server: $schema=../../schemas/access-request.json
apiVersion: assent.dev/v1
kind: AccessRequest
metadata:
  name: ana-1
  title: "Sales: Q4"
spec:
  type: data-access
  target:
    product: sales
  requester: ana
  beneficiaries:
    - user: ana
  until: 2027-01-31
  form:
    name: standard
    digest: sha256:` + strings.Repeat("0", 64) + `
  answers:
    "on": "no"
    purpose: Quarterly report, for finance
    text: |
      one
      two
`
	got, err := Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
