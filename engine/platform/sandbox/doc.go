// Package sandbox is the embedded platform: a data platform in one SQLite
// file, for the demo, for tests and for learning. It carries out roles, masks
// and grants like every other platform and passes the same conformance suite.
//
// The file holds the owners' tables, each under the SQLite name
// "schema.table", and the bookkeeping in assent_* tables: accounts, roles,
// objects, columns with their masks, members, what was granted by hand, and
// the mark. SQLite itself has no accounts, so access is enforced by the one
// door that consumers have, Sandbox.Query: it opens a connection for each
// statement and lets SQLite's authorizer refuse everything that the
// bookkeeping does not allow the account. Who can open the file with another
// program reads all of it: the sandbox protects no real secrets.
//
// Columns behind a mask are read through views, one for each role and object,
// at the address "assent_<product>.schema.table".
//
// SQLite's authorizer alone does not hold: it is not asked about columns that
// are joined by NATURAL or USING, and the name of a view, which it is given as
// the accessor, can be forged by a WITH clause. So a consumer's connection is
// an empty database, to which the file is attached under a name drawn at
// random, and every table of the file is hidden behind a view of the same name
// that holds NULL in place of what is not open. What the authorizer is not
// asked about finds nothing there but the names and the definitions of these
// views, which are no more secret than the catalog of a server.
//
// # Statements
//
// Apply and Preview speak a language of their own, made by one builder; each
// statement of a preview is what Apply carries out:
//
//	CREATE ROLE "r" FOR DataProduct 'p' ACCESS read PROFILE 'default'
//	GRANT SELECT ("a", "b") ON "schema.table" TO ROLE "r"
//	GRANT SELECT, WRITE ("a", "b") ON "schema.table" TO ROLE "r"
//	CREATE VIEW "v" FOR ROLE "r" AS SELECT "a", assent_hash("b") AS "b" FROM "schema.table"
//	CREATE VIEW "v" FOR ROLE "r" WITH INSERT ("a") AS SELECT …
//	REVOKE ALL ON "schema.table" FROM ROLE "r"
//	DROP VIEW "v" FOR ROLE "r"
//	GRANT ROLE "r" TO "account" UNTIL '2027-01-31T00:00:00Z' FOR 'AccessRequest/x'
//	ALTER GRANT OF ROLE "r" TO "account" …
//	REVOKE ROLE "r" FROM "account"
//	DROP ROLE "r"
//
// # Masks
//
// null reads as NULL and constant as its value. hash is the HMAC-SHA256 of the
// text, in hexadecimal, keyed with a salt that the file draws once. regex
// replaces every match of the pattern, as resource.Regex says. partial leaves the given numbers of characters clear at the ends and
// shows an asterisk for each one between; a value that is not longer than both
// ends together is hidden whole. round reads a number, rounds half away from
// zero, and gives NULL for anything else. truncate reads a date such as
// 2020-02-29, or one with a time in UTC, and shows the start of the unit that
// it is in; anything else is NULL. NULL stays NULL, but for constant.
//
// A member at the write level may INSERT, UPDATE and DELETE rows of a table
// that is open as a whole and clear. Where a column is not listed, rows may be
// inserted only, in the columns that are listed. A table with a masked column,
// and one that is opened for reading only, is read and never written.
package sandbox
