package platformtest

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// offer finds an optional interface of the platform or skips the case.
func offer[O any](e *env, what string) O {
	e.Helper()
	o, ok := e.p.(O)
	if !ok {
		e.Skipf("the platform does not offer %s", what)
	}
	return o
}

// effectiveCases: who reads what, by every path there is.
func effectiveCases() []testCase {
	return []testCase{
		{"a member of ours is shown with the mask, a reader by hand without", func(e *env) {
			offer[platform.Inspector](e, "effective access")
			r := e.maskedReader("ann")
			e.accounts("bob", "cyd")
			e.must("grant by hand", e.h.GrantByHand(e.ctx, "bob", "people"))
			got := e.effective(platform.Question{Path: e.path("people")})
			ann := e.way(got, "ann", platform.ByUs)
			e.want(slices.Contains(ann.Masked, "iban") && !slices.Contains(ann.Masked, "city"), "masked for ann: %v", ann.Masked)
			e.want(slices.Contains(ann.Via, r.RoleName()), "ann reads by %v", ann.Via)
			bob := e.way(got, "bob", platform.ByOthers)
			e.want(len(bob.Masked) == 0, "masked for bob: %v", bob.Masked)
			e.noWay(got, "cyd")
		}},
		{"a question about one account is answered about that one", func(e *env) {
			offer[platform.Inspector](e, "effective access")
			r, _ := e.reader("ann")
			e.accounts("bob")
			e.ok(allow(member(r.RoleKey, "bob")))
			got := e.effective(platform.Question{Principal: "ann"})
			e.way(got, "ann", platform.ByUs)
			e.noWay(got, "bob")
		}},
		{"a revoked account is shown no more, but for what others gave", func(e *env) {
			offer[platform.Inspector](e, "effective access")
			r, g := e.reader("ann")
			e.must("grant by hand", e.h.GrantByHand(e.ctx, "ann", "people"))
			e.apply(revoke(g))
			got := e.effective(platform.Question{Path: e.path("people"), Principal: "ann"})
			e.way(got, "ann", platform.ByOthers)
			e.want(!slices.ContainsFunc(got.Access, func(a platform.Access) bool { return a.Origin == platform.ByUs }), "still by %s: %+v", r.RoleName(), got.Access)
		}},
	}
}

func (e *env) effective(q platform.Question) platform.Effective {
	e.Helper()
	got, err := e.p.(platform.Inspector).Effective(e.ctx, q)
	e.must("ask for effective access", err)
	sorted := platform.Effective{Access: slices.Clone(got.Access), Unknown: slices.Clone(got.Unknown)}
	sorted.Sort()
	if diff := cmp.Diff(sorted.Access, got.Access); diff != "" {
		e.Errorf("the answer is not in order (-ordered +answer):\n%s", diff)
	}
	return got
}

// way finds how an account reads the usual table.
func (e *env) way(got platform.Effective, principal string, origin platform.Origin) platform.Access {
	e.Helper()
	i := slices.IndexFunc(got.Access, func(a platform.Access) bool {
		return a.Principal == principal && a.Origin == origin && slices.Equal(a.Path, e.path("people"))
	})
	if i < 0 {
		e.Fatalf("%s is not shown to read the table by %s: %+v", principal, origin, got.Access)
	}
	return got.Access[i]
}

func (e *env) noWay(got platform.Effective, principal string) {
	e.Helper()
	e.want(!slices.ContainsFunc(got.Access, func(a platform.Access) bool { return a.Principal == principal }), "%s is shown: %+v", principal, got.Access)
}

// releaseCases: an owner can alter a table, and meanwhile nobody reads it.
func releaseCases() []testCase {
	return []testCase{
		{"a released table is closed and can be altered, and the next round opens it", released},
		{"a release that is only shown does nothing", func(e *env) {
			rel := offer[platform.Releaser](e, "release")
			r := e.maskedReader("ann")
			st, err := rel.Release(e.ctx, e.path("people"), true)
			e.must("release", err)
			e.want(len(st) > 0, "it would do nothing")
			e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
			e.roundTrip(desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))})
			rel = offer[platform.Releaser](e, "release") // of the platform as it was opened anew
			done, err := rel.Release(e.ctx, e.path("people"), false)
			e.must("release", err)
			if diff := cmp.Diff(st, done); diff != "" {
				e.Errorf("what is shown is not what is done (-shown +done):\n%s", diff)
			}
		}},
		{"a release of what nobody opened does nothing", func(e *env) {
			rel := offer[platform.Releaser](e, "release")
			r := e.maskedReader("ann")
			e.people("wages")
			st, err := rel.Release(e.ctx, e.path("wages"), false)
			e.must("release", err)
			e.want(len(st) == 0, "it did %v", st)
			e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
		}},
	}
}

func released(e *env) {
	rel := offer[platform.Releaser](e, "release")
	dropper := optional[ColumnDropper](e)
	r := e.maskedReader("ann")
	e.people("wages")
	other := role(e.key("audit"), e.maskedPeople("wages"))
	g, og := member(r.RoleKey, "ann"), member(other.RoleKey, "ann")
	e.ok(provision(other), allow(og))
	st, err := rel.Release(e.ctx, e.path("people"), false)
	e.must("release", err)
	e.want(len(st) > 0, "nothing was done")
	e.cannotRead("ann", e.address(r, 0), "id")
	e.refused("ann", e.h.BaseAddress("people"), "id")
	e.reads("ann", e.address(other, 0), peopleColumns(), hiddenPeople())
	again, err := rel.Release(e.ctx, e.path("people"), false)
	e.must("release", err)
	e.want(len(again) == 0, "the second release did %v", again)
	e.must("drop column", dropper.DropColumn(e.ctx, "people", "city"))
	less := role(r.RoleKey, masked(e.object("people", "id", "iban"), "iban", hidden()))
	e.converge(desired{roles: roles(less, other), grants: grants(g, og)})
	e.reads("ann", e.address(less, 0), []string{"id", "iban"}, [][]string{{"1", "hidden"}, {"2", "hidden"}, {"3", "hidden"}})
}

