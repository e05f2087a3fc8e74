package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Each of the tables below is lies, by the case that must see through them.
func accessLies() map[string]liar {
	return map[string]liar{
		"access/a grant reads every listed column": {apply: func(_ context.Context, _ platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			var out []platform.Outcome
			for _, c := range b.Changes {
				out = append(out, platform.Outcome{Change: c, Status: platform.Applied})
			}
			return out, nil
		}},
		"masks/every claimed mask hides the column and only the column": provisions(unmask),
		"masks/a mask added later takes effect for members": asks(func(c plan.Change) (plan.Change, bool) {
			return c, c.Action != plan.Provision || c.PriorRole == nil
		}),
		"masks/an unknown mask opens nothing": provisions(func(r *grant.Role) {
			for _, o := range r.Objects {
				for i, c := range o.Columns {
					if c.Mask != nil && c.Mask.Type == "blur" {
						o.Columns[i].Mask = nil
					}
				}
			}
		}),
		"masks/a constant is shown to the letter, whatever it holds": provisions(func(r *grant.Role) {
			for _, o := range r.Objects {
				for i, c := range o.Columns {
					if c.Mask != nil {
						m := *c.Mask
						m.Value = strings.TrimSpace(m.Value)
						o.Columns[i].Mask = &m
					}
				}
			}
		}),
		"lifecycle/a revoked account is denied at once":     forgets(plan.Revoke),
		"lifecycle/a retired role is gone with its members": forgets(plan.Retire),
		"lifecycle/an extended grant has its new end":       forgets(plan.Extend),
		"lifecycle/fewer columns close for members, more open": asks(func(c plan.Change) (plan.Change, bool) {
			if c.Action == plan.Provision && c.PriorRole != nil && len(c.PriorRole.Objects[0].Columns) > len(c.Role.Objects[0].Columns) {
				c.Role = c.PriorRole // only ever adds
			}
			return c, true
		}),
		"access/a column that is not listed is denied": provisions(func(r *grant.Role) {
			r.Objects[0].Columns = append(r.Objects[0].Columns, grant.Column{Name: "iban"})
		}),
		"access/a table that is not listed is denied": provisions(func(r *grant.Role) {
			o := r.Objects[0]
			o.Path = append(slices.Clone(o.Path[:2]), "wages")
			r.Objects = append(r.Objects, o)
		}),
		"access/write level leaves a read-only object as it is": provisions(func(r *grant.Role) {
			for i := range r.Objects {
				r.Objects[i].ReadOnly = false
			}
		}),
		"aliases/accounts that differ in case are two":                    lets(strings.ToLower),
		"aliases/accounts that differ in a space at the end are two":      lets(strings.TrimSpace),
		"aliases/accounts that differ in the Unicode normal form are two": lets(replaces("a\u030a", "\u00e5")),
		"aliases/accounts that differ in quotes are two":                  lets(replaces(`"`, "")),
		"aliases/accounts that differ in a character of no width are two": lets(replaces("\u200b", "")),
		"aliases/nobody, everybody, a pattern and a role are no accounts": lets(replaces("%", "ann")),
		"names/sixty-three bytes":                                         lets(func(s string) string { return s[:min(len(s), 62)] }),
		"names/wildcards":                                                 lets(replaces("_", "\\_")),
		"aliases/tables that differ in a space at the end are two": provisions(func(r *grant.Role) {
			for i, o := range r.Objects {
				r.Objects[i].Path = append(slices.Clone(o.Path[:2]), strings.TrimSpace(o.Path[2]))
			}
		}),
		"aliases/two spellings of a column, one masked, are never clear": provisions(func(r *grant.Role) {
			o := &r.Objects[0]
			o.Columns = slices.DeleteFunc(o.Columns, func(c grant.Column) bool { return c.Mask != nil }) // the last one counts
			for i := range o.Columns {
				o.Columns[i].Name = strings.ToLower(o.Columns[i].Name)
			}
		}),
		"aliases/a column spelled otherwise is never clear": provisions(func(r *grant.Role) {
			unmask(r) // looks for the mask of "iban", finds none
			for i, c := range r.Objects[0].Columns {
				r.Objects[0].Columns[i].Name = strings.ToLower(c.Name)
			}
		}),
		"aliases/a table listed twice, once masked, is never clear": provisions(func(r *grant.Role) {
			r.Objects = r.Objects[len(r.Objects)-1:]
		}),
		"contract/a change for another connection is refused": asks(func(c plan.Change) (plan.Change, bool) {
			if c.Role != nil {
				r := *c.Role
				r.Connection = "box"
				c.Role = &r
			}
			return c, true
		}),
		"contract/an action that is unknown is refused and the others go on": asks(func(c plan.Change) (plan.Change, bool) {
			if c.Action == "lend" {
				c.Action = plan.Allow
			}
			return c, true
		}),
		"contract/a batch from behind gives nothing": marks(func(m *platform.Mark) { m.Seq += 1000 }),
		"contract/the mark is kept and read back":    marks(func(m *platform.Mark) { m.Digest = "" }),
		"foreign/a grant by hand outlives everything that is ours": {apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			out, err := p.Apply(ctx, b)
			for i, o := range out {
				if o.Status == platform.Residual {
					out[i].Status = platform.Failed
				}
			}
			return out, errors.Join(err, errors.New("cleaned up what others gave"))
		}},
	}
}

