package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

// people is a source as people left it: edited, with comments.
const peopleWrote = `# Owned by the shop team.
apiVersion: assent.dev/v1
kind: DataSource
metadata:
  name: people
spec:
  connection: dw
  path: [shop, public, people]
  kind: table
  description: Who buys. # not what the platform says
  columns:
    # the key
    - name: id
      type: integer
    - name: email
      type: text
      description: Only for invoices.
      tags: [pii.contact, eu] # agreed with legal
      mask: {type: "null"}
    - name: old
      type: text
`

func decoded(t *testing.T, file, text string) *resource.DataSource {
	t.Helper()
	r, problems, err := repo.Decode(file, "", []byte(text))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return r.(*resource.DataSource)
}

func shopConnection() *resource.Connection {
	c := &resource.Connection{Header: resource.Header{Kind: resource.KindConnection}}
	c.Metadata.Name = "dw"
	c.Spec.Discover = resource.DiscoverSpec{
		Include: []string{"shop.*.*"}, Exclude: []string{"*.staging.*"},
		Tags: []resource.DiscoverTag{{Match: "*.email", Tags: []string{"pii.contact"}}, {Match: "people.phone*", Tags: []string{"pii.phone"}}},
	}
	return c
}

func found(table string, columns ...resource.Column) platform.Source {
	return platform.Source{Path: []string{"shop", "public", table}, Kind: "table", Description: "From the platform", Columns: columns}
}

func TestDiscoverKeepsWhatPeopleWrote(t *testing.T) {
	const file = "sources/dw/shop/public/people.yaml"
	old := decoded(t, file, peopleWrote)
	set := resource.NewSet(old)
	no := false
	now := found("people",
		resource.Column{Name: "id", Type: "bigint", Nullable: &no, Description: "The platform's words", Tags: []string{"key"}},
		resource.Column{Name: "email", Type: "text", Description: "The platform's words"},
		resource.Column{Name: "phone_home", Type: "text"},
	)
	d := discover(set, nil, shopConnection(), []platform.Source{now}, discoverOptions{})
	var lines []string
	for _, c := range d.Sources[0].Columns {
		lines = append(lines, c.String())
	}
	if diff := cmp.Diff([]string{"~ id: integer → bigint not null", "+ phone_home text", "- old"}, lines); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"column id of dw/shop/public/people lacks the tag key"}, d.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	want := strings.NewReplacer("      type: integer\n", "      type: bigint\n      nullable: false\n", `    - name: old
      type: text
`, `    - name: phone_home
      type: text
      tags:
        - new
        - pii.phone
`).Replace(peopleWrote)
	if diff := cmp.Diff(want, string(d.Sources[0].raw)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	again := discover(resource.NewSet(decoded(t, file, want)), nil, shopConnection(), []platform.Source{now}, discoverOptions{})
	if len(again.Sources) != 0 {
		t.Errorf("a second look changes %+v", again.Sources)
	}
	if d := discover(resource.NewSet(), []resource.Ref{old.Ref()}, shopConnection(), []platform.Source{now}, discoverOptions{}); len(d.Sources) != 0 || len(d.Refused) != 1 {
		t.Errorf("a file that cannot be read is written over: %+v", d)
	}
	tagged := discover(resource.NewSet(decoded(t, file, want)), nil, shopConnection(), []platform.Source{now}, discoverOptions{tags: true})
	if len(tagged.Sources) != 1 || tagged.Sources[0].Columns[0].String() != "~ id:  → key" || len(tagged.Notes) != 0 {
		t.Errorf("with --tags: %+v", tagged)
	}
}

func TestDiscoverMarksWhatIsNewAndTellsWhatIsGone(t *testing.T) {
	old := decoded(t, "sources/dw/shop/public/people.yaml", peopleWrote)
	staging := decoded(t, "sources/dw/shop/staging/people.yaml", strings.Replace(peopleWrote, "public", "staging", 1))
	d := discover(resource.NewSet(old, staging), nil, shopConnection(), []platform.Source{found("orders", resource.Column{Name: "E-Mail", Type: "text"}, resource.Column{Name: "Email", Type: "text"})}, discoverOptions{prune: true})
	var got []string
	for _, s := range d.Sources {
		got = append(got, s.Change+" "+s.File)
	}
	if diff := cmp.Diff([]string{"new sources/dw/shop/public/orders.yaml", "gone sources/dw/shop/public/people.yaml"}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff) // and staging is excluded, not gone
	}
	made := decoded(t, d.Sources[0].File, string(d.Sources[0].raw))
	if !cmp.Equal(made.Spec.Tags, []string{"new"}) || made.Spec.Description == "" || made.Spec.Columns[0].Tags != nil || !cmp.Equal(made.Spec.Columns[1].Tags, []string{"pii.contact"}) {
		t.Errorf("%+v", made.Spec)
	}
	if !d.Sources[1].pruned {
		t.Error("what is gone is not pruned")
	}
}

// A policy for the tag new hides all of a new source, and the new columns of a
// known one, until somebody removes the tag.
func TestTheTagNewHidesUntilSomebodyLooked(t *testing.T) {
	p := &resource.MaskingPolicy{Header: resource.Header{Kind: resource.KindMaskingPolicy}}
	p.Metadata.Name = "unseen"
	p.Spec = resource.MaskingPolicySpec{Match: resource.MaskingMatch{Tags: []string{"new"}}, Mask: resource.Mask{Type: resource.MaskNull}}
	d := decoded(t, "sources/dw/shop/public/people.yaml", strings.Replace(peopleWrote, `mask: {type: "null"}`, "", 1))
	for _, tt := range []struct {
		source, column []string
		masked         int
	}{{nil, nil, 0}, {[]string{"new"}, nil, 3}, {nil, []string{"new"}, 1}, {[]string{"newest"}, []string{"renew"}, 0}} {
		d.Spec.Tags, d.Spec.Columns[0].Tags = tt.source, tt.column
		if got := resource.MasksOf(resource.NewSet(p, d), d); len(got) != tt.masked {
			t.Errorf("source %v, column %v: %d masked, want %d", tt.source, tt.column, len(got), tt.masked)
		}
	}
}
