package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// storm kills a command at random moments until it was killed often enough. A
// world in which it came to its end, or was killed as often as it takes, is
// checked, and a fresh one goes on.
type storm struct {
	kills   int // in all
	inOne   int // at most in one world
	fresh   func() *crowd
	args    []string
	reading []string     // a command that takes as long as this one takes before it changes anything
	checked func(*crowd) // the command ran to its end by then
}

func (s storm) rage(t *testing.T) {
	t.Helper()
	calm := s.fresh()
	var idle time.Duration
	if s.reading != nil {
		idle = calm.takes(s.reading...)
	}
	takes := calm.takes(s.args...)
	s.checked(calm)
	seed := uint64(time.Now().UnixNano())
	t.Logf("assent %s takes %s, of which it reads for %s; seed %d", strings.Join(s.args, " "), takes.Round(time.Millisecond), idle.Round(time.Millisecond), seed)
	random := rand.New(rand.NewPCG(seed, 0))
	// Three of four are killed while it changes things, as far as can be told.
	moment := func() time.Duration {
		from := idle * 9 / 10
		if random.IntN(4) == 0 {
			from = 0
		}
		return from + time.Duration(random.Int64N(int64(max(takes*19/20-from, time.Millisecond))))
	}
	worlds := 0
	for n := 0; n < s.kills; worlds++ {
		c := s.fresh()
		for range s.inOne {
			if !c.killed(moment(), s.args...) {
				takes, idle = takes*8/10, idle*8/10 // it was slow only once
				break
			}
			n++
		}
		c.takes(s.args...)
		s.checked(c)
		if t.Failed() {
			t.Fatalf("after %d kills", n)
		}
	}
	t.Logf("%d worlds", worlds+1)
}

// takes lets a command run to its end and says how long it took.
func (c *crowd) takes(args ...string) time.Duration {
	c.t.Helper()
	started := time.Now()
	if c.killed(time.Minute, args...) {
		c.t.Fatalf("assent %s takes more than a minute", strings.Join(args, " "))
	}
	return time.Since(started)
}

// crowdAt makes a crowd whose accesses to old are over, and whose requests for
// new are approved by Kim but not determined.
func crowdAt(t *testing.T, s *server) *crowd {
	t.Helper()
	program := build(t)
	c := newCrowd(t, s)
	c.program = program
	c.ask("old", "5d", c.people[:crowdOld])
	c.determine()
	c.reconcile()
	if got := len(c.readers("old")); got != crowdOld {
		t.Fatalf("%d read old while they may, want %d", got, crowdOld)
	}
	c.clock = time.Now().UTC().Truncate(time.Second)
	c.ask("new", "90d", c.people)
	c.pack()
	return c
}

func TestKilledDeterminingAndReconcilingLoseAndRepeatNothing(t *testing.T) {
	base := crowdAt(t, nil)
	var decided *crowd
	storm{kills: 8, inOne: 4, fresh: base.copied, args: []string{"determine"}, checked: func(c *crowd) {
		c.determinedOnce()
		decided = c
	}}.rage(t)
	storm{kills: 25, inOne: 4, fresh: decided.copied, args: []string{"reconcile", "--once"}, reading: []string{"plan"}, checked: (*crowd).settled}.rage(t)
}

func TestKilledReconcilingOfPostgresLosesAndRepeatsNothing(t *testing.T) {
	s := startServer(t, "shop", "shop_owner")
	s.setUp("CROWD_CREDENTIAL")
	base := crowdAt(t, s)
	base.determine()
	base.pack()
	fresh := func() *crowd {
		base.server.rewind()
		return base.copied()
	}
	storm{kills: 10, inOne: 3, fresh: fresh, args: []string{"reconcile", "--once"}, reading: []string{"plan"}, checked: (*crowd).settled}.rage(t)
}

// rewind puts the server back to where some have access to old and nobody to new, by the books too, which were kept when it is called first.
func (s *server) rewind() {
	s.t.Helper()
	s.exec(`CREATE SCHEMA IF NOT EXISTS kept;
		CREATE TABLE IF NOT EXISTS kept.member AS SELECT * FROM assent.member;
		CREATE TABLE IF NOT EXISTS kept.meta AS SELECT * FROM assent.meta;
		DELETE FROM assent.member; INSERT INTO assent.member SELECT * FROM kept.member;
		DELETE FROM assent.meta; INSERT INTO assent.meta SELECT * FROM kept.meta`)
	s.exec("SET ROLE assent; REVOKE assent_new_read FROM " + strings.Join(people(), ", ") +
		"; GRANT assent_old_read TO " + strings.Join(people()[:crowdOld], ", "))
}

// determinedOnce requires that each approved request was merged and recorded
// exactly once, and nothing else was.
func (c *crowd) determinedOnce() {
	c.t.Helper()
	want := map[string]int{}
	for _, p := range c.people {
		want[p+"-new"] = 1
	}
	for _, p := range c.people[:crowdOld] {
		want[p+"-old"] = 1
	}
	recorded, merged := map[string]int{}, map[string]int{}
	for _, r := range records(c.t, c.dir) {
		if r.Type == "determination" {
			recorded[r.Subject.Request]++
		}
	}
	for line := range strings.SplitSeq(c.git("log", "--first-parent", "--format=%(trailers:key=Pull-Request,valueonly)", "main"), "\n") {
		if line != "" {
			merged[line]++
		}
	}
	if diff := cmp.Diff(want, recorded); diff != "" {
		c.t.Errorf("recorded determinations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, merged); diff != "" {
		c.t.Errorf("merges (-want +got):\n%s", diff)
	}
	holds(c.t, c.ok("audit", "verify"), fmt.Sprintf("%d approvals made again and proven", crowdNew+crowdOld))
	before := c.tip()
	lacks(c.t, c.ok("determine"), "recorded as")
	if after := c.tip(); after != before {
		c.t.Error("determining once more moved the ledger")
	}
}

// settled requires that the approved read, and nobody else does; that the
// ledger holds and has one live record for each access; and that a further run
// does nothing.
func (c *crowd) settled() {
	c.t.Helper()
	if diff := cmp.Diff(c.people, c.readers("new")); diff != "" {
		c.t.Errorf("readers of new (-want +got):\n%s", diff)
	}
	if got := c.readers("old"); len(got) > 0 {
		c.t.Errorf("%v still read old", got)
	}
	live := map[string]int{}
	revoked := map[string]int{}
	for _, r := range records(c.t, c.dir) {
		switch key := r.Body.Role + " " + r.Body.Principal; {
		case r.Body.Principal == "":
		case r.Type == "applied":
			live[key]++
		case r.Type == "revoked":
			revoked[key]++
			delete(live, key)
		}
	}
	want, gone := map[string]int{}, map[string]int{}
	for _, p := range c.people {
		want["assent_new_read "+p] = 1
	}
	for _, p := range c.people[:crowdOld] {
		gone["assent_old_read "+p] = 1
	}
	if diff := cmp.Diff(want, live); diff != "" {
		c.t.Errorf("live applied records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(gone, revoked); diff != "" {
		c.t.Errorf("revoked records (-want +got):\n%s", diff)
	}
	before := c.tip()
	holds(c.t, c.ok("reconcile", "--once"), "nothing to change")
	if after := c.tip(); after != before {
		c.t.Error("a further run moved the ledger")
	}
	if problems := slices.DeleteFunc(records(c.t, c.dir), func(r record) bool { return r.Type != "observation" }); len(problems) > 0 {
		c.t.Errorf("observed: %v", problems)
	}
}
