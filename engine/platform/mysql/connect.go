package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/assent-dev/assent/engine/platform"
)

const connectTimeout = 10 * time.Second

// sqlMode is the session's own, whatever the server's: no ANSI_QUOTES, as names
// stand in backticks; no NO_BACKSLASH_ESCAPES, as literals double backslashes;
// strict, so that a value too long for the books is an error and not cut.
const sqlMode = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

var errClosed = errors.New("the platform was closed")

func (m *MySQL) driverConfig() (*mysql.Config, error) {
	port := m.cfg.Port
	if port == 0 {
		port = 3306
	}
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", net.JoinHostPort(m.cfg.Host, strconv.Itoa(port))
	c.User, c.Passwd = m.cfg.User, m.cfg.Password
	c.Timeout = connectTimeout
	c.Collation = "utf8mb4_bin"
	c.ParseTime = false // times are read as text, in UTC
	c.Logger = &mysql.NopLogger{}
	c.Params = map[string]string{
		"sql_mode": literal(sqlMode), "time_zone": "'+00:00'",
		"lock_wait_timeout": "2", "innodb_lock_wait_timeout": "2",
	}
	var err error
	if c.TLS, err = m.trust(); err != nil {
		return nil, err
	}
	return c, nil
}

// connect gives the one connection, made anew where it was lost. The caller
// holds the lock.
func (m *MySQL) connect(ctx context.Context) (*sql.Conn, error) {
	if m.closed {
		return nil, m.whole("connect", errClosed)
	}
	if m.conn != nil {
		return m.conn, nil
	}
	connector, err := mysql.NewConnector(m.driver)
	if err != nil {
		return nil, m.whole("connect", err)
	}
	db := sql.OpenDB(connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return nil, m.connecting(err)
	}
	m.db, m.conn = db, conn
	if _, err := conn.ExecContext(ctx, statementTimeout); err != nil && !isServer(err) {
		m.drop()
		return nil, m.connecting(err)
	}
	return conn, nil
}

// statementTimeout bounds every statement on MariaDB, in seconds; MySQL, which
// knows it for SELECT alone and under another name, does not understand it.
const statementTimeout = "SET SESSION max_statement_time = 30"

// drop forgets a connection that may be dead. The lock and the session go with it.
func (m *MySQL) drop() {
	if m.conn != nil {
		_ = m.conn.Close()
		_ = m.db.Close()
		m.conn, m.db = nil, nil
	}
}

// connecting is the error of a login.
func (m *MySQL) connecting(err error) error {
	code, hint := loginReason(err)
	return &platform.Error{Connection: m.cfg.Connection, Code: code, Hint: hint, Err: fmt.Errorf("connect: %w", err)}
}

// whole turns an error into a *platform.Error with its reason, and drops a
// connection that did not answer.
func (m *MySQL) whole(doing string, err error) error {
	var pe *platform.Error
	if err == nil || errors.As(err, &pe) {
		return err
	}
	code, hint := reason(err)
	if code == platform.Unreachable {
		m.drop()
	}
	return &platform.Error{Connection: m.cfg.Connection, Code: code, Hint: hint, Err: fmt.Errorf("%s: %w", doing, err)}
}

// isServer reports whether the server itself said no, so that the connection lives.
func isServer(err error) bool {
	var my *mysql.MySQLError
	return errors.As(err, &my)
}

// loginReason is the code of an error while connecting.
//
//	a certificate, or no TLS at all    untrusted-server
//	1045 1698 1130 1862 4151 login     wrong-credential
//	else                               as reason has it
func loginReason(err error) (platform.Code, string) {
	if hint := distrust(err); hint != "" {
		return platform.Untrusted, hint
	}
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		switch my.Number {
		case 1045, 1698, 1820, 1862, 3118, 4151:
			return platform.WrongCredential, "check the user and password that credentialsFrom points to, and that the account is neither locked nor expired"
		case 1130:
			return platform.WrongCredential, "let the engine's account log in from this machine's address: accounts are user@host"
		}
	}
	return reason(err)
}

// reason is the code of an error, and the next step for a person.
//
//	1049 1146 1051 1347 4092 absent         no-such-object
//	1054 absent column                      no-such-column
//	1133 absent account                     no-such-account
//	1044 1045 1142 1143 1227 1095 … may not  no-right
//	busyNumber                              busy
//	1059 1102 1103 1166 1470 a name         bad-name
//	1040 1053 1129 1203 1226 full           unreachable
//	other answers                           unsupported
//	no answer                               unreachable
func reason(err error) (platform.Code, string) {
	var f *fault
	if errors.As(err, &f) {
		return f.code, f.detail
	}
	var my *mysql.MySQLError
	if !errors.As(err, &my) {
		return platform.Unreachable, "check that the server runs and that host, port and tls of the connection are right"
	}
	switch my.Number {
	case 1049, 1146, 1051, 1347, 4092:
		return platform.NoObject, "wait for the table, or update the data source"
	case 1054:
		return platform.NoColumn, "wait for the column, or update the data source"
	case 1133:
		return platform.NoAccount, "create the account on the server, or correct the user's file"
	case 1044, 1045, 1142, 1143, 1227, 1095, 1305, 1370, 1410, 1698, 1961: // 1305: the procedure of the setup is not there
		return platform.NoRight, "give the engine's account the rights that the setup statements list"
	case 1059, 1102, 1103, 1166, 1470:
		return platform.BadName, "choose a shorter or plainer name"
	case 1040, 1053, 1129, 1152, 1203, 1226, 1290:
		return platform.Unreachable, "check the server: it is shutting down, read-only, full or out of resources"
	}
	if busyNumber(my.Number) {
		return platform.Busy, "nothing to do: it is tried again in the next round"
	}
	return platform.Unsupported, "correct the mask or the data source"
}

// busyNumber reports whether a later try may succeed: a lock wait or statement
// timeout, a deadlock, or something that somebody else made or removed first.
func busyNumber(n uint16) bool {
	switch n {
	case 1205, 1213, 1317, 1969, 3024, // waits
		1007, 1008, 1050, 1062, 1396, 1537, 1539, // made or removed first
		1141, 1147, 1269, 1403, 1959, 1962: // no such grant, no such role
		return true
	}
	return false
}
