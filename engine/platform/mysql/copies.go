package mysql

import (
	"fmt"
	"strconv"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// maxCopies is how many privileges a role may have times the accounts in it
// before that is warned of. MariaDB keeps a copy of every privilege of a role for
// each umbrella that is in the role, and makes all of them anew with every change
// of it: at 50,000 one more table took a second or two on busy cores, and people
// coming, twenty at a time, half a second.
const maxCopies = 50_000

// crowded is the warning about a role; empty where there is none.
func crowded(role string, tables, people int) string {
	if tables*people <= maxCopies {
		return ""
	}
	return fmt.Sprintf("role %s opens %d tables to %d accounts: MariaDB keeps a copy of each privilege for each account, so every change of the role takes seconds or more",
		role, tables, people)
}

// crowds are the warnings about the roles of a batch, as they will be once its
// statements, which the snapshot knows of, have run.
func (s *snapshot) crowds(changes []plan.Change) []platform.Statement {
	if s.oracle {
		return nil // people are members of the roles themselves
	}
	var out []platform.Statement
	told := map[grant.RoleKey]bool{}
	for _, c := range changes {
		key := c.RoleKey()
		if told[key] || takesAway(c) {
			continue
		}
		told[key] = true
		people := 0
		for who := range s.members[key.RoleName()] {
			if who != s.engine && who != fuseOwner {
				people++
			}
		}
		if text := crowded(key.RoleName(), len(s.direct[s.role(key.RoleName())]), people); text != "" {
			out = append(out, platform.Statement{Text: "-- " + text, Why: "split the product, so that fewer people read fewer tables each"})
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
	r.each("SELECT m.role, COUNT(*), (SELECT COUNT(*) FROM mysql.tables_priv t WHERE t.Host = '' AND t.User = m.role)"+
		" FROM assent.members m WHERE NOT m.ending GROUP BY m.role ORDER BY m.role", func(row []string) error {
		people, err := strconv.Atoi(row[1])
		if err != nil {
			return err
		}
		tables, err := strconv.Atoi(row[2])
		if text := crowded(row[0], tables, people); text != "" {
			a.crowds = append(a.crowds, text)
		}
		return err
	})
	if code, _ := reason(r.err); isServer(r.err) && code == platform.NoObject {
		r.err = nil
	}
}
