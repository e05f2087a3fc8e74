package examples_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/assent-dev/assent/engine/platform/mysql"
	"github.com/assent-dev/assent/engine/platform/postgres"
	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/validate"
	"github.com/assent-dev/assent/examples"
	"github.com/assent-dev/assent/policies"
)

var now = time.Date(2026, 11, 9, 9, 0, 0, 0, time.UTC)

func quickstart(t *testing.T) (fs.FS, *repo.Snapshot) {
	t.Helper()
	files, err := examples.Quickstart()
	if err != nil {
		t.Fatal(err)
	}
	snap, err := repo.LoadDir(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return files, snap
}

// all are the examples that are repositories, each with its warnings: what an
// example shows on purpose.
func all(t *testing.T) map[string][]string {
	t.Helper()
	warnings := map[string][]string{
		"immuta-parity": {"products/shipments.yaml:18:3: warning[FLOW006]: this flow is inactive: the form \"shipping\" decides"},
	}
	found, err := filepath.Glob("*/assent.yaml")
	if err != nil || len(found) < 6 {
		t.Fatalf("found %d examples: %v", len(found), err)
	}
	out := map[string][]string{}
	for _, file := range found {
		name := filepath.Dir(file)
		out[name] = warnings[name]
	}
	return out
}

func load(t *testing.T, name string) *repo.Snapshot {
	t.Helper()
	snap, err := repo.LoadDir(t.Context(), os.DirFS(name))
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func TestExamplesValidate(t *testing.T) {
	for name, warnings := range all(t) {
		snap := load(t, name)
		var got []string
		for _, d := range slices.Concat(snap.Problems, validate.Set(nil, snap.Set, now, nil)) {
			got = append(got, d.String())
		}
		if diff := cmp.Diff(warnings, got); diff != "" {
			t.Errorf("%s (-on purpose +found):\n%s", name, diff)
		}
		if _, ok := snap.Set.Repository(); !ok {
			t.Errorf("%s has no assent.yaml", name)
		}
	}
}

func TestExamplesPoliciesPassTheirTests(t *testing.T) {
	tested := 0
	for name := range all(t) {
		custom := load(t, name).Policies
		if len(custom) == 0 {
			continue
		}
		tested++
		report, err := policy.Test(t.Context(), policies.Builtin(), custom)
		if err != nil {
			t.Fatal(err)
		}
		if report.Passed == 0 || report.Failed > 0 || report.Skipped > 0 {
			t.Errorf("%s: %d passed, %d failed, %d skipped", name, report.Passed, report.Failed, report.Skipped)
		}
		for _, r := range report.Results {
			if !r.Passed {
				t.Errorf("%s: %s:%d: %s: %s %s", name, r.File, r.Line, r.Name, r.Failed, r.Error)
			}
		}
		for _, at := range report.Uncovered {
			if _, ours := custom[strings.SplitN(at, ":", 2)[0]]; ours {
				t.Errorf("%s: %s: no test reaches this", name, at)
			}
		}
	}
	if tested < 4 {
		t.Errorf("%d examples have rules of their own", tested)
	}
}

// Examples that share an identity could take each other's signatures for theirs.
func TestExamplesHaveAnIdentityEach(t *testing.T) {
	taken := map[string]string{}
	for name := range all(t) {
		settings, ok := load(t, name).Set.Repository()
		if !ok {
			t.Fatalf("%s has no assent.yaml", name)
		}
		if other, ok := taken[settings.Spec.ID]; ok {
			t.Errorf("%s and %s are both %s", other, name, settings.Spec.ID)
		}
		taken[settings.Spec.ID] = name
	}
}

// What a README names in backquotes as a file is there, and what it says to be in
// the file is in it.
func TestReadmesNameWhatIsThere(t *testing.T) {
	cell := regexp.MustCompile("`((?:agreements|connections|directory|domains|forms|masking|notifications|policies|products|sources)/[^`]*|assent.yaml)`((?:(?:, |; )?`[^`/]+`)*)")
	word := regexp.MustCompile("`([^`]+)`")
	for name := range all(t) {
		if name == "quickstart" {
			continue // its README is a guide, and has no table of this kind
		}
		raw, err := os.ReadFile(filepath.Join(name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for line := range strings.Lines(string(raw)) {
			if !strings.HasPrefix(line, "| ") {
				continue
			}
			for _, m := range cell.FindAllStringSubmatch(line, -1) {
				seen++
				checkNamed(t, name, m[1], word.FindAllStringSubmatch(m[2], -1))
			}
		}
		if seen < 5 {
			t.Errorf("%s names %d files: the pattern is wrong", name, seen)
		}
	}
}

func checkNamed(t *testing.T, example, file string, words [][]string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(example, file))
	if err != nil {
		t.Errorf("%s names %s, which is not there: %v", example, file, err)
		return
	}
	for _, w := range words {
		for part := range strings.SplitSeq(w[1], ".") {
			// `forms.dataAccess` is a field in a field; `mode: automatic` is as written.
			if !strings.Contains(string(raw), part) {
				t.Errorf("%s says %q of %s, which does not have it", example, w[1], file)
			}
		}
	}
}

// A link within a README leads to a heading of it.
func TestReadmesLinkToTheirHeadings(t *testing.T) {
	for name := range all(t) {
		raw, err := os.ReadFile(filepath.Join(name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		headings := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllSubmatch(raw, -1) {
			headings[strings.ReplaceAll(strings.ToLower(string(m[1])), " ", "-")] = true
		}
		for _, m := range regexp.MustCompile(`\(#([^)]*)\)`).FindAllSubmatch(raw, -1) {
			if !headings[string(m[1])] {
				t.Errorf("%s links to #%s, which it does not have", name, m[1])
			}
		}
	}
}

// What the guides tell about the example is what its files say.
func TestQuickstartDecidesAsItsGuideSays(t *testing.T) {
	_, snap := quickstart(t)
	tests := []struct {
		product resource.Name
		stages  [][]resource.Name // who may answer each stage
		masked  []string
	}{
		{"customer-orders", [][]resource.Name{{"kim", "raj"}, {"lea"}}, []string{"customers.email", "customers.phone"}},
		{"sales-pipeline", [][]resource.Name{{"kim", "raj"}}, nil},
		{"salaries", [][]resource.Name{{"lea", "omar"}}, []string{"salaries.national_id"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.product), func(t *testing.T) {
			req := &resource.AccessRequest{Spec: resource.AccessRequestSpec{
				Type: resource.DataAccess, Target: resource.Target{Product: tt.product}, Requester: "ana",
				Beneficiaries: []resource.Subject{{User: "ana"}}, Duration: "30d",
			}}
			flow, err := resource.Flow(snap.Set, req, now)
			if err != nil {
				t.Fatal(err)
			}
			var got [][]resource.Name
			for _, stage := range flow.Stages {
				got = append(got, answerers(snap.Set, stage))
			}
			if !slices.EqualFunc(got, tt.stages, slices.Equal) {
				t.Errorf("stages are answered by %v, want %v", got, tt.stages)
			}
			var masked []string
			for _, d := range resource.SourcesOfTarget(snap.Set, req.Spec.Target) {
				for _, m := range resource.MasksOf(snap.Set, d) {
					masked = append(masked, path.Base(string(d.Ref().Name))+"."+m.Column)
				}
			}
			if !slices.Equal(masked, tt.masked) {
				t.Errorf("masked columns are %v, want %v", masked, tt.masked)
			}
		})
	}
}

func answerers(s *resource.Set, stage resource.Stage) []resource.Name {
	var out []resource.Name
	for _, src := range slices.Concat(stage.Any, stage.All) {
		switch {
		case src.Group != "":
			out = append(out, resource.Members(s, src.Group)...)
		case src.Permission != "":
			for u := range resource.Of[*resource.User](s) {
				if resource.Holds(u, src.Permission) {
					out = append(out, u.Ref().Name)
				}
			}
		}
	}
	return out
}

// Whoever copies a request out of a guide gets one that fits the forms here.
func TestDigestsInGuidesAreThoseOfTheFiles(t *testing.T) {
	_, snap := quickstart(t)
	want := map[string]bool{}
	for r := range snap.Set.All() {
		want[r.Origin().Digest()] = true
	}
	for _, guide := range []string{"quickstart/README.md", "../README.md"} {
		raw, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindAllString(string(raw), -1)
		if len(found) == 0 {
			t.Errorf("%s shows no digest: the pattern is wrong", guide)
		}
		for _, digest := range found {
			if !want[digest] {
				t.Errorf("%s shows %s, which no file has", guide, digest)
			}
		}
	}
}

// The request that the guides show is one that could be sent as it is.
func TestRequestInGuidesValidates(t *testing.T) {
	files, before := quickstart(t)
	for _, guide := range []string{"quickstart/README.md", "../README.md"} {
		raw, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(raw)
		if block == nil {
			t.Fatalf("%s shows no request", guide)
		}
		all := fstest.MapFS{"requests/customer-orders/ana-customer-orders.yaml": {Data: block[1]}}
		copyInto(t, all, files)
		after, err := repo.LoadDir(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range slices.Concat(after.Problems, validate.Set(before.Set, after.Set, now, nil)) {
			t.Errorf("%s: %s", guide, d)
		}
	}
}

func copyInto(t *testing.T, to fstest.MapFS, from fs.FS) {
	t.Helper()
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(from, name)
		to[name] = &fstest.MapFile{Data: raw}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The rights in the guides are the ones that the platforms need.
func TestGuidesGiveTheRightsThatAreNeeded(t *testing.T) {
	forPostgres, err := postgres.SetupSQL("assent", "change-me", "shop", "public")
	if err != nil {
		t.Fatal(err)
	}
	forMariaDB, err := mysql.SetupSQL(mysql.MariaDB, "assent", "change-me", "shop")
	if err != nil {
		t.Fatal(err)
	}
	for guide, want := range map[string]string{"postgres": forPostgres, "mariadb": forMariaDB} {
		raw, err := os.ReadFile(guide + "/README.md")
		if err != nil {
			t.Fatal(err)
		}
		block := regexp.MustCompile("(?s)```sql setup\n(.*?)```").FindSubmatch(raw)
		if block == nil {
			t.Fatalf("the guide to %s shows no setup", guide)
		}
		if diff := cmp.Diff(want, string(block[1])); diff != "" {
			t.Errorf("setup for %s (-SetupSQL +guide):\n%s", guide, diff)
		}
	}
}

// Everybody who may have to sign something can be told apart by their keys.
func TestKeysAreRealAndDiffer(t *testing.T) {
	owner := map[string]string{}
	for example := range all(t) {
		checkKeys(t, example, owner)
	}
}

func checkKeys(t *testing.T, example string, owner map[string]string) {
	t.Helper()
	for u := range resource.Of[*resource.User](load(t, example).Set) {
		if len(u.Spec.Forge.SSH) == 0 {
			t.Errorf("%s has no key", u.Ref().Name)
		}
		for _, line := range u.Spec.Forge.SSH {
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
			if err != nil {
				t.Errorf("%s: %v", u.Ref().Name, err)
				continue
			}
			fingerprint := ssh.FingerprintSHA256(key)
			if other, taken := owner[fingerprint]; taken {
				t.Errorf("%s and %s/%s have one key", other, example, u.Ref().Name)
			}
			owner[fingerprint] = example + "/" + string(u.Ref().Name)
		}
	}
}