func outcomeLies() map[string]liar {
	return map[string]liar{
		"repeat/a batch applied again is done and changes nothing":    calls(platform.Done, platform.Applied),
		"lifecycle/a revoked account can come back":                   calls(platform.Applied, platform.Done),
		"missing/a missing account is pending and the others go on":   calls(platform.Pending, platform.Failed),
		"missing/a role whose only table is missing opens nothing":    calls(platform.Pending, platform.Applied),
		"foreign/revoking from one who reads another way is residual": calls(platform.Residual, platform.Applied),
		"foreign/a name taken by a stranger is not ours":              calls(platform.Failed, platform.Applied),
		"access/a provisioned role lets nobody read":                  tells(func([]platform.Outcome) []platform.Outcome { return nil }),
		"repeat/taking away again is done":                            tells(func(out []platform.Outcome) []platform.Outcome { slices.Reverse(out); return out }),
		"contract/a change that comes twice in a batch is made once":  tells(func(out []platform.Outcome) []platform.Outcome { return out[:len(out)-1] }),
		"contract/an empty batch is no error":                         tells(func(out []platform.Outcome) []platform.Outcome { return append(out, platform.Outcome{}) }),
		"access/a level that is not claimed is unsupported": tells(func(out []platform.Outcome) []platform.Outcome {
			for i := range out {
				out[i].Detail = ""
			}
			return out
		}),
		"missing/a failing role keeps no other role from its change": {apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			var out []platform.Outcome
			stopped := false
			for _, c := range b.Changes {
				if stopped {
					out = append(out, platform.Outcome{Change: c, Status: platform.Failed, Code: platform.Busy, Detail: "stopped"})
					continue
				}
				o, err := p.Apply(ctx, platform.Batch{Changes: []plan.Change{c}, Mark: b.Mark})
				if err != nil {
					return nil, err
				}
				out = append(out, o...)
				stopped = o[0].Status == platform.Pending
			}
			return out, nil
		}},
		"contract/changes do not leak into the values given": tells(func(out []platform.Outcome) []platform.Outcome {
			for _, o := range out {
				if o.Change.Grant != nil {
					o.Change.Grant.NotAfter = time.Time{}
				}
			}
			return out
		}),
		"contract/a batch from behind still takes away": {apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			st, err := p.Observe(ctx)
			if err != nil || st.Mark.Seq <= b.Mark.Seq {
				return p.Apply(ctx, b)
			}
			var out []platform.Outcome
			for _, c := range b.Changes {
				out = append(out, platform.Outcome{Change: c, Status: platform.Failed, Code: platform.Behind, Detail: "older"})
			}
			return out, nil
		}},
		"contract/a cancelled context is an error and nothing is believed": {apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			return p.Apply(context.WithoutCancel(ctx), b)
		}},
		"engines/four engines that let in: what one of them calls applied is there": {apply: func(ctx context.Context, p platform.Platform, b platform.Batch) ([]platform.Outcome, error) {
			out, err := p.Apply(ctx, b)
			for _, c := range b.Changes { // the last writer wins, with what it knew
				if c.Action == plan.Allow {
					_, _ = p.Apply(ctx, platform.Batch{Changes: []plan.Change{{Action: plan.Revoke, Grant: c.Grant}}, Mark: b.Mark})
				}
			}
			return out, err
		}},
	}
}

