package mysql

import (
	"encoding/json"
	"strings"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
)

// builder turns changes into statements, for Preview and Apply alike. It reads
// a snapshot and writes into it what the statements will do.
type builder struct {
	s   *snapshot
	out []platform.Statement
	// touched are the accounts whose membership or row the statements change.
	touched map[account]bool
	// closings are, by their text, the statements that only close something.
	closings map[string]closing
}

func (b *builder) masker() masker { return masker{b.s.oracle} }

func (b *builder) touch(who account) {
	if b.touched == nil {
		b.touched = map[account]bool{}
	}
	b.touched[who] = true
}

func (b *builder) add(why, text string) {
	b.out = append(b.out, platform.Statement{Text: text, Why: why})
}

// keep adds a statement that keeps our own books, or makes what they need.
func (b *builder) keep(why, text string) {
	b.out = append(b.out, platform.Statement{Text: text, Why: why, Own: true})
}

// take gives the statements so far and starts anew.
func (b *builder) take() []platform.Statement {
	out := b.out
	b.out = nil
	return out
}

// bootstrap makes the bookkeeping where there is none, and our own accounts.
func (b *builder) bootstrap() error {
	if b.s.book == nil {
		b.books()
	}
	return b.owners()
}

func (b *builder) books() {
	const why = "keep our own books on this server"
	const end = ") ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT = '" + bookMark + "'"
	const where = "user VARCHAR(128) NOT NULL, host VARCHAR(255) NOT NULL"
	if b.s.bookState == bookAbsent {
		b.keep(why, "CREATE DATABASE "+ident(bookDatabase))
	}
	for _, text := range []string{
		"CREATE TABLE IF NOT EXISTS assent.salt (one TINYINT PRIMARY KEY, salt CHAR(64) NOT NULL" + end,
		"INSERT IGNORE INTO assent.salt (one, salt) VALUES (1, HEX(RANDOM_BYTES(32)))",
		"CREATE TABLE IF NOT EXISTS assent.roles (name VARCHAR(64) PRIMARY KEY, settled BOOL NOT NULL, body MEDIUMTEXT NOT NULL, born MEDIUMTEXT NOT NULL" + end,
		"CREATE TABLE IF NOT EXISTS assent.homes (name VARCHAR(64) PRIMARY KEY, role VARCHAR(64) NOT NULL" + end,
		"CREATE TABLE IF NOT EXISTS assent.views (home VARCHAR(64), name VARCHAR(64), role VARCHAR(64) NOT NULL," +
			" text CHAR(64) NOT NULL, def CHAR(64) NOT NULL, PRIMARY KEY (home, name)" + end,
		"CREATE TABLE IF NOT EXISTS assent.members (role VARCHAR(64), " + where + ", principal VARCHAR(512) NOT NULL, not_after DATETIME," +
			" requests MEDIUMTEXT NOT NULL, ending BOOL NOT NULL, PRIMARY KEY (role, user, host)" + end,
		"CREATE TABLE IF NOT EXISTS assent.umbrellas (" + where + ", name VARCHAR(64) NOT NULL UNIQUE, PRIMARY KEY (user, host)" + end,
		"CREATE TABLE IF NOT EXISTS assent.meta (one TINYINT PRIMARY KEY, connection VARCHAR(255) NOT NULL, server VARCHAR(255) NOT NULL," +
			" epoch BIGINT UNSIGNED NOT NULL, mark_seq BIGINT UNSIGNED NOT NULL, mark_digest TEXT NOT NULL, owners BOOL NOT NULL" + end,
		"INSERT IGNORE INTO assent.meta (one, connection, server, epoch, mark_seq, mark_digest, owners) VALUES (1, " +
			literal(string(b.s.connection)) + ", " + literal(b.s.serverID) + ", 0, 0, '', FALSE)",
	} {
		b.keep(why, text)
	}
	b.s.bookState = bookWhole
	b.s.book = &book{
		connection: string(b.s.connection),
		roles:      map[string]bookRole{}, homes: map[string]string{}, views: map[relName]bookView{},
		members: map[memberKey]bookMember{}, umbrellas: map[account]string{},
	}
}

// owners makes the two accounts that nobody can log in as.
func (b *builder) owners() error {
	owners := []account{viewsOwner, fuseOwner}
	if !b.s.book.owners {
		for _, a := range owners {
			if b.s.logins[a] != nil {
				return faultf(platform.NotOurs, "account %s exists and is not ours: drop it", a)
			}
		}
		b.keep("say that the accounts are ours", "UPDATE assent.meta SET owners = TRUE")
		b.s.book.owners = true
	}
	how := "IDENTIFIED VIA mysql_native_password USING 'invalid'"
	if b.s.oracle {
		how = "IDENTIFIED WITH caching_sha2_password AS '$A$005$THISISACOMBINATIONOFINVALIDSALTANDPASSWORDTHATMUSTNEVERBRBEUSED'"
	}
	for _, a := range owners {
		if b.s.logins[a] == nil {
			b.keep("an account that nobody can log in as owns what we make", "CREATE USER "+a.quoted()+" "+how+" ACCOUNT LOCK")
			b.s.logins[a] = &login{account: a}
		}
	}
	b.give("let hash masks use the salt", viewsOwner, relName{bookDatabase, "salt"}, reading(nil))
	if !b.s.wide[fuseOwner][bookDatabase]["EVENT"] {
		b.keep("let the events that end grants run", "GRANT EVENT ON "+pattern(bookDatabase)+".* TO "+fuseOwner.quoted())
		b.s.wide[fuseOwner] = map[string]map[string]bool{bookDatabase: {"EVENT": true}}
	}
	return nil
}

