package validate_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/validate"
)

// baseFiles is the shared repository with some text replaced.
func baseFiles(t *testing.T, replace ...string) fstest.MapFS {
	t.Helper()
	shared, err := txtar.ParseFile("testdata/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range shared.Files {
		put(files, f.Name, []byte(strings.NewReplacer(replace...).Replace(string(f.Data))))
	}
	return files
}

func codes(list diag.List) (out []string) {
	for _, d := range list {
		out = append(out, string(d.Code))
	}
	return out
}

func TestAReferenceToAnUnreadableFileIsNotUnknown(t *testing.T) {
	files := baseFiles(t)
	delete(files, "domains/sales.yaml")
	s := load(t, files)
	want := []string{"REF001", "REF001"}
	if diff := cmp.Diff(want, codes(validate.Set(s, s, now, platforms))); diff != "" {
		t.Errorf("gone: %s", diff)
	}
	broken := resource.Ref{Kind: resource.KindDomain, Name: "sales"}
	if list := validate.Set(s, s, now, platforms, broken); len(list) > 0 {
		t.Errorf("unreadable: %s", render(list))
	}
}

func TestWithoutABaseEverythingIsNew(t *testing.T) {
	s := load(t, baseFiles(t))
	// ana-1 pins digests that no file has; on base it is left alone.
	if diff := cmp.Diff([]string{"REQ004", "REQ008"}, codes(validate.Set(nil, s, now, platforms))); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutPlatformsTheirRulesAreSkipped(t *testing.T) {
	s := load(t, baseFiles(t, "platform: sandbox", "platform: unheard-of"))
	if list := validate.Set(s, s, now, nil); len(list) > 0 {
		t.Error(render(list))
	}
	if diff := cmp.Diff([]string{"CON001"}, codes(validate.Set(s, s, now, platforms))); diff != "" {
		t.Error(diff)
	}
}

func TestAllMistakesAreToldAtOnceAndInOrder(t *testing.T) {
	s := load(t, baseFiles(t, "manager: kim", "manager: kin", "owner: kim", "owner: etl", "type: hash", "type: round"))
	first := validate.Set(s, s, now, platforms)
	if diff := cmp.Diff([]string{"REF001", "REF001", "REF003", "MSK001"}, codes(first.Sorted())); diff != "" && len(first) != 4 {
		t.Error(diff)
	}
	if diff := cmp.Diff(first.Sorted(), first); diff != "" {
		t.Errorf("not in order: %s", diff)
	}
	for range 5 {
		if diff := cmp.Diff(first, validate.Set(s, s, now, platforms)); diff != "" {
			t.Fatalf("the same input gave something else: %s", diff)
		}
	}
}

func TestASecretIsNeitherToldNorShown(t *testing.T) {
	for _, secret := range []string{
		"postgres://engine:hunter2xyz@db/shop", "password=hunter2xyz", "AKIAABCDEFGHIJKLMNOP",
		"ghp_abcdefghijklmnopqrstuvwxyz0123", "xoxb-123456789012-abc", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
	} {
		s := load(t, baseFiles(t, "name: warehouse\n", "name: warehouse\n  description: \""+secret+"\"\n"))
		list := validate.Set(s, s, now, platforms)
		if diff := cmp.Diff([]string{"CON002"}, codes(list)); diff != "" {
			t.Errorf("%s: %s", secret, diff)
			continue
		}
		if text := fmt.Sprintf("%+v", list); strings.Contains(text, secret) || list[0].Width != diag.Hidden {
			t.Errorf("%s is told: %s", secret, text)
		}
	}
}

func TestOrdinaryTextIsNoSecret(t *testing.T) {
	for _, fine := range []string{
		"The warehouse of the shop. See https://wiki.example.com/shop?page=secret", "Ask security@example.com for a token",
		"Passwords live in the vault", "docs: https://example.com:8443/a@b",
	} {
		s := load(t, baseFiles(t, "name: warehouse\n", "name: warehouse\n  description: \""+fine+"\"\n"))
		if list := validate.Set(s, s, now, platforms); len(list) > 0 {
			t.Errorf("%s: %s", fine, render(list))
		}
	}
}

// The whole of a large repository is judged for each pull request, so that the
// cost of a request that is there already has to stay small.
func BenchmarkSet(b *testing.B) {
	const users, sources, requests = 2000, 2000, 100_000
	var all []resource.Resource
	add := func(kind resource.Kind, file, text string) {
		r, err := decode(kind, file, []byte(text))
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, r)
	}
	add(resource.KindRepository, "assent.yaml", "kind: Repository\nmetadata: {name: r}\nspec: {id: x, forge: local}\n")
	add(resource.KindConnection, "connections/dw.yaml", "kind: Connection\nmetadata: {name: dw}\nspec: {platform: sandbox, accounts: {template: '{name}'}}\n")
	add(resource.KindDomain, "domains/d.yaml", "kind: Domain\nmetadata: {name: d}\nspec: {owner: u0, members: {match: {paths: ['dw/**']}}, permissions: {manageDataProducts: [{user: u1}]}}\n")
	add(resource.KindMaskingPolicy, "masking/pii.yaml", "kind: MaskingPolicy\nmetadata: {name: pii}\nspec: {match: {tags: [pii]}, mask: {type: hash}}\n")
	for i := range users {
		add(resource.KindUser, "", fmt.Sprintf("kind: User\nmetadata: {name: u%d}\nspec: {attributes: {role: [x]}}\n", i))
	}
	for i := range sources {
		add(resource.KindDataSource, fmt.Sprintf("sources/dw/a/b/t%d.yaml", i), fmt.Sprintf("kind: DataSource\nmetadata: {name: t%d}\nspec: {connection: dw, path: [a, b, t%d], kind: table, columns: [{name: id}, {name: mail, tags: [pii.email]}]}\n", i, i))
		add(resource.KindDataProduct, "", fmt.Sprintf("kind: DataProduct\nmetadata: {name: p%d}\nspec: {domain: d, sources: [{source: dw/a/b/t%d}]}\n", i, i))
	}
	for i := range requests {
		add(resource.KindAccessRequest, "", fmt.Sprintf("kind: AccessRequest\nmetadata: {name: r%d}\nspec: {type: data-access, target: {product: p%d}, requester: u%d, beneficiaries: [{user: u%d}], duration: 90d, form: {name: standard, digest: x}}\n", i, i%sources, i%users, i%users))
	}
	s := resource.NewSet(all...)
	b.ResetTimer()
	for range b.N {
		if list := validate.Set(s, s, now, platforms); len(list) > 0 {
			b.Fatal(render(list[:1]))
		}
	}
}

