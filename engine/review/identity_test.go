package review_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/review"
)

// The fingerprints are what `ssh-keygen -l` printed for these keys.
func TestKeyFingerprint(t *testing.T) {
	const ed = "AAAAC3NzaC1lZDI1NTE5AAAAIPFWhhH85vr4ldlvfzBbdsUzH+OmpeMq7GdysowHbrtd"
	for _, tc := range []struct{ line, want, err string }{
		{"ssh-ed25519 " + ed, boKey, ""},
		{"ssh-ed25519 " + ed + " bo@laptop", boKey, ""},
		{"  ssh-ed25519\t" + ed + " a comment of words \n", boKey, ""},
		{"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBF9Va3L91RPr9ssHpfxq73dArm0zqlqXbTwD3Si8MCBAywSM0lYl7qmRXZy5d6fwUlDOypy3cr63rkL8bKVZgD4= cy",
			"SHA256:SXH4sZavEhKHYKvKwtzdgqGxjySizECi5YyPHFnUu2Q", ""},
		{"ssh-rsa " + ed, "", "of another type"},
		{"ssh-ed25519 " + ed[:20], "", "of another type"},
		{"ssh-ed25519 AAAA", "", "cut off"},
		{"ssh-ed25519 /////w==", "", "of another type"},
		{"ssh-ed25519 not*base64", "", "no base64"},
		{"ssh-ed25519", "", "want a type"},
		{"", "", "want a type"},
		{`restrict,command="x" ssh-ed25519 ` + ed, "", "no base64"},
	} {
		got, err := review.KeyFingerprint(tc.line)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("KeyFingerprint(%q) = %q, %v; want %q, %q", tc.line, got, err, tc.want, tc.err)
		}
	}
}
