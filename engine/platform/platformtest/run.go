package platformtest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
)

// T is what a case needs of its test. *testing.T has it, and so has Check,
// which runs where there is no test.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(f func())
}

// Tester is a T that runs subtests: *testing.T.
type Tester[X any] interface {
	T
	Run(name string, f func(t X)) bool
}

// testCase is one promise of the contract.
type testCase struct {
	name string
	run  func(e *env)
}

type group struct {
	name  string
	cases []testCase
}

func suite() []group {
	return []group{
		{"access", accessCases()},
		{"masks", maskCases()},
		{"lifecycle", lifecycleCases()},
		{"repeat", repeatCases()},
		{"observe", observeCases()},
		{"missing", missingCases()},
		{"foreign", foreignCases()},
		{"names", nameCases()},
		{"aliases", aliasCases()},
		{"owners", ownerCases()},
		{"engines", engineCases()},
		{"planned", plannedCases()},
		{"contract", append(contractCases(), batchCases()...)},
		{"effective", effectiveCases()},
		{"release", releaseCases()},
		{"self", auditCases()},
	}
}

// Run holds a platform to the contract: every case runs in a subtest of its
// own, on a fresh Harness, whose cleanup open registers with t. What a platform
// does not claim in its Capabilities, and what its Harness has no optional
// interface for, is skipped by name. open may skip where its server is missing.
func Run[X Tester[X]](t X, open func(t X) Harness) {
	t.Helper()
	for _, g := range suite() {
		t.Run(g.name, func(t X) {
			for _, c := range g.cases {
				t.Run(c.name, func(t X) { c.run(newEnv(t, open(t))) })
			}
		})
	}
}

// Result is how one case ended.
type Result struct {
	Name    string   `json:"name"`              // the group, a slash, and the promise
	Failed  []string `json:"failed,omitempty"`  // what was said on the way to failure; none where it passed
	Skipped string   `json:"skipped,omitempty"` // why the case does not apply; empty where it ran
}

// Check runs the cases that want picks (nil for all), as Run does, where there
// is no test, and gives each Result to report. open registers its cleanup with t.
func Check(ctx context.Context, open func(ctx context.Context, t T) Harness, want func(name string) bool, report func(Result)) {
	for _, g := range suite() {
		for _, c := range g.cases {
			name := g.name + "/" + c.name
			if ctx.Err() != nil || want != nil && !want(name) {
				continue
			}
			r := &recorder{result: Result{Name: name}}
			r.do(func() { c.run(newEnv(r, open(ctx, r))) })
			for _, f := range slices.Backward(r.cleanups) {
				r.do(f)
			}
			report(r.result)
		}
	}
}

// recorder is the T of Check.
type recorder struct {
	result   Result
	cleanups []func()
}

// do runs f in a goroutine of its own, which Fatalf and Skipf can end.
func (r *recorder) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		f()
	}()
	<-done
}

// Helper implements T.
func (*recorder) Helper() {}

// Errorf implements T.
func (r *recorder) Errorf(format string, args ...any) {
	r.result.Failed = append(r.result.Failed, fmt.Sprintf(format, args...))
}

// Fatalf implements T: it ends the case.
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// Skipf implements T: it ends the case.
func (r *recorder) Skipf(format string, args ...any) {
	r.result.Skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Cleanup implements T.
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