func TestAPendingRequestMayKeepTheFormThatItWasOpenedWith(t *testing.T) {
	const file = "requests/orders/ana-2.yaml"
	request := []byte(`apiVersion: assent.dev/v1
kind: AccessRequest
metadata:
  name: ana-2
spec:
  type: data-access
  target:
    product: orders
  requester: ana
  beneficiaries:
    - user: ana
  duration: 90d
  form:
    name: access
    digest: DIGEST(forms/access.yaml)
  agreement:
    name: terms
    digest: DIGEST(agreements/terms.yaml)
    accepted: true
  answers:
    purpose: reporting
`)
	opened := baseFiles(t)
	// Both files were edited since, and the request answers another question.
	edits := []string{"id: purpose", "id: why", "question: purpose", "question: why", "stated purpose only", "purpose stated"}
	base, head := baseFiles(t, edits...), baseFiles(t, edits...)
	put(head, file, request)
	pin(head, opened)
	then, now1, next := load(t, opened), load(t, base), load(t, head)
	if diff := cmp.Diff([]string{"REQ004", "REQ008"}, codes(validate.Change(now1, nil, next, now, platforms))); diff != "" {
		t.Errorf("not known how it was: %s", diff)
	}
	if list := validate.Change(now1, then, next, now, platforms); len(list) > 0 {
		t.Errorf("known: %s", render(list))
	}
	// The answers are still those of the form that counts.
	put(head, file, []byte(strings.Replace(string(head[file].Data), "purpose: reporting", "purpose: fun", 1)))
	if diff := cmp.Diff([]string{"REQ006"}, codes(validate.Change(now1, then, load(t, head), now, platforms))); diff != "" {
		t.Errorf("a wrong answer: %s", diff)
	}
	// The form may be gone, and the product ask for another.
	without := []string{"    dataAccess: access", "    dataAccess: standard"}
	base, head = baseFiles(t, without...), baseFiles(t, without...)
	delete(base, "forms/access.yaml")
	delete(head, "forms/access.yaml")
	put(head, file, request)
	pin(head, opened)
	if list := validate.Change(load(t, base), then, load(t, head), now, platforms); len(list) > 0 {
		t.Errorf("removed since: %s", render(list))
	}
	if diff := cmp.Diff([]string{"REF001"}, codes(validate.Change(load(t, base), nil, load(t, head), now, platforms))); diff != "" {
		t.Errorf("removed before: %s", diff)
	}
}

func TestSemantic06_DeletionIsBlockedByWhatIsLiveAndNotByHistory(t *testing.T) {
	without := func(replace ...string) *resource.Set {
		files := baseFiles(t, replace...)
		delete(files, "forms/access.yaml")
		return load(t, files)
	}
	before := load(t, baseFiles(t))
	// ana-1 pins the form, and the product asks for it.
	if diff := cmp.Diff([]string{"GOV003"}, codes(validate.Set(before, without(), now, platforms))); diff != "" {
		t.Errorf("the product asks for it: %s", diff)
	}
	if list := validate.Set(before, without("    dataAccess: access", "    dataAccess: standard"), now, platforms); len(list) > 0 {
		t.Errorf("only a request pins it: %s", render(list))
	}
}
