package sandbox

import (
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"
)

// guard is the authorizer of a consumer's connection. Whatever it does not
// know, it refuses. It never trusts the accessor of an action but for the
// names that were drawn at random for this connection: a WITH clause can take
// any other.
type guard struct {
	reach  *reach
	denied string // the first action that was refused
}

// Authorize implements sqlite.Authorizer.
func (g *guard) Authorize(a sqlite.Action) sqlite.AuthResult {
	if g.allowed(a) {
		return sqlite.AuthResultOK
	}
	if g.denied == "" {
		g.denied = describe(a)
	}
	return sqlite.AuthResultDeny
}

func (g *guard) allowed(a sqlite.Action) bool {
	switch a.Type() {
	case sqlite.OpSelect, sqlite.OpRecursive, sqlite.OpFunction:
		return true // loading extensions is off, and the mask functions have random names
	case sqlite.OpRead:
		return g.mayRead(a)
	case sqlite.OpInsert:
		return g.mayInsert(a)
	case sqlite.OpUpdate:
		return a.Database() == "main" && g.reach.update[a.Table()][a.Column()]
	case sqlite.OpDelete:
		return a.Database() == "main" && g.reach.update[a.Table()] != nil
	default:
		return false
	}
}

func (g *guard) mayRead(a sqlite.Action) bool {
	table, column := a.Table(), a.Column()
	if column == "" {
		return g.mayCount(table)
	}
	// Inside a view or trigger of ours: its own table, nothing else.
	if rel, inside := g.reach.inner[a.Accessor()]; inside && rel == table && a.Database() == "main" {
		return true
	}
	switch a.Database() {
	case "main":
		if table == "json_each" || table == "json_tree" {
			return true // table-valued functions over their arguments
		}
		return g.reach.read[table][column]
	case "temp":
		if v := g.reach.views[table]; v != nil {
			return v.mine
		}
		_, ours := g.reach.inner[table]
		return ours
	default:
		return false
	}
}

// mayCount answers for a table of which no column is read, as in count(*). The
// name is as the statement spells it, or that of a table behind a view, or
// that of a WITH clause; the last one only hides nothing where no table bears it.
func (g *guard) mayCount(table string) bool {
	for name, v := range g.reach.views {
		if strings.EqualFold(name, table) {
			return v.mine
		}
		if v.mine && strings.EqualFold(v.relation, table) {
			return true
		}
	}
	for rel := range g.reach.read {
		if strings.EqualFold(rel, table) {
			return true
		}
	}
	if _, ours := g.reach.inner[table]; ours {
		return true
	}
	lower := strings.ToLower(table)
	return !g.reach.known[lower] && !strings.HasPrefix(lower, "assent_") && !strings.HasPrefix(lower, "sqlite_") &&
		!strings.HasPrefix(lower, "pragma_") && lower != "dbstat"
}

func (g *guard) mayInsert(a sqlite.Action) bool {
	if rel, inside := g.reach.inner[a.Accessor()]; inside && rel == a.Table() && a.Database() == "main" {
		return true
	}
	if a.Database() == "temp" {
		v := g.reach.views[a.Table()]
		return v != nil && v.mine && len(v.insert) > 0
	}
	return a.Database() == "main" && g.reach.update[a.Table()] != nil
}

func describe(a sqlite.Action) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", a.Type(), strings.Join(strings.Fields(a.Table()+" "+a.Column()), " ")))
}
