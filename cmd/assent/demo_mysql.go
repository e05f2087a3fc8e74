package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform/mysql"
	"github.com/assent-dev/assent/engine/resource"
)

// mysqlPeople are those of a private MariaDB or MySQL server.
type mysqlPeople struct {
	private  *mysql.Private
	admin    *mysql.Admin
	password string // of the engine's account
}

func newMySQLPeople(ctx context.Context) (*mysqlPeople, error) {
	private, err := mysql.StartPrivate(ctx, "")
	if err != nil {
		return nil, err
	}
	p := &mysqlPeople{private: private, admin: private.Admin()}
	if err := p.fill(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *mysqlPeople) fill(ctx context.Context) error {
	var sql strings.Builder
	databases := map[string]bool{}
	for _, t := range demoTables() {
		path := withoutSchema(t.path)
		if !databases[path[0]] {
			databases[path[0]] = true
			fmt.Fprintf(&sql, "CREATE DATABASE %s;\n", path[0])
		}
		writeTable(&sql, strings.Join(path, "."), t)
	}
	// A numeric without digits has no cents here.
	if err := p.admin.Exec(ctx, strings.ReplaceAll(sql.String(), "numeric", "numeric(12, 2)")); err != nil {
		return fmt.Errorf("make the demo's tables: %w", err)
	}
	for _, a := range demoAccounts() {
		if err := p.admin.CreateLogin(ctx, a); err != nil {
			return err
		}
	}
	var err error
	p.password, err = p.admin.CreateEngine(ctx, demoEngineRole, slices.Sorted(maps.Keys(databases))...)
	return err
}

// withoutSchema is a path of the example where there are no schemas: what is in
// the schema public of a database is in the database itself, and another schema
// is a database of its own.
func withoutSchema(path []string) []string {
	if path[1] == "public" {
		return []string{path[0], path[2]}
	}
	return path[1:]
}

// sourcePath finds the paths of data sources in the example's files: in the
// name of a source, and in its file.
var sourcePath = regexp.MustCompile(`warehouse/(\w+)/(\w+)/(\w+)|path: \[(\w+), (\w+), (\w+)\]`)

// files are the example's files with the tables where this server has them.
func (p *mysqlPeople) files(files map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	for name, raw := range files {
		out[withoutSchemas(name)] = []byte(withoutSchemas(string(raw)))
	}
	return out
}

func withoutSchemas(text string) string {
	return sourcePath.ReplaceAllStringFunc(text, func(found string) string {
		m := sourcePath.FindStringSubmatch(found)
		if m[1] != "" {
			return "warehouse/" + strings.Join(withoutSchema(m[1:4]), "/")
		}
		return "path: [" + strings.Join(withoutSchema(m[4:7]), ", ") + "]"
	})
}

func (p *mysqlPeople) connection(raw []byte, dir string) ([]byte, error) {
	host, port := p.admin.Where()
	return demoConnection(raw, dir, "mysql", "a MariaDB server", p.password, resource.Endpoint{Host: host, Port: port, TLS: "disable"})
}

func (p *mysqlPeople) query(ctx context.Context, account, sql string) ([][]string, bool, error) {
	rows, err := p.admin.Query(ctx, account, sql)
	return rows, mysql.Denied(err), err
}

func (p *mysqlPeople) close() error { return p.private.Stop() }