// auditCases: the engine's own account.
func auditCases() []testCase {
	return []testCase{
		{"an engine set up as documented may write, and every finding says what to do", func(e *env) {
			found, err := offer[platform.SelfAuditor](e, "an audit of itself").SelfAudit(e.ctx)
			e.must("audit", err)
			for _, f := range found {
				e.want(!f.Refuse, "it must not write: %+v", f)
				e.want(f.Code != "" && f.Text != "" && f.Fix != "", "a finding is incomplete: %+v", f)
			}
		}},
	}
}

// batchCases: what a batch may hold.
func batchCases() []testCase {
	return []testCase{
		{"a change for another connection is refused", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.wholePeople("people"))
			r.Connection = "elsewhere"
			out := e.apply(provision(r), allow(member(r.RoleKey, "ann")))
			for _, o := range out {
				e.want(o.Status == platform.Failed, "%s ended %s", describe(o.Change), o.Status)
			}
			e.refused("ann", e.h.BaseAddress("people"), "id")
			e.roundTrip(desired{})
		}},
		{"an action that is unknown is refused and the others go on", func(e *env) {
			r, _ := e.reader("ann")
			e.accounts("bob")
			odd := allow(member(r.RoleKey, "bob"))
			odd.Action = "lend"
			out := e.apply(odd, revoke(member(r.RoleKey, "ann")))
			e.want(out[0].Status == platform.Failed && out[0].Code == platform.Unsupported, "it ended %s/%s", out[0].Status, out[0].Code)
			e.refused("bob", e.address(r, 0), "id")
			e.refused("ann", e.address(r, 0), "id")
		}},
		{"a change that comes twice in a batch is made once", func(e *env) {
			e.people("people")
			e.accounts("ann")
			r := role(e.key("sales"), e.maskedPeople("people"))
			g := member(r.RoleKey, "ann")
			e.ok(provision(r), provision(r), allow(g), allow(g))
			e.roundTrip(desired{roles: roles(r), grants: grants(g)})
			e.ok(revoke(g), revoke(g), retire(r), retire(r))
			e.roundTrip(desired{})
		}},
		{"many objects in one role are all opened", func(e *env) {
			e.accounts("ann")
			r := role(e.key("sales"))
			for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
				e.people("t" + n)
				r.Objects = append(r.Objects, e.maskedPeople("t"+n))
			}
			e.converge(desired{roles: roles(r), grants: grants(member(r.RoleKey, "ann"))})
			e.reads("ann", e.address(r, 0), peopleColumns(), hiddenPeople())
			e.reads("ann", e.address(r, 9), peopleColumns(), hiddenPeople())
		}},
		{"looking twice gives the same answer, byte for byte", func(e *env) {
			batch, _ := e.mixed()
			e.must("grant by hand", e.h.GrantByHand(e.ctx, "bob", "people"))
			shown, err := e.p.Preview(e.ctx, batch)
			e.must("preview", err)
			again, err := e.p.Preview(e.ctx, batch)
			e.must("preview", err)
			e.want(slices.Equal(shown, again), "two previews differ")
			e.apply(batch...)
			first := e.observe()
			e.restart()
			if diff := cmp.Diff(first, e.observe()); diff != "" {
				e.Errorf("two observations differ (-first +second):\n%s", diff)
			}
		}},
		{"extending a grant that was taken out by hand gives it back, or says why not", func(e *env) {
			r, g := e.reader("ann")
			e.must("revoke by hand", e.h.RevokeByHand(e.ctx, "ann", r.RoleName()))
			o := e.apply(extend(g))[0]
			in := holds(e.observe().Ours, g.Key())
			e.want(in == (o.Status == platform.Applied), "the extension ended %s, the member is in: %v", o.Status, in)
			e.converge(desired{roles: roles(r), grants: grants(g)})
			e.readsCities("ann", e.address(r, 0))
		}},
		{"a member put in by hand who is wanted becomes ours, and leaves like one", func(e *env) {
			adder := optional[MemberAdder](e)
			r, g := e.reader("ann")
			e.accounts("bob")
			e.must("add by hand", adder.AddByHand(e.ctx, "bob", r.RoleName()))
			gb := member(r.RoleKey, "bob")
			e.converge(desired{roles: roles(r), grants: grants(g, gb)})
			e.readsCities("bob", e.address(r, 0))
			e.statuses([]plan.Change{revoke(gb)}, "applied")
			e.refused("bob", e.address(r, 0), "id")
			e.roundTrip(desired{roles: roles(r), grants: grants(g)})
		}},
		{"what others gave is no drift to the planner", func(e *env) {
			r, g := e.reader("ann")
			e.accounts("bob")
			for _, who := range []string{"ann", "bob"} {
				e.must("grant by hand", e.h.GrantByHand(e.ctx, who, "people"))
			}
			p, _ := e.plan(plan.Desired{State: desired{roles: roles(r), grants: grants(g)}.state()}, plan.DefaultLimits)
			e.want(p.Empty(), "planned: %+v", p.Changes)
			e.foreign("ann", "people", true)
			e.foreign("bob", "people", true)
			e.want(!holds(e.observe().Ours, grant.Key{RoleKey: r.RoleKey, Principal: "bob"}), "bob is taken for a member")
		}},
	}
}
