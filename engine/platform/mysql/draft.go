package mysql

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

var _ platform.Drafter = (*MySQL)(nil)

// What a draft cannot know of a server.
const (
	draftServer = "the server's own id"
	draftEngine = "the engine's account"
	draftHost   = "%" // of an account whose host no file says
)

// Draft implements platform.Drafter: the statements of Preview on a server that
// holds nothing of ours, made by the same builder. It takes the server for MariaDB,
// and an account without a host for one that may come from anywhere.
func (m *MySQL) Draft(_ context.Context, d platform.Draft) ([]platform.Statement, error) {
	s := drafted(d)
	b := &builder{s: s}
	held := d.Held()
	if len(held) > 0 { // an Apply before made the books
		if err := b.bootstrap(); err != nil {
			return nil, err
		}
		b.show(held, false, s.notWorded)
		b.take()
	}
	if err := b.bootstrap(); err != nil {
		return nil, err
	}
	return slices.Concat(remarks(d), b.take(), b.show(d.Changes, true, s.notWorded), s.crowds(d.Changes)), nil
}

// drafted is a server with the tables and accounts that a draft is about, and
// nothing else, as far as the files describe them.
func drafted(d platform.Draft) *snapshot {
	s := &snapshot{
		connection: d.Connection, serverID: draftServer, engine: account{draftEngine, draftHost}, passes: true, timers: true,
		logins: map[account]*login{}, byUser: map[string][]account{}, members: map[string]map[account]bool{}, joined: map[account]map[string]bool{},
		databases: map[string]string{}, events: map[string]event{}, rels: map[relName]*relation{},
		direct: map[account]map[relName]*held{}, wide: map[account]map[string]map[string]bool{},
		bookState: bookBegun, // the setup statements make the database
	}
	for _, priv := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		s.own.wide = append(s.own.wide, access{grantee: s.engine, priv: priv, pass: true})
	}
	for _, src := range d.Sources {
		if len(src.Path) != 2 {
			continue
		}
		r := &relation{relName: relName{src.Path[0], src.Path[1]}, kind: "BASE TABLE", engine: "InnoDB"}
		for _, c := range src.Columns {
			col := declaredColumn(c.Type)
			col.name = c.Name
			r.columns = append(r.columns, col)
		}
		s.rels[r.relName] = r
		s.databases[r.database] = ""
	}
	for _, principal := range d.Principals() {
		a := account{principal, draftHost}
		if i := strings.LastIndex(principal, "@"); i > 0 {
			a = account{principal[:i], principal[i+1:]}
		}
		if s.logins[a] == nil {
			s.logins[a] = &login{account: a}
			s.byUser[a.user] = append(s.byUser[a.user], a)
		}
	}
	return s
}

// remarks are what a draft for MariaDB cannot know.
func remarks(d platform.Draft) []platform.Statement {
	out := []platform.Statement{platform.Remark("as on MariaDB; on MySQL 8 people join the product's role itself", "the files do not say which of the two the server is")}
	var late time.Time
	bare := false
	for _, c := range d.Changes {
		if c.Grant == nil || takesAway(c) {
			continue
		}
		bare = bare || !strings.Contains(c.Grant.Principal, "@")
		if c.Grant.NotAfter.After(lastFuse) && c.Grant.NotAfter.After(late) {
			late = c.Grant.NotAfter
		}
	}
	if bare {
		out = append(out, platform.Remark("an account named without a host stands here with @`%`: the server's own entry counts, and the name of the account's own role follows it",
			"the files do not say the host"))
	}
	if !late.IsZero() {
		out = append(out, platform.Remark("ends "+late.UTC().Format(time.RFC3339)+": the engine takes the membership away, as no event can be set so far ahead", "the server's events end in 2038"))
	}
	return out
}

// notWorded names what of a change has no statement here.
func (s *snapshot) notWorded(c plan.Change, lack *fault) []platform.Statement {
	return platform.NotWorded(c, lack.detail, func(o grant.Object) string {
		if _, f := s.serveObject(c.RoleKey(), o); f != nil {
			return f.detail
		}
		return ""
	})
}

// declaredColumn is a column of the type that a file says: of one that masks know,
// by the name that discovery writes or one that people write for it.
func declaredColumn(declared string) column {
	base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(declared)), "(")
	base, _, _ = strings.Cut(base, " ")
	switch base {
	case "integer":
		base = "int"
	case "bool", "boolean":
		base = "tinyint"
	case "numeric", "dec", "fixed":
		base = "decimal"
	case "real":
		base = "double"
	}
	c := column{base: base, declared: declared}
	c.undeclared = !c.readable() && !c.bytes()
	return c
}
