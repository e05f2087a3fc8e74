package examples_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

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

func TestQuickstartValidates(t *testing.T) {
	_, snap := quickstart(t)
	problems := slices.Concat(snap.Problems, validate.Set(nil, snap.Set, now, nil))
	for _, d := range problems {
		t.Error(d)
	}
	if _, ok := snap.Set.Repository(); !ok {
		t.Error("has no assent.yaml")
	}
}

func TestQuickstartPoliciesPassTheirTests(t *testing.T) {
	_, snap := quickstart(t)
	custom := snap.Policies
	report, err := policy.Test(t.Context(), policies.Builtin(), custom)
	if err != nil {
		t.Fatal(err)
	}
	if report.Passed == 0 || report.Failed > 0 || report.Skipped > 0 {
		t.Errorf("%d passed, %d failed, %d skipped", report.Passed, report.Failed, report.Skipped)
	}
	for _, r := range report.Results {
		if !r.Passed {
			t.Errorf("%s:%d: %s: %s %s", r.File, r.Line, r.Name, r.Failed, r.Error)
		}
	}
	for _, at := range report.Uncovered {
		if _, ours := custom[strings.SplitN(at, ":", 2)[0]]; ours {
			t.Errorf("%s: no test reaches this", at)
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

// The rights in the PostgreSQL guide are the ones that the platform needs.
func TestPostgresGuideGivesTheRightsThatAreNeeded(t *testing.T) {
	raw, err := os.ReadFile("postgres/README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sql setup\n(.*?)```").FindSubmatch(raw)
	if block == nil {
		t.Fatal("the guide shows no setup")
	}
	want, err := postgres.SetupSQL("assent", "change-me", "shop", "public")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(block[1])); diff != "" {
		t.Errorf("setup (-SetupSQL +guide):\n%s", diff)
	}
}

// Everybody who may have to sign something can be told apart by their keys.
func TestKeysAreRealAndDiffer(t *testing.T) {
	_, snap := quickstart(t)
	owner := map[string]resource.Name{}
	for u := range resource.Of[*resource.User](snap.Set) {
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
				t.Errorf("%s and %s have one key", other, u.Ref().Name)
			}
			owner[fingerprint] = u.Ref().Name
		}
	}
}
