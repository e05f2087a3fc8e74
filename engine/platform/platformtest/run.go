package platformtest

import (
	"testing"
)

// Opener gives a fresh Harness and registers its cleanup with t. It may skip
// the test where the server it needs is missing.
type Opener func(t *testing.T) Harness

// testCase is one promise of the contract.
type testCase struct {
	name string
	run  func(e *env)
}

// Run holds a platform to the contract: every case runs in a subtest of its
// own, on a fresh Harness. What a platform does not claim in its Capabilities,
// and what its Harness has no optional interface for, is skipped by name.
func Run(t *testing.T, open Opener) {
	t.Helper()
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"access", accessCases()},
		{"masks", maskCases()},
		{"lifecycle", lifecycleCases()},
		{"repeat", repeatCases()},
		{"observe", observeCases()},
		{"missing", missingCases()},
		{"foreign", foreignCases()},
		{"names", nameCases()},
		{"contract", contractCases()},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newEnv(t, open)) })
			}
		})
	}
}
