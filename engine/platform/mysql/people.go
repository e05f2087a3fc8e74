package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/assent-dev/assent/engine/platform/private"
)

// Admin is what the owner of a server does around the engine, in a demo or a
// test: make databases, accounts and tables, and ask as a person would.
type Admin struct {
	host      string
	port      int
	user      string            // the administrator
	passwords map[string]string // his, and those of the accounts made here, by name
}

// NewAdmin takes how an administrator logs in, without TLS.
func NewAdmin(host string, port int, user, password string) *Admin {
	return &Admin{host, port, user, map[string]string{user: password}}
}

// CreateLogin makes an account, for any host, that may connect and nothing more.
func (a *Admin) CreateLogin(ctx context.Context, name string) error {
	password := private.Secret()
	if err := a.Exec(ctx, "CREATE USER "+literal(name)+"@'%' IDENTIFIED BY '"+password+"'"); err != nil {
		return fmt.Errorf("create login %s: %w", name, err)
	}
	a.passwords[name] = password
	return nil
}

// CreateEngine runs SetupSQL and returns the password of the engine's account.
func (a *Admin) CreateEngine(ctx context.Context, user string, databases ...string) (password string, err error) {
	password = private.Secret()
	grammar, err := a.grammar(ctx)
	if err != nil {
		return "", err
	}
	setup, err := SetupSQL(grammar, user, password, databases...)
	if err != nil {
		return "", err
	}
	if err := a.Exec(ctx, setup); err != nil {
		return "", fmt.Errorf("create engine account: %w", err)
	}
	return password, nil
}

// grammar is the server's.
func (a *Admin) grammar(ctx context.Context) (Grammar, error) {
	rows, err := a.Query(ctx, a.user, "SELECT VERSION()")
	if err != nil {
		return "", err
	}
	if strings.Contains(rows[0][0], "MariaDB") {
		return MariaDB, nil
	}
	return MySQL8, nil
}

// Exec runs statements, separated by semicolons, as the administrator.
func (a *Admin) Exec(ctx context.Context, statements string) error {
	return a.exec(ctx, a.user, statements)
}

func (a *Admin) exec(ctx context.Context, login, statements string) error {
	db, err := a.open(login)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, statements)
	return err
}

// Where is the host and port of the server.
func (a *Admin) Where() (host string, port int) { return a.host, a.port }

// Query asks as a login, in a session of its own. NULL reads as "<null>".
func (a *Admin) Query(ctx context.Context, login, query string, args ...any) ([][]string, error) {
	db, err := a.open(login)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	return texts(rows)
}

// texts are the rows of a result, each value as text.
func texts(rows *sql.Rows) ([][]string, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var out [][]string
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(columns))
		for i, v := range values {
			if row[i] = v.String; !v.Valid {
				row[i] = "<null>"
			}
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// open gives sessions of a login; none is made before the first statement.
func (a *Admin) open(login string) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", net.JoinHostPort(a.host, strconv.Itoa(a.port))
	c.User, c.Passwd = login, a.passwords[login]
	c.MultiStatements, c.InterpolateParams = true, true
	c.Timeout, c.Logger = 10*time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Denied reports whether the server refused for want of a right.
func Denied(err error) bool {
	var my *mysql.MySQLError
	if !errors.As(err, &my) {
		return false
	}
	switch my.Number {
	case 1044, 1142, 1143, 1227, 1370: // on a database, a table, a column, a global right, a routine
		return true
	}
	return false
}
