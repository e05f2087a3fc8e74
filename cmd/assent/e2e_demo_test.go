package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/platform/postgres"
)

// TestDemoGoesTheSameOnBothPlatforms compares what was observed, step by step.
func TestDemoGoesTheSameOnBothPlatforms(t *testing.T) {
	instant := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+Z`)
	type step struct {
		Title, Observed string
		OK              bool
	}
	play := func(platform string) []step {
		var out, problems bytes.Buffer
		code := run(t.Context(), []string{"demo", "--platform", platform, "-o", "json"}, strings.NewReader(""), &out, &problems)
		if code == exitUnreachable && strings.Contains(problems.String(), postgres.ErrNoServer.Error()) {
			missing(t, postgres.ErrNoServer)
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
	if diff := cmp.Diff(play("sandbox"), play("postgres")); diff != "" {
		t.Errorf("steps (-sandbox +postgres):\n%s", diff)
	}
	var out, problems bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--platform", "postgres"}, strings.NewReader(""), &out, &problems); code != exitOK {
		t.Errorf("ends with %d: %s", code, problems.String())
	}
	holds(t, out.String(), "steps went as expected, on platform postgres")
}