func observationLies() map[string]liar {
	return map[string]liar{
		"foreign/a grant by hand is shown as foreign, not as ours": sees(func(st *platform.State) {
			for _, f := range st.Foreign {
				st.Ours.Grants = append(st.Ours.Grants, grant.Grant{RoleKey: st.Ours.Roles[0].RoleKey, Principal: f.Principal})
			}
		}),
		"names/double quote":                          sees(func(st *platform.State) { st.Foreign = nil }),
		"observe/an empty place is observed as empty": sees(func(st *platform.State) { st.Mark.Seq++ }),
		"observe/observed is what was applied":        sees(func(st *platform.State) { slices.Reverse(st.Ours.Roles) }),
		"masks/a mask changed replaces the one before": sees(func(st *platform.State) {
			for i := range st.Ours.Roles {
				unmask(&st.Ours.Roles[i])
			}
		}),
		"repeat/many members come and go in one batch":      sees(func(st *platform.State) { st.Ours.Grants = st.Ours.Grants[:min(len(st.Ours.Grants), 25)] }),
		"repeat/a restart between every step loses nothing": seesGrants(func(g *grant.Grant) { g.NotAfter = time.Time{} }),
		"lifecycle/columns in another order are the order observed": sees(func(st *platform.State) {
			for _, r := range st.Ours.Roles {
				for _, o := range r.Objects {
					slices.SortFunc(o.Columns, func(a, b grant.Column) int { return strings.Compare(a.Name, b.Name) })
				}
			}
		}),
		"lifecycle/products that slug alike are two roles": seesGrants(func(g *grant.Grant) { g.Requests = nil }),
		"access/a source can be a scope of its own":        seesGrants(func(g *grant.Grant) { g.NotAfter = g.NotAfter.In(time.FixedZone("", 3600)) }),
		"observe/a member put in by hand is seen without requests, and goes": sees(func(st *platform.State) {
			st.Ours.Grants = slices.DeleteFunc(st.Ours.Grants, func(g grant.Grant) bool { return len(g.Requests) == 0 })
		}),
		"observe/a member taken out by hand is missing, and comes back":                    believer(),
		"observe/the server has a lasting identity":                                        sees(func(st *platform.State) { st.ServerID += time.Now().String() }),
		"missing/a table dropped and made anew is not open, seen as missing, and repaired": believer(),
		"planned/an observation that failed plans no revocation": {observe: func(ctx context.Context, p platform.Platform) (platform.State, error) {
			st, _ := p.Observe(ctx)
			return st, nil // silence is taken for emptiness
		}},
		"planned/a mass revocation is held and everybody keeps reading until it is confirmed": sees(func(st *platform.State) {
			if len(st.Ours.Grants) > 10 {
				st.Ours.Grants = st.Ours.Grants[:10]
			}
		}),
		"planned/what was changed by hand is planned back":                       forgets(plan.Allow),
		"planned/what is planned from nothing is applied and plans nothing more": seesGrants(func(g *grant.Grant) { g.NotAfter = g.NotAfter.Add(time.Second) }),
		"contract/looking twice gives the same answer, byte for byte": sees(func(st *platform.State) {
			if time.Now().UnixNano()%2 == 0 {
				st.ServerID += "x"
			}
			st.ServerID += time.Now().String()
		}),
	}
}

func otherLies() map[string]liar {
	return map[string]liar{
		"observe/discovery lists tables in order, with columns, without ours": {discover: func(all []platform.Source) []platform.Source {
			slices.Reverse(all)
			return all
		}},
		"contract/a preview executes nothing and says what will be done": {preview: func(ctx context.Context, p platform.Platform, changes []plan.Change) ([]platform.Statement, error) {
			st, err := p.Preview(ctx, changes)
			_, _ = p.Apply(ctx, platform.Batch{Changes: changes, Mark: platform.Mark{Seq: 1 << 40}})
			return st, err
		}},
		"contract/a preview of nothing is empty": {preview: func(context.Context, platform.Platform, []plan.Change) ([]platform.Statement, error) {
			return []platform.Statement{{Text: "BEGIN"}}, nil
		}},
		"contract/addresses tell roles apart where masks do": {address: func(p platform.Platform, k grant.RoleKey, o grant.Object) string {
			k.Profile = grant.DefaultProfile
			return p.Address(k, o)
		}},
		"masks/a member of a masked object never reaches the table": {address: func(p platform.Platform, k grant.RoleKey, o grant.Object) string {
			o.Columns = nil
			return p.Address(k, o)
		}},
		"contract/the capabilities are complete and without repeats": {can: func(c *platform.Capabilities) {
			c.Masks = append(c.Masks, c.Masks[0])
		}},
		"lifecycle/a grant ends by itself where that is claimed": {can: func(c *platform.Capabilities) { c.NativeExpiry = true }},
		"contract/a closed platform answers with errors":         {close: func(platform.Platform) error { return nil }},
		"effective/a member of ours is shown with the mask, a reader by hand without": {effective: func(e *platform.Effective) {
			for i := range e.Access {
				e.Access[i].Masked = nil
			}
		}},
		"effective/a question about one account is answered about that one": {effective: func(e *platform.Effective) {
			e.Access = append(e.Access, platform.Access{Principal: "bob", Path: []string{"x"}})
		}},
		"effective/a revoked account is shown no more, but for what others gave": {effective: func(e *platform.Effective) {
			e.Access = slices.DeleteFunc(e.Access, func(a platform.Access) bool { return a.Origin == platform.ByOthers })
		}},
		"masks/a mask removed gives the column back to members": provisions(func(r *grant.Role) {
			if !r.Objects[0].Masked() {
				r.Objects[0].Columns[2].Mask = &resource.Mask{Type: resource.MaskNull}
			}
		}),
	}
}
