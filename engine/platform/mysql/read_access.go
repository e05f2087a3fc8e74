package mysql

import (
	"slices"
	"strings"
)

// readLogins reads every account and role, and what it may do everywhere.
func (s *snapshot) readLogins(r *reader, _ *wanted) {
	s.logins, s.byUser = map[account]*login{}, map[string][]account{}
	kind := "is_role, default_role"
	if s.oracle {
		kind = "'N', ''"
	}
	privs := []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	r.each("SELECT User, Host, "+kind+", Select_priv, Insert_priv, Update_priv, Delete_priv FROM mysql.user", func(row []string) error {
		l := &login{account: account{row[0], row[1]}, role: row[2] == "Y", global: map[string]bool{}}
		if row[3] != "" {
			l.defaults = []string{row[3]}
		}
		for i, p := range privs {
			if row[4+i] == "Y" {
				l.global[p] = true
				s.rights = append(s.rights, access{grantee: l.account, priv: p})
			}
		}
		s.logins[l.account] = l
		if !l.role {
			s.byUser[l.user] = append(s.byUser[l.user], l.account)
		}
		return nil
	})
	for _, as := range s.byUser {
		slices.SortFunc(as, account.compare)
	}
	if s.oracle {
		r.each("SELECT USER, HOST, DEFAULT_ROLE_USER FROM mysql.default_roles", func(row []string) error {
			if l := s.logins[account{row[0], row[1]}]; l != nil {
				l.defaults = append(l.defaults, row[2])
			}
			return nil
		})
	}
}

// readMembers reads who is in which role.
func (s *snapshot) readMembers(r *reader, _ *wanted) {
	s.members, s.joined = map[string]map[account]bool{}, map[account]map[string]bool{}
	query := "SELECT User, Host, Role, Admin_option FROM mysql.roles_mapping"
	if s.oracle {
		query = "SELECT TO_USER, TO_HOST, FROM_USER, WITH_ADMIN_OPTION FROM mysql.role_edges"
	}
	r.each(query, func(row []string) error {
		s.join(row[2], account{row[0], row[1]}, row[3] == "Y")
		return nil
	})
}

// readRights reads every privilege on databases, tables and columns.
func (s *snapshot) readRights(r *reader, _ *wanted) {
	s.readDatabaseRights(r)
	type place struct {
		who account
		at  relName
	}
	// A table of which columns alone are granted has a row here, too: it names the
	// grantor, and says whether they may be passed on.
	type giving struct {
		grantor string
		pass    bool
	}
	given := map[place]giving{}
	r.each("SELECT User, Host, Db, Table_name, Table_priv, Grantor FROM mysql.tables_priv", func(row []string) error {
		p := place{account{row[0], row[1]}, relName{row[2], row[3]}}
		privs := strings.Split(strings.ToUpper(row[4]), ",")
		g := giving{row[5], slices.Contains(privs, "GRANT")}
		given[p] = g
		for _, priv := range privs {
			if priv != "GRANT" && priv != "" {
				s.rights = append(s.rights, access{grantee: p.who, at: p.at, priv: priv, grantor: g.grantor, pass: g.pass})
			}
		}
		return nil
	})
	type key struct {
		place
		priv string
	}
	at := map[key]int{}
	r.each("SELECT User, Host, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv", func(row []string) error {
		p := place{account{row[0], row[1]}, relName{row[2], row[3]}}
		for priv := range strings.SplitSeq(strings.ToUpper(row[5]), ",") {
			k := key{p, priv}
			i, ok := at[k]
			if !ok {
				i = len(s.rights)
				at[k] = i
				s.rights = append(s.rights, access{grantee: p.who, at: p.at, priv: priv, columns: []string{}, grantor: given[p].grantor, pass: given[p].pass})
			}
			s.rights[i].columns = append(s.rights[i].columns, row[4])
		}
		return nil
	})
	for _, i := range at {
		slices.Sort(s.rights[i].columns)
	}
	s.sortRights()
	s.sortOwnRights()
}

// readDatabaseRights reads the privileges on whole databases. The columns of
// mysql.db are not the same in every version.
func (s *snapshot) readDatabaseRights(r *reader) {
	var names []string
	r.each("SHOW COLUMNS FROM mysql.db", func(row []string) error {
		if strings.HasSuffix(row[0], "_priv") {
			names = append(names, row[0])
		}
		return nil
	})
	if r.err != nil {
		return
	}
	r.each("SELECT User, Host, Db, "+idents(names)+" FROM mysql.db", func(row []string) error {
		pass := false
		var privs []string
		for i, n := range names {
			switch p := privilege(n); {
			case row[3+i] != "Y":
			case p == "GRANT OPTION":
				pass = true
			default:
				privs = append(privs, p)
			}
		}
		database := unescape(row[2])
		for _, p := range privs {
			s.rights = append(s.rights, access{
				grantee: account{row[0], row[1]}, at: relName{database: database}, raw: row[2], priv: p, pass: pass,
			})
		}
		return nil
	})
}

// privilege is the name in GRANT of a column of mysql.db.
func privilege(column string) string {
	switch column {
	case "Grant_priv":
		return "GRANT OPTION"
	case "Create_tmp_table_priv":
		return "CREATE TEMPORARY TABLES"
	}
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSuffix(column, "_priv"), "_", " "))
}

// unescape is the one database that a pattern of mysql.db stands for, or the
// pattern itself where it stands for several.
func unescape(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		case c == '_' || c == '%':
			return pattern
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// covers reports whether a database, as mysql.db has it, means this one.
func covers(pattern, database string) bool {
	p, d := []rune(pattern), []rune(database)
	// ends[j] says that the pattern so far matches the first j characters.
	ends := make([]bool, len(d)+1)
	ends[0] = true
	for i := 0; i < len(p); i++ {
		next := make([]bool, len(d)+1)
		if p[i] == '%' {
			open := false
			for j := range next {
				open = open || ends[j]
				next[j] = open
			}
			ends = next
			continue
		}
		one := p[i] == '_'
		if p[i] == '\\' && i+1 < len(p) {
			i++
		}
		for j := range d {
			next[j+1] = ends[j] && (one || p[i] == d[j])
		}
		ends = next
	}
	return ends[len(d)]
}

// sortRights orders the privileges, and sorts out those of our own roles.
func (s *snapshot) sortRights() {
	slices.SortStableFunc(s.rights, func(a, b access) int {
		if c := strings.Compare(a.at.database, b.at.database); c != 0 {
			return c
		}
		if c := strings.Compare(a.at.name, b.at.name); c != 0 {
			return c
		}
		if c := a.grantee.compare(b.grantee); c != 0 {
			return c
		}
		return strings.Compare(a.priv, b.priv)
	})
	s.direct = map[account]map[relName]*held{}
	s.wide = map[account]map[string]map[string]bool{}
	for _, a := range s.rights {
		if !s.ourNamespace(a.grantee) {
			continue
		}
		if a.at.name != "" {
			s.holds(a.grantee, a.at, a.priv, a.columns)
			continue
		}
		if s.wide[a.grantee] == nil {
			s.wide[a.grantee] = map[string]map[string]bool{}
		}
		if s.wide[a.grantee][a.raw] == nil {
			s.wide[a.grantee][a.raw] = map[string]bool{}
		}
		s.wide[a.grantee][a.raw][a.priv] = true
	}
}

// ourNamespace reports whether an account could be one of our roles, or is one
// of the two that nobody logs in as.
func (s *snapshot) ourNamespace(a account) bool {
	return a == viewsOwner || a == fuseOwner || a == s.role(a.user) && strings.HasPrefix(a.user, ourPrefix)
}
