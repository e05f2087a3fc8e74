package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/platform/mysql"
	"github.com/assent-dev/assent/engine/platform/postgres"
)

// TestDemoGoesTheSameOnEveryPlatform compares what was observed, step by step.
func TestDemoGoesTheSameOnEveryPlatform(t *testing.T) {
	instant := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+Z`)
	type step struct {
		Title, Observed string
		OK              bool
	}
	play := func(t *testing.T, platform string, more ...string) []step {
		t.Helper()
		var out, problems bytes.Buffer
		code := run(t.Context(), append([]string{"demo", "--platform", platform, "-o", "json"}, more...), strings.NewReader(""), &out, &problems)
		for _, none := range []error{postgres.ErrNoServer, mysql.ErrNoServer} {
			if code == exitUnreachable && strings.Contains(problems.String(), none.Error()) {
				missing(t, none)
			}
		}
		if code != exitOK || problems.Len() > 0 {
			t.Errorf("the demo on %s ends with %d: %s", platform, code, problems.String())
		}
		var got struct {
			Platform string
			OK       bool
			Steps    []step
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v in %s", err, out.String())
		}
		if got.Platform != platform || !got.OK || len(got.Steps) == 0 {
			t.Errorf("platform %s, ok %t, %d steps", got.Platform, got.OK, len(got.Steps))
		}
		for i := range got.Steps {
			got.Steps[i].Title = instant.ReplaceAllString(got.Steps[i].Title, "TIME")
		}
		return got.Steps
	}
	sandbox := play(t, "sandbox")
	t.Run("github", func(t *testing.T) {
		onGitHub := play(t, "sandbox", "--forge", forgeGitHubFake)
		for i := range onGitHub {
			onGitHub[i].Title = sandbox[i].Title // it tells of GitHub where the other tells of signatures
		}
		if diff := cmp.Diff(sandbox, onGitHub); diff != "" {
			t.Errorf("steps (-local +github):\n%s", diff)
		}
	})
	for _, platform := range []string{"postgres", "mysql"} {
		t.Run(platform, func(t *testing.T) {
			if diff := cmp.Diff(sandbox, play(t, platform)); diff != "" {
				t.Errorf("steps (-sandbox +%s):\n%s", platform, diff)
			}
			var out, problems bytes.Buffer
			if code := run(t.Context(), []string{"demo", "--platform", platform}, strings.NewReader(""), &out, &problems); code != exitOK {
				t.Errorf("ends with %d: %s", code, problems.String())
			}
			holds(t, out.String(), "steps went as expected, on platform "+platform)
		})
	}
}
