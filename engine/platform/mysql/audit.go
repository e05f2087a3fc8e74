package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

var (
	_ platform.SelfAuditor = (*MySQL)(nil)
	_ platform.Describer   = (*MySQL)(nil)
)

const another = "use the account that `assent setup` makes"

// Describe implements platform.Describer.
func (m *MySQL) Describe(ctx context.Context) (platform.Description, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, err := m.audit(ctx)
	if err != nil {
		return platform.Description{}, err
	}
	product := "MariaDB "
	if a.s.oracle {
		product = "MySQL "
	}
	version, _, _ := strings.Cut(a.version, "-")
	return platform.Description{Product: product + version, TLS: a.tls, Account: a.s.engine.String()}, nil
}

// SelfAudit implements platform.SelfAuditor.
//
//	refused   superuser         the account holds SUPER, or everything with the right to pass it on
//	warned    old-version       before MariaDB 10.11
//	          read-only         nothing can be written there: a replica
//	          no-events         grants do not end by themselves
//	          crowded-role      a role opens so many tables to so many people that its changes take long
//	          global-privilege  it holds something on every database, which it does not need
//	          no-create-user, no-set-user, no-connection-admin, no-process, no-default-role
//	                            rights that it lacks
//
// With CREATE USER and SET USER, which it cannot do without, whoever holds the
// engine's password can become the server's administrator; see SetupSQL. No
// finding repeats that.
func (m *MySQL) SelfAudit(ctx context.Context) ([]platform.Finding, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, err := m.audit(ctx)
	if err != nil {
		return nil, err
	}
	return a.findings(!m.cfg.NoEndSessions), nil
}

// selfAudit is what the server says of the engine's account and of itself.
type selfAudit struct {
	s                     *snapshot
	version, tls          string
	readOnly, defaultRole bool
	crowds                map[string]string
}

func (m *MySQL) audit(ctx context.Context) (*selfAudit, error) {
	conn, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, conn: conn}
	a := &selfAudit{s: &snapshot{connection: m.cfg.Connection}}
	a.s.readServer(r, nil)
	r.each("SELECT VERSION(), @@read_only", func(row []string) error {
		a.version, a.readOnly = row[0], row[1] != "0"
		return nil
	})
	r.each("SHOW SESSION STATUS LIKE 'Ssl_version'", func(row []string) error {
		a.tls = row[1]
		return nil
	})
	r.each("SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = "+literal(bookDatabase)+" AND ROUTINE_NAME = 'default_role'", func([]string) error {
		a.defaultRole = true
		return nil
	})
	a.readCrowds(r)
	if r.err != nil {
		return nil, m.whole("audit the engine's account", r.err)
	}
	m.timers = a.s.timers
	return a, nil
}

// needed are the privileges on everything that the engine cannot do without.
// On MySQL, what is not a static privilege has other names; see setupMySQL.
func (a *selfAudit) needed(endsSessions bool) map[string]string {
	out := map[string]string{
		"CREATE USER": "make roles", "SET USER": "make views and events that run as accounts of ours",
		"PROCESS": "tell a table from one that took its name",
	}
	if endsSessions {
		out["CONNECTION ADMIN"] = "end the sessions of people whose access ended"
	}
	if a.s.oracle {
		return map[string]string{"CREATE USER": out["CREATE USER"]}
	}
	return out
}

// harmless are the privileges on everything that the engine may hold beside.
func harmless() []string {
	return []string{"USAGE", "CREATE USER", "CREATE ROLE", "DROP ROLE", "SET USER", "PROCESS", "CONNECTION ADMIN", "SHOW DATABASES"}
}

func (a *selfAudit) findings(endsSessions bool) []platform.Finding {
	var out []platform.Finding
	add := func(refuse bool, code, text, fix string) {
		out = append(out, platform.Finding{Code: code, Refuse: refuse, Text: text, Fix: fix})
	}
	me := a.s.engine.quoted()
	if a.s.super {
		add(true, "superuser", "the engine's account "+a.s.engine.String()+" may do everything: a mistake of the engine would have no bounds", another)
	}
	if a.readOnly {
		add(false, "read-only", "the server is read-only, as a replica is, and takes no changes", "point the connection at the primary server")
	}
	if old := a.old(); old {
		add(false, "old-version", "the server is MariaDB "+a.version+": the engine needs 10.11 or newer", "upgrade the server")
	}
	if !a.s.timers {
		add(false, "no-events", "the server runs no events, so grants end only while an engine runs", "SET GLOBAL event_scheduler = ON, and set it in the server's configuration")
	}
	for _, role := range keys(a.crowds) {
		add(false, "crowded-role", a.crowds[role], split)
	}
	if a.s.super {
		return out
	}
	for _, p := range keys(a.s.global) {
		if !slices.Contains(harmless(), p) && strings.ToUpper(p) == p && !strings.Contains(p, "_") {
			add(false, "global-privilege", "the engine's account holds "+p+" on every database and needs it on none or few", fmt.Sprintf("REVOKE %s ON *.* FROM %s", p, me))
		}
	}
	needed := a.needed(endsSessions)
	for _, p := range keys(needed) {
		if !a.s.global[p] {
			add(false, "no-"+strings.ReplaceAll(strings.ToLower(p), " ", "-"), "the engine's account cannot "+needed[p], "GRANT "+p+" ON *.* TO "+me)
		}
	}
	if !a.s.oracle && !a.defaultRole {
		add(false, "no-default-role", "the engine's account cannot make a role active in the sessions of others", "run the statements of `assent setup` that make the procedure assent.default_role")
	}
	return out
}

func (a *selfAudit) old() bool {
	parts := strings.SplitN(a.version, ".", 3)
	if a.s.oracle || len(parts) < 2 {
		return false
	}
	major, _ := strconv.Atoi(parts[0])
	minor, _ := strconv.Atoi(parts[1])
	return major < 10 || major == 10 && minor < 11
}

// readOwn reads what the engine's account may do everywhere.
func (s *snapshot) readOwn(r *reader) {
	s.global = map[string]bool{}
	pass := false
	own := "'" + s.engine.user + "'@'" + s.engine.host + "'" // as the server writes it, without any quoting
	r.each("SELECT PRIVILEGE_TYPE, IS_GRANTABLE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = "+literal(own), func(row []string) error {
		s.global[row[0]] = true
		pass = pass || row[1] == "YES"
		return nil
	})
	s.passes = pass
	s.super = s.global["SUPER"] || pass && s.global["SELECT"]
}

// tooBroad refuses to give anything as an account that may do everything. What
// takes access away goes on.
func (r *run) tooBroad() error {
	if !r.s.super || !slices.ContainsFunc(r.batch.Changes, func(c plan.Change) bool { return !takesAway(c) }) {
		return nil
	}
	return &platform.Error{
		Connection: r.m.cfg.Connection, Code: platform.TooBroad, Hint: another,
		Err: fmt.Errorf("apply: the engine's account %s may do everything", r.s.engine),
	}
}
