package mysql

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/platform"
)

// Grammar is the language of a server, where MariaDB and MySQL differ.
type Grammar string

// The grammars. Only MariaDB's has been run.
const (
	MariaDB Grammar = "mariadb"
	MySQL8  Grammar = "mysql"
)

// setupMariaDB is for MariaDB 10.11 and newer. There, only whoever may write
// the privilege tables can give another person a default role, and whoever may
// write them can become anybody. So the administrator leaves a procedure that
// does this one thing, for the roles of our namespace alone.
//
// A privilege on a whole database named assent_… is not the engine's to give, as
// its own is on a pattern; one on a view is.
const setupMariaDB = `
CREATE USER {engine} {login};
GRANT CREATE USER, SET USER, PROCESS, CONNECTION ADMIN ON *.* TO {engine};
GRANT SELECT ON mysql.db TO {engine};
GRANT SELECT ON mysql.tables_priv TO {engine};
GRANT SELECT ON mysql.columns_priv TO {engine};
GRANT SELECT ON mysql.roles_mapping TO {engine};
GRANT SELECT (Host, User, Select_priv, Insert_priv, Update_priv, Delete_priv, Super_priv, Grant_priv, is_role, default_role) ON mysql.user TO {engine};
CREATE DATABASE assent COMMENT 'The books of Assent';
CREATE PROCEDURE assent.default_role(IN account_user VARCHAR(128), IN account_host VARCHAR(255), IN role_name VARCHAR(128))
  EXECUTE IMMEDIATE IF(role_name = 'NONE' OR role_name RLIKE BINARY '^assent_[a-z0-9_]+$',
    CONCAT('SET DEFAULT ROLE ', role_name, ' FOR {tick}', REPLACE(account_user, '{tick}', '{tick}{tick}'), '{tick}@{tick}', REPLACE(account_host, '{tick}', '{tick}{tick}'), '{tick}'),
    'SET DEFAULT ROLE no_role_of_assent');
GRANT ALL ON assent.* TO {engine} WITH GRANT OPTION;
GRANT ALL ON {tick}assent\_%{tick}.* TO {engine} WITH GRANT OPTION;
`

// setupMySQL is for MySQL 8, where CREATE USER is enough to give a default role.
const setupMySQL = `
CREATE USER {engine} {login};
GRANT CREATE USER, CREATE ROLE, DROP ROLE, PROCESS ON *.* TO {engine};
GRANT ROLE_ADMIN, CONNECTION_ADMIN, SET_USER_ID ON *.* TO {engine};
GRANT SELECT ON mysql.db TO {engine};
GRANT SELECT ON mysql.tables_priv TO {engine};
GRANT SELECT ON mysql.columns_priv TO {engine};
GRANT SELECT ON mysql.role_edges TO {engine};
GRANT SELECT ON mysql.default_roles TO {engine};
GRANT SELECT ON mysql.global_grants TO {engine};
GRANT SELECT (Host, User, Select_priv, Insert_priv, Update_priv, Delete_priv, Super_priv, Grant_priv, account_locked) ON mysql.user TO {engine};
CREATE DATABASE assent;
GRANT ALL ON assent.* TO {engine} WITH GRANT OPTION;
GRANT ALL ON {tick}assent\_%{tick}.* TO {engine} WITH GRANT OPTION;
`

var _ platform.Preparer = (*MySQL)(nil)

// Prepare implements platform.Preparer. The schemas are databases here, and
// whatever is made in them later is covered, whoever makes it.
func (*MySQL) Prepare(o platform.Preparation) (string, error) {
	script, err := SetupSQL(MariaDB, o.Account, "", o.Schemas...)
	if err != nil {
		return "", err
	}
	other, err := SetupSQL(MySQL8, o.Account, "", o.Schemas...)
	if err != nil {
		return "", err
	}
	account := literal(o.Account) + "@'%'"
	return "-- For an administrator of the server, once. This is for MariaDB.\n" + script +
		"-- Then give the account a password: ALTER USER " + account + " IDENTIFIED BY '…' ACCOUNT UNLOCK;\n" +
		"-- and let access end in time without the engine: SET GLOBAL event_scheduler = ON;\n" +
		"\n-- On MySQL 8, where no test has run it, use these statements instead:\n-- " +
		strings.ReplaceAll(strings.TrimSuffix(other, "\n"), "\n", "\n-- ") + "\n", nil
}

// SetupSQL is what an administrator of the server runs once, so that the engine
// can work there without being one: an account that may make roles, end
// sessions, keep books and views in databases named assent…, and pass on what
// it may itself do on the databases that are governed. Tables that come later
// are covered. The account reads who has which privilege and no password's hash.
// With no password it is locked.
//
// Neither server has a right to make roles alone, nor one to make views in the
// name of one other account alone. With CREATE USER the engine can change any
// account's password, and with SET USER act in anybody's name: whoever holds the
// engine's password is as good as the server's administrator. What it is not
// granted here keeps it from mistakes, not from malice.
func SetupSQL(grammar Grammar, engineUser, password string, databases ...string) (string, error) {
	for _, name := range append([]string{engineUser}, databases...) {
		if name == "" || utf8.RuneCountInString(name) > 64 {
			return "", fmt.Errorf("write setup: %q cannot be a name", name)
		}
		if err := checkText(name); err != nil {
			return "", fmt.Errorf("write setup: %w", err)
		}
	}
	if err := checkText(password); err != nil {
		return "", fmt.Errorf("write setup: password: %w", err)
	}
	engine, login, script := literal(engineUser)+"@'%'", "ACCOUNT LOCK", setupMariaDB
	if password != "" {
		login = "IDENTIFIED BY " + literal(password)
	}
	if grammar == MySQL8 {
		script = setupMySQL
	}
	script = strings.NewReplacer("{tick}", "`", "{engine}", engine, "{login}", login).Replace(strings.TrimPrefix(script, "\n"))
	for _, d := range databases {
		script += "GRANT SELECT, INSERT, UPDATE, DELETE, SHOW VIEW ON " + pattern(d) + ".* TO " + engine + " WITH GRANT OPTION;\n"
	}
	return script, nil
}
