package sandbox

import (
	"strings"

	"zombiezen.com/go/sqlite"
)

// guard is the authorizer of a consumer's connection. Whatever it does not
// know, it refuses. It trusts no name but those that were drawn at random for
// this connection: a WITH clause can take any other.
type guard struct {
	reach  *reach
	denied string // the first action that was refused
}

// Authorize implements sqlite.Authorizer.
func (g *guard) Authorize(a sqlite.Action) sqlite.AuthResult {
	if g.reach.trusted || g.allowed(a) {
		return sqlite.AuthResultOK
	}
	if g.denied == "" {
		g.denied = strings.Join(strings.Fields(a.Type().String()+" "+a.Table()+" "+a.Column()), " ")
	}
	return sqlite.AuthResultDeny
}

func (g *guard) allowed(a sqlite.Action) bool {
	direct := a.Database() == g.reach.token && g.reach.direct[a.Table()]
	switch a.Type() {
	case sqlite.OpSelect, sqlite.OpRecursive:
		return true
	case sqlite.OpFunction:
		return true // loading extensions is off, and our own functions have random names
	case sqlite.OpRead:
		return g.mayRead(a)
	case sqlite.OpInsert:
		v := g.reach.views[a.Table()]
		return direct || a.Database() == "temp" && v != nil && v.mine && len(v.insert) > 0
	case sqlite.OpUpdate, sqlite.OpDelete:
		return direct
	default:
		return false
	}
}

func (g *guard) mayRead(a sqlite.Action) bool {
	table, column := a.Table(), a.Column()
	switch {
	case column == "":
		return g.mayCount(a.Database(), table)
	case g.reach.inner[a.Accessor()]:
		return true // the body of a view or trigger of ours, which holds nothing else
	case a.Database() == g.reach.token:
		return g.reach.direct[table]
	case a.Database() == "temp":
		v := g.reach.views[table]
		return g.reach.inner[table] || v != nil && v.mine && v.open[column]
	case a.Database() == "main":
		return table == "json_each" || table == "json_tree" // functions over their arguments
	default:
		return false
	}
}

// mayCount answers for a table of which no column is read, as in count(*). The
// name is as the statement spells it, and may be that of a WITH clause or a
// subquery: where nothing of ours bears it, it is the statement's own. The
// attached file is named only by views of ours.
func (g *guard) mayCount(database, table string) bool {
	if g.reach.inner[table] || database == g.reach.token {
		return true
	}
	for name, v := range g.reach.views {
		if strings.EqualFold(name, table) {
			return v.mine
		}
	}
	lower := strings.ToLower(table)
	return !strings.HasPrefix(lower, "assent_") && !strings.HasPrefix(lower, "sqlite_") &&
		!strings.HasPrefix(lower, "pragma_") && lower != "dbstat"
}
