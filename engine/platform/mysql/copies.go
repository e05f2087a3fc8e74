package mysql

import (
	"fmt"
	"strconv"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// MariaDB keeps a copy of every privilege of a role for each umbrella that is in
// the role. With every change of a role it looks, for each of its people, at all
// the copies of all roles of the server, and lets nobody log in meanwhile. At
// maxLooks that took a second or two on busy cores, so above it is warned.
const (
	maxLooks  = 5_000_000
	looksASec = 4_000_000
)

// crowd is how many relations a role opens, and to how many accounts.
type crowd struct {
	role           string
	tables, people int
}

// crowded are the warnings about roles, by name.
func crowded(all []crowd) map[string]string {
	copies := 0
	for _, c := range all {
		copies += c.tables * c.people
	}
	out := map[string]string{}
	for _, c := range all {
		if looks := c.people * copies; looks > maxLooks {
			out[c.role] = fmt.Sprintf("role %s opens %d tables to %d accounts: with a copy of each privilege for each account, %d in all its roles, "+
				"the server takes about %d s or more for each table that comes or goes, and lets nobody log in meanwhile", c.role, c.tables, c.people, copies, 1+looks/looksASec)
		}
	}
	return out
}

// split is what an administrator can do about a crowd.
const split = "split the product, so that fewer people read fewer tables each"

// crowds are the warnings about the roles of a batch, as they will be once its
// statements, which the snapshot knows of, have run.
func (s *snapshot) crowds(changes []plan.Change) []platform.Statement {
	if s.oracle {
		return nil // people are members of the roles themselves
	}
	var all []crowd
	for name := range s.book.roles {
		people := 0
		for who := range s.members[name] {
			if who != s.engine && who != fuseOwner {
				people++
			}
		}
		all = append(all, crowd{name, len(s.direct[s.role(name)]), people})
	}
	warnings := crowded(all)
	var out []platform.Statement
	told := map[grant.RoleKey]bool{}
	for _, c := range changes {
		key := c.RoleKey()
		if text := warnings[key.RoleName()]; text != "" && !told[key] && !takesAway(c) {
			told[key] = true
			out = append(out, platform.Statement{Text: "-- " + text, Why: split})
		}
	}
	return out
}

// readCrowds finds the crowded roles for the self-audit. Where there are no
// books yet, there is none.
func (a *selfAudit) readCrowds(r *reader) {
	if a.s.oracle || r.err != nil {
		return
	}
	var all []crowd
	r.each("SELECT m.role, COUNT(*), (SELECT COUNT(*) FROM mysql.tables_priv t WHERE t.Host = '' AND t.User = m.role)"+
		" FROM assent.members m WHERE NOT m.ending GROUP BY m.role", func(row []string) error {
		people, err := strconv.Atoi(row[1])
		if err != nil {
			return err
		}
		tables, err := strconv.Atoi(row[2])
		all = append(all, crowd{row[0], tables, people})
		return err
	})
	if code, _ := reason(r.err); isServer(r.err) && code == platform.NoObject {
		r.err = nil
	}
	a.crowds = crowded(all)
}
