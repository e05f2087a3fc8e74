package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// statement is one statement of the sandbox's language: what a preview shows,
// and the only thing that Apply carries out.
type statement struct {
	text string
	why  string
	run  func(*sqlite.Conn) error
}

func sqlStatement(text, why, sql string, args ...any) statement {
	return statement{text: text, why: why, run: func(conn *sqlite.Conn) error { return exec(conn, sql, args...) }}
}

func createRole(k grant.RoleKey) statement {
	text := fmt.Sprintf("CREATE ROLE %s FOR %s %s ACCESS %s PROFILE %s", ident(k.RoleName()), k.Scope.Kind,
		literal(string(k.Scope.Name)), k.Access, literal(k.Profile))
	return sqlStatement(text, "the role is new", `INSERT INTO assent_roles VALUES (?, 1, ?, ?, ?, ?)`,
		k.RoleName(), string(k.Scope.Kind), string(k.Scope.Name), string(k.Access), k.Profile)
}

// dropRole removes a role that nobody is in and nothing is granted to.
func dropRole(name string) statement {
	return sqlStatement("DROP ROLE "+ident(name), "the role is no longer wanted", `DELETE FROM assent_roles WHERE name = ? AND ours = 1`, name)
}

// openObject lets the members of a role read an object, through a view where
// any column is masked.
func openObject(k grant.RoleKey, o grant.Object, tableID int64) statement {
	rel, who := ident(relation(o.Path)), ident(k.RoleName())
	clear := idents(clearColumns(o.Columns))
	st := statement{why: "the role may read it", run: func(conn *sqlite.Conn) error { return insertObject(conn, k.RoleName(), o, tableID) }}
	if o.Masked() {
		st.text = "CREATE VIEW " + ident(viewName(k, o.Path)) + " FOR ROLE " + who + " AS " + viewSQL(o.Columns, rel, shownPrefix)
		st.why = "masked columns are read through a view"
		return st
	}
	privileges := "SELECT (" + clear + ")"
	if (grant.Role{RoleKey: k}).Writes(o) {
		privileges = "SELECT, WRITE (" + clear + ")"
	}
	st.text = "GRANT " + privileges + " ON " + rel + " TO ROLE " + who
	return st
}

func clearColumns(cols []grant.Column) (names []string) {
	for _, c := range cols {
		if c.Mask == nil {
			names = append(names, c.Name)
		}
	}
	return names
}

func insertObject(conn *sqlite.Conn, role string, o grant.Object, tableID int64) error {
	if err := exec(conn, `INSERT INTO assent_objects VALUES (?, ?, ?, ?)`, role, tableID, o.Kind, o.ReadOnly); err != nil {
		return err
	}
	for i, c := range o.Columns {
		var mask any
		if c.Mask != nil {
			text, err := json.Marshal(c.Mask)
			if err != nil {
				return fmt.Errorf("write mask of %s: %w", c.Name, err)
			}
			mask = string(text)
		}
		if err := exec(conn, `INSERT INTO assent_columns VALUES (?, ?, ?, ?, ?)`, role, tableID, i, c.Name, mask); err != nil {
			return err
		}
	}
	return nil
}

// closeObject takes an object from a role.
func closeObject(k grant.RoleKey, o grant.Object, tableID int64) statement {
	text := "REVOKE ALL ON " + ident(relation(o.Path)) + " FROM ROLE " + ident(k.RoleName())
	if o.Masked() {
		text = "DROP VIEW " + ident(viewName(k, o.Path)) + " FOR ROLE " + ident(k.RoleName())
	}
	return statement{text: text, why: "the role may no longer read it, or not like this", run: func(conn *sqlite.Conn) error {
		return deleteObject(conn, k.RoleName(), tableID)
	}}
}

func deleteObject(conn *sqlite.Conn, role string, tableID int64) error {
	if err := exec(conn, `DELETE FROM assent_columns WHERE role = ? AND table_id = ?`, role, tableID); err != nil {
		return err
	}
	return exec(conn, `DELETE FROM assent_objects WHERE role = ? AND table_id = ?`, role, tableID)
}

// grantRole lets an account into a role, or changes until when it is in.
func grantRole(g grant.Grant, verb, why string) statement {
	text := verb + " ROLE " + ident(g.RoleName()) + " TO " + ident(g.Principal)
	var end any
	if !g.NotAfter.IsZero() {
		end = g.NotAfter.Unix()
		text += " UNTIL " + literal(g.NotAfter.UTC().Format(time.RFC3339))
	}
	var refs []string
	for _, r := range g.Requests {
		refs = append(refs, literal(r.String()))
	}
	if len(refs) > 0 {
		text += " FOR " + strings.Join(refs, ", ")
	}
	return statement{text: text, why: why, run: func(conn *sqlite.Conn) error {
		requests, err := json.Marshal(append([]resource.Ref{}, g.Requests...))
		if err != nil {
			return fmt.Errorf("write requests of %s: %w", g.Principal, err)
		}
		return exec(conn, `INSERT INTO assent_members VALUES (?, ?, ?, ?)
			ON CONFLICT (role, account) DO UPDATE SET not_after = excluded.not_after, requests = excluded.requests`,
			g.RoleName(), g.Principal, end, string(requests))
	}}
}

func revokeRole(role, account string) statement {
	return sqlStatement("REVOKE ROLE "+ident(role)+" FROM "+ident(account), "the account may no longer be in the role",
		`DELETE FROM assent_members WHERE role = ? AND account = ?`, role, account)
}
