package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/resource"
)

// The methods below are the owner of the data, and the administrator, of a
// sandbox: what on a server happens without Assent.

// CreateAccount makes an account that may do nothing. One that exists is an error.
func (s *Sandbox) CreateAccount(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	return s.owner(ctx, "create account "+name, func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO assent_accounts VALUES (?)`, name)
	})
}

// DropAccount drops an account with everything that was given to it.
func (s *Sandbox) DropAccount(ctx context.Context, name string) error {
	return s.owner(ctx, "drop account "+name, func(conn *sqlite.Conn) error {
		if err := mustExist(conn, name); err != nil {
			return err
		}
		for _, bookkeeping := range []string{"assent_members", "assent_foreign"} {
			if err := exec(conn, "DELETE FROM "+bookkeeping+" WHERE account = ?", name); err != nil {
				return err
			}
		}
		return exec(conn, `DELETE FROM assent_accounts WHERE name = ?`, name)
	})
}

// CreateTable makes a table at path (database, schema, table) and fills it with
// rows of text. A column's description and tags are what discovery reads back;
// its type is text unless stated, and its mask is ignored.
func (s *Sandbox) CreateTable(ctx context.Context, path []string, columns []resource.Column, rows [][]string) error {
	sql, err := createTableSQL(path, columns)
	if err != nil {
		return fmt.Errorf("create table %s: %w", strings.Join(path, "."), err)
	}
	written, err := json.Marshal(columns)
	if err != nil {
		return fmt.Errorf("create table %s: %w", strings.Join(path, "."), err)
	}
	return s.owner(ctx, "create table "+strings.Join(path, "."), func(conn *sqlite.Conn) error {
		if err := exec(conn, sql); err != nil {
			return err
		}
		id, err := rand.Int(rand.Reader, big.NewInt(math.MaxInt64))
		if err != nil {
			return err
		}
		err = exec(conn, `INSERT INTO assent_tables (id, db, schema, name, relation, columns) VALUES (?, ?, ?, ?, ?, ?)`,
			id.Int64()+1, path[0], path[1], path[2], relation(path), string(written))
		if err != nil {
			return err
		}
		for i, row := range rows {
			if err := insertRow(conn, path, columns, row); err != nil {
				return fmt.Errorf("row %d: %w", i+1, err)
			}
		}
		return nil
	})
}

func insertRow(conn *sqlite.Conn, path []string, columns []resource.Column, row []string) error {
	if len(row) != len(columns) {
		return fmt.Errorf("%d values for %d columns", len(row), len(columns))
	}
	args := make([]any, len(row))
	for i, v := range row {
		args[i] = v
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(row)), ", ")
	return exec(conn, "INSERT INTO main."+ident(relation(path))+" VALUES ("+marks+")", args...)
}

// columnType is what a column's type may look like, because it is spliced.
var columnType = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_ ]*(\([0-9]+(, ?[0-9]+)?\))?$`)

func createTableSQL(path []string, columns []resource.Column) (string, error) {
	if len(path) != 3 {
		return "", fmt.Errorf("the path has %d parts, want database, schema and table", len(path))
	}
	for _, p := range path {
		if err := checkName(p); err != nil {
			return "", err
		}
	}
	if strings.HasPrefix(strings.ToLower(path[1]), "assent_") || strings.HasPrefix(strings.ToLower(path[1]), "sqlite_") {
		return "", fmt.Errorf("the schema %q is reserved", path[1])
	}
	if len(columns) == 0 {
		return "", errors.New("it has no column")
	}
	defs := make([]string, len(columns))
	for i, c := range columns {
		if err := checkName(c.Name); err != nil {
			return "", err
		}
		typ := c.Type
		if typ == "" {
			typ = "text"
		}
		if !columnType.MatchString(typ) {
			return "", fmt.Errorf("column %s: type %q is not understood", c.Name, typ)
		}
		defs[i] = ident(c.Name) + " " + typ
		if c.Nullable != nil && !*c.Nullable {
			defs[i] += " NOT NULL"
		}
	}
	return "CREATE TABLE main." + ident(relation(path)) + " (" + strings.Join(defs, ", ") + ")", nil
}

func checkName(name string) error {
	if name == "" || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%q is not a name", name)
	}
	return nil
}

// DropTable drops a table with everything that was opened on it.
func (s *Sandbox) DropTable(ctx context.Context, path []string) error {
	return s.owner(ctx, "drop table "+strings.Join(path, "."), func(conn *sqlite.Conn) error {
		t, err := mustFind(conn, path)
		if err != nil {
			return err
		}
		for _, bookkeeping := range []string{"assent_columns", "assent_objects", "assent_foreign"} {
			if err := exec(conn, "DELETE FROM "+bookkeeping+" WHERE table_id = ?", t.id); err != nil {
				return err
			}
		}
		if err := exec(conn, `DELETE FROM assent_tables WHERE id = ?`, t.id); err != nil {
			return err
		}
		return exec(conn, "DROP TABLE main."+ident(relation(path)))
	})
}

