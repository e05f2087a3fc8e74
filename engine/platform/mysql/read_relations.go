package mysql

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// One statement asks for a number of tables in each of a number of databases.
// For each SELECT from information_schema the server makes a temporary table,
// which costs a hundred times what one more name in a list does; it opens the
// tables alone whose names are in the list. Names are compared as bytes: by its
// own collation the server takes two spellings of a name for one and looks for
// the first alone.
const (
	maxNames     = 1000
	maxDatabases = 10
)

// readRelations reads the tables of the books and of the batch, and everything
// in the databases of masked views.
func (s *snapshot) readRelations(r *reader, w *wanted) {
	s.rels = map[relName]*relation{}
	where := s.places(w.paths)
	s.tables(r, where, func(at relName) bool { return w.paths[at] })
	s.columns(r, where)
	s.readDefiners(r)
	s.innodb(r)
	if s.book == nil {
		return
	}
	var homes []string
	for _, home := range keys(s.book.homes) {
		if _, ok := s.databases[home]; ok {
			homes = append(homes, "TABLE_SCHEMA = "+literal(home))
		}
	}
	s.tables(r, homes, func(at relName) bool { return s.book.homes[at.database] != "" })
	s.union(r, "SELECT TABLE_SCHEMA, TABLE_NAME, DEFINER, "+viewDigest+" FROM information_schema.VIEWS", homes, func(row []string) error {
		if v := s.rels[relName{row[0], row[1]}]; v != nil {
			v.definer, v.def = row[2], row[3]
		}
		return nil
	})
}

// viewDigest is the digest of what the server made of a view.
const viewDigest = "SHA2(CONCAT_WS('|', DEFINER, SECURITY_TYPE, CHECK_OPTION, COLLATION_CONNECTION, VIEW_DEFINITION), 256)"

// places are the conditions that hold for these relations, and none outside
// their databases.
func (s *snapshot) places(paths map[relName]bool) []string {
	names := map[string][]string{}
	for _, at := range relNames(paths) {
		if _, ok := s.databases[at.database]; ok && !s.systemDatabase(at.database) {
			names[at.database] = append(names[at.database], at.name)
		}
	}
	var out []string
	for _, database := range keys(names) {
		for some := range slices.Chunk(names[database], maxNames) {
			out = append(out, "TABLE_SCHEMA = "+literal(database)+" AND CAST(TABLE_NAME AS BINARY) IN ("+literals(some)+")")
		}
	}
	return out
}

func (s *snapshot) systemDatabase(name string) bool {
	switch strings.ToLower(name) {
	case "mysql", "information_schema", "performance_schema", "sys", bookDatabase:
		return true
	}
	return false
}

// union runs one query with every condition, some at a time.
func (s *snapshot) union(r *reader, query string, where []string, fn func(row []string) error) {
	for some := range slices.Chunk(where, maxDatabases) {
		parts := make([]string, len(some))
		for i, w := range some {
			parts[i] = query + " WHERE " + w
		}
		r.each(strings.Join(parts, " UNION ALL "), fn)
	}
}

func (s *snapshot) tables(r *reader, where []string, wanted func(relName) bool) {
	query := "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, CREATE_TIME, TABLE_COMMENT, ENGINE FROM information_schema.TABLES"
	s.union(r, query, where, func(row []string) error {
		at := relName{row[0], row[1]}
		if wanted(at) && row[2] != "SEQUENCE" {
			s.rels[at] = &relation{relName: at, kind: row[2], comment: row[4], engine: row[5], born: birth{Created: row[3], Seen: s.now.Format(time.DateTime)}}
		}
		return nil
	})
}

func (s *snapshot) columns(r *reader, where []string) {
	query := "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_COMMENT, ORDINAL_POSITION FROM information_schema.COLUMNS"
	s.union(r, query, where, func(row []string) error {
		rel := s.rels[relName{row[0], row[1]}]
		if rel == nil {
			return nil
		}
		n, err := strconv.Atoi(row[7])
		for len(rel.columns) < n {
			rel.columns = append(rel.columns, column{})
		}
		if err == nil && n > 0 {
			rel.columns[n-1] = column{name: row[2], base: strings.ToLower(row[3]), declared: row[4], nullable: row[5] == "YES", comment: row[6]}
		}
		return err
	})
}

// plainTable is a name that InnoDB keeps as it is; others it encodes.
var plainTable = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

// innodb reads the ids of tables: without the right to, tables go without.
func (s *snapshot) innodb(r *reader) {
	var names []string
	for _, at := range relNames(s.rels) {
		if plainTable.MatchString(at.database) && plainTable.MatchString(at.name) {
			names = append(names, at.database+"/"+at.name)
		}
	}
	if len(names) == 0 || r.err != nil {
		return
	}
	table := "INNODB_SYS_TABLES"
	if s.oracle {
		table = "INNODB_TABLES"
	}
	r.each("SELECT NAME, TABLE_ID FROM information_schema."+table+" WHERE NAME IN ("+literals(names)+")", func(row []string) error {
		database, name, _ := strings.Cut(row[0], "/")
		var err error
		if rel := s.rels[relName{database, name}]; rel != nil {
			rel.born.ID, err = strconv.ParseUint(row[1], 10, 64)
		}
		return err
	})
	if isServer(r.err) {
		r.err = nil
	}
}
