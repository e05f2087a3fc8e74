package platform

import (
	"context"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/resource"
)

// Drafter words what Apply would run from what the files say alone, so that people
// can read it where nobody may connect: whoever judges a pull request holds no
// credential of any platform.
type Drafter interface {
	// Draft renders, without a connection, the statements that Apply would run for
	// these changes on a platform that holds nothing of ours but what Draft.Held
	// says, and all that the changes need of others. Where the files do not say
	// enough to word a statement, a remark names it.
	Draft(ctx context.Context, d Draft) ([]Statement, error)
}

// Draft is what a draft rests on.
type Draft struct {
	Connection resource.Name
	Changes    []plan.Change
	// Sources are the tables that the changes are about, as the files describe them.
	Sources []Source
}

// Held are the changes that must have been carried out before, for the others to
// make sense: who leaves a role was in it, and who joins one that is not provisioned
// with these changes finds it there.
func (d Draft) Held() []plan.Change {
	var out []plan.Change
	roles, provisioned := map[grant.RoleKey]bool{}, map[grant.RoleKey]bool{}
	for _, c := range d.Changes {
		provisioned[c.RoleKey()] = provisioned[c.RoleKey()] || c.Action == plan.Provision
		if c.PriorRole != nil && !roles[c.RoleKey()] {
			roles[c.RoleKey()] = true
			out = append(out, plan.Change{Action: plan.Provision, Reason: plan.ReasonProduct, Role: c.PriorRole})
		}
	}
	for _, c := range d.Changes {
		if c.Grant != nil && !roles[c.RoleKey()] && !provisioned[c.RoleKey()] {
			roles[c.RoleKey()] = true
			out = append(out, plan.Change{Action: plan.Provision, Reason: plan.ReasonProduct, Role: &grant.Role{RoleKey: c.RoleKey()}})
		}
		if c.PriorGrant != nil {
			out = append(out, plan.Change{Action: plan.Allow, Reason: plan.ReasonApproved, Grant: c.PriorGrant})
		}
	}
	return out
}

// Principals are the accounts of the changes, as the files spell them.
func (d Draft) Principals() []string {
	var out []string
	for _, c := range d.Changes {
		if c.Grant != nil {
			out = append(out, c.Grant.Principal)
		}
	}
	return out
}

// NotWorded names what of a change has no statement in a draft: the objects of its
// role for which lack gives a reason, or, of a grant, the account, for why.
func NotWorded(c plan.Change, why string, lack func(grant.Object) string) []Statement {
	if c.Role == nil {
		return []Statement{Remark(c.Grant.Principal+" is not let in: "+why, why)}
	}
	var out []Statement
	for _, o := range c.Role.Objects {
		if why := lack(o); why != "" {
			out = append(out, Remark(strings.Join(o.Path, ".")+" has no statement here, or not for all columns: "+why, why))
		}
	}
	return out
}

// Remark is a line of a draft or a preview that is no statement.
func Remark(text, why string) Statement {
	return Statement{Text: remarkPrefix + oneLine.Replace(text), Why: why}
}

// IsRemark reports whether a statement is a comment alone.
func (s Statement) IsRemark() bool { return strings.HasPrefix(s.Text, remarkPrefix) }

const remarkPrefix = "-- "

// oneLine keeps a text, which may hold the names of others, within a comment.
var oneLine = strings.NewReplacer("\n", " ", "\r", " ")
