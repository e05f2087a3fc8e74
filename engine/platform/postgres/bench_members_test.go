package postgres

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
)

// memberships measures ten thousand people coming, and going, in ten roles.
func (b *bench) memberships(l *load) {
	people := b.full
	var names []string
	for i := range people {
		names = append(names, fmt.Sprintf("u%05d", i))
	}
	for some := range slices.Chunk(names, 500) {
		mustExec(l.t, l.admin, "CREATE ROLE "+strings.Join(some, " LOGIN; CREATE ROLE ")+" LOGIN")
	}
	counter := l.count()
	var in, out, rawIn, rawOut []time.Duration
	var inCost, outCost string
	for range b.rounds {
		l.reset()
		mustExec(l.t, l.admin, "ALTER ROLE "+rawRole(0)+" NOINHERIT") // any change: the roles are warm
		rawIn = append(rawIn, l.runScript(l.script("in.sql", rawMembers("GRANT", "TO", names))))
		rawOut = append(rawOut, l.runScript(l.script("out.sql", rawMembers("REVOKE", "FROM", names))))
		l.reset()
		l.round(l.roles, nil)
		var grants []grant.Grant
		for i, n := range names {
			grants = append(grants, *member(l.roles[i%loadRoles], n))
		}
		slices.SortFunc(grants, grant.Grant.Compare)
		counter.reset()
		in = append(in, l.round(l.roles, grants))
		inCost = counter.String()
		counter.reset()
		out = append(out, l.round(l.roles, nil))
		outCost = counter.String()
	}
	n := fmt.Sprint(people)
	b.add(benchRow{what: n + " people come", against: "psql, GRANT to 500 people a statement", ours: median(in), theirs: median(rawIn), limit: 2, cost: inCost})
	b.add(benchRow{what: n + " people go", against: "psql, REVOKE from 500 people a statement", ours: median(out), theirs: median(rawOut), limit: 3, cost: outCost})
}

func rawMembers(verb, word string, names []string) []string {
	byRole := make([][]string, loadRoles)
	for i, n := range names {
		byRole[i%loadRoles] = append(byRole[i%loadRoles], n)
	}
	var out []string
	for j, members := range byRole {
		for some := range slices.Chunk(members, 500) {
			out = append(out, verb+" "+rawRole(j)+" "+word+" "+strings.Join(some, ", "))
		}
	}
	return out
}