// mark records the ledger position of a batch.
func (b *builder) mark(m platform.Mark) {
	if b.s.book.seq == m.Seq && b.s.book.digest == m.Digest {
		return
	}
	b.keep("record the ledger position", "UPDATE assent.meta SET mark_seq = "+number(m.Seq)+", mark_digest = "+literal(m.Digest))
	b.s.book.seq, b.s.book.digest = m.Seq, m.Digest
}

// mine fails where the role of a key is somebody else's. Absent is fine. Where
// the books were lost, a role that the engine may pass on is one that it made.
func (s *snapshot) mine(key grant.RoleKey) error {
	if key.Connection != s.connection {
		return faultf(platform.Unsupported, "the change is for connection %s: apply it there", key.Connection)
	}
	name := key.RoleName()
	if s.book != nil {
		if b, ok := s.book.roles[name]; ok {
			if b.body.RoleKey != key {
				return faultf(platform.NotOurs, "role %s is that of another product: rename one of the two", name)
			}
			return nil
		}
	}
	if s.hasRole(name) && !s.made(name) {
		return faultf(platform.NotOurs, "role %s exists and is not ours: rename or drop it", name)
	}
	return nil
}

// made reports whether the engine made a role: it may pass it on.
func (s *snapshot) made(role string) bool {
	return s.members[role][s.engine]
}

// createRole makes a role and lets the events that end grants take people out
// of it.
func (b *builder) createRole(why, name string) {
	if !b.s.hasRole(name) {
		b.add(why, "CREATE ROLE "+ident(name))
		b.s.logins[b.s.role(name)] = &login{account: b.s.role(name), role: true}
		b.s.join(name, b.s.engine, true)
	}
}

func (b *builder) letFusesOut(name string) {
	if b.s.members[name][fuseOwner] {
		return
	}
	b.add("let the events that end grants take people out", "GRANT "+ident(name)+" TO "+fuseOwner.quoted()+" WITH ADMIN OPTION")
	b.s.join(name, fuseOwner, true)
}

// give grants what of want a role, or an account of ours, lacks on a relation.
// One statement gives all of it: with each that changes a role, the server goes
// through the copies of everybody in it (see copies.go).
func (b *builder) give(why string, to account, at relName, want *held) {
	have := b.s.held(to, at)
	var lacks []string
	for _, priv := range keys(want.columns) {
		var missing []string
		for _, c := range keys(want.columns[priv]) {
			if !have.columns[priv][c] {
				missing = append(missing, c)
			}
		}
		if len(missing) > 0 {
			lacks = append(lacks, priv+" ("+idents(missing)+")")
			b.s.holds(to, at, priv, missing)
		}
	}
	for _, priv := range keys(want.table) {
		if !have.table[priv] {
			lacks = append(lacks, priv)
			b.s.holds(to, at, priv, nil)
		}
	}
	if len(lacks) > 0 {
		b.add(why, "GRANT "+strings.Join(lacks, ", ")+" ON TABLE "+ident(at.database, at.name)+" TO "+b.s.grantee(to))
	}
}

// grantee is how GRANT and REVOKE name a role or an account.
func (s *snapshot) grantee(a account) string {
	if a == s.role(a.user) {
		return ident(a.user)
	}
	return a.quoted()
}

// keepOnly takes from a role what it holds on a relation beyond want. Privileges
// go by name here: those on a table or column that is gone go likewise.
func (b *builder) keepOnly(why string, from account, at relName, want *held) {
	h := b.s.direct[from][at]
	if h.empty() {
		return
	}
	on := " ON TABLE " + ident(at.database, at.name) + " FROM " + b.s.grantee(from)
	for _, priv := range keys(h.table) {
		if !want.table[priv] {
			// This also takes the privilege on every column; what is wanted of it is granted after.
			b.add(why, "REVOKE "+priv+on)
			b.closes(from, at, priv)
			delete(h.table, priv)
			delete(h.columns, priv)
		}
	}
	for _, priv := range keys(h.columns) {
		var extra []string
		for _, c := range keys(h.columns[priv]) {
			if !want.columns[priv][c] {
				extra = append(extra, c)
				delete(h.columns[priv], c)
			}
		}
		if len(extra) > 0 {
			b.add(why, "REVOKE "+priv+" ("+idents(extra)+")"+on)
			b.closes(from, at, priv)
		}
		if len(h.columns[priv]) == 0 {
			delete(h.columns, priv)
		}
	}
	if h.empty() {
		delete(b.s.direct[from], at)
	}
}

// keepNarrow takes from a role what it holds on whole databases and everywhere,
// and takes it out of every role that it was put into.
func (b *builder) keepNarrow(name string) {
	who := b.s.role(name)
	for _, raw := range keys(b.s.wide[who]) {
		on := " ON *.* FROM "
		if raw != "" {
			on = " ON " + ident(raw) + ".* FROM "
		}
		b.add("the role must not hold this", "REVOKE "+strings.Join(keys(b.s.wide[who][raw]), ", ")+on+ident(name))
		b.closes(who, relName{database: raw}, keys(b.s.wide[who][raw])...)
	}
	delete(b.s.wide, who)
	for _, of := range keys(b.s.joined[who]) {
		b.add("the role must not be in another", "REVOKE "+ident(of)+" FROM "+ident(name))
		b.closes(who, relName{})
		b.s.leave(of, who)
	}
}

func sameRole(a, b grant.Role) bool { return toJSON(a) == toJSON(b) }

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always marshals
	}
	return string(text)
}