// RenameTable gives a table another name in its schema. What was opened on it
// stays open on it.
func (s *Sandbox) RenameTable(ctx context.Context, path []string, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("rename table: %w", err)
	}
	return s.owner(ctx, "rename table "+strings.Join(path, "."), func(conn *sqlite.Conn) error {
		t, err := mustFind(conn, path)
		if err != nil {
			return err
		}
		to := relation([]string{path[0], path[1], name})
		if err := exec(conn, `UPDATE assent_tables SET name = ?, relation = ? WHERE id = ?`, name, to, t.id); err != nil {
			return err
		}
		return exec(conn, "ALTER TABLE main."+ident(relation(path))+" RENAME TO "+ident(to))
	})
}

// AddColumn adds a text column to a table and gives it a value in every row.
func (s *Sandbox) AddColumn(ctx context.Context, path []string, column, value string) error {
	if err := checkName(column); err != nil {
		return fmt.Errorf("add column: %w", err)
	}
	return s.owner(ctx, "add column "+column, func(conn *sqlite.Conn) error {
		if _, err := mustFind(conn, path); err != nil {
			return err
		}
		rel := "main." + ident(relation(path))
		if err := exec(conn, "ALTER TABLE "+rel+" ADD COLUMN "+ident(column)+" text"); err != nil {
			return err
		}
		return exec(conn, "UPDATE "+rel+" SET "+ident(column)+" = ?", value)
	})
}

// DropColumn drops a column of a table.
func (s *Sandbox) DropColumn(ctx context.Context, path []string, column string) error {
	return s.owner(ctx, "drop column "+column, func(conn *sqlite.Conn) error {
		if _, err := mustFind(conn, path); err != nil {
			return err
		}
		return exec(conn, "ALTER TABLE main."+ident(relation(path))+" DROP COLUMN "+ident(column))
	})
}

// GrantByHand lets an account read a whole table without Assent. Observe shows
// it as foreign.
func (s *Sandbox) GrantByHand(ctx context.Context, account string, path []string) error {
	return s.owner(ctx, "grant by hand to "+account, func(conn *sqlite.Conn) error {
		t, err := mustFind(conn, path)
		if err != nil {
			return err
		}
		if err := mustExist(conn, account); err != nil {
			return err
		}
		return exec(conn, `INSERT INTO assent_foreign VALUES (?, ?, 'select', 'owner') ON CONFLICT DO NOTHING`, account, t.id)
	})
}

// AddByHand puts an account into a role behind Assent's back.
func (s *Sandbox) AddByHand(ctx context.Context, account, role string) error {
	return s.owner(ctx, "add by hand "+account, func(conn *sqlite.Conn) error {
		if err := mustExist(conn, account); err != nil {
			return err
		}
		n, err := number(conn, `SELECT count(*) FROM assent_roles WHERE name = ?`, role)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the role %q does not exist", role)
		}
		return exec(conn, `INSERT INTO assent_members VALUES (?, ?, NULL, '[]') ON CONFLICT DO NOTHING`, role, account)
	})
}

// RevokeByHand takes an account out of a role behind Assent's back.
func (s *Sandbox) RevokeByHand(ctx context.Context, account, role string) error {
	return s.owner(ctx, "revoke by hand from "+account, func(conn *sqlite.Conn) error {
		return exec(conn, `DELETE FROM assent_members WHERE role = ? AND account = ?`, role, account)
	})
}

// CreateRoleByHand makes a role that is not Assent's.
func (s *Sandbox) CreateRoleByHand(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("create role: %w", err)
	}
	return s.owner(ctx, "create role "+name, func(conn *sqlite.Conn) error {
		return exec(conn, `INSERT INTO assent_roles VALUES (?, 0, '', '', '', '')`, name)
	})
}

func (s *Sandbox) owner(ctx context.Context, what string, f func(*sqlite.Conn) error) error {
	if err := s.write(ctx, f); err != nil {
		return s.wrap(fmt.Errorf("%s: %w", what, err))
	}
	return nil
}

func mustFind(conn *sqlite.Conn, path []string) (table, error) {
	t, ok, err := findTable(conn, path)
	if err == nil && !ok {
		err = fmt.Errorf("the table %q does not exist", strings.Join(path, "."))
	}
	return t, err
}

func mustExist(conn *sqlite.Conn, account string) error {
	ok, err := accountExists(conn, account)
	if err == nil && !ok {
		err = fmt.Errorf("the account %q does not exist", account)
	}
	return err
}
