package mysql

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/platform"
)

// TestSetupGivesTheLeast runs the statements and tries, as the engine, what it
// has to be able to do, and what it must not.
func TestSetupGivesTheLeast(t *testing.T) {
	s := newServer(t, PrivateOptions{})
	admin := s.Admin()
	err := admin.Exec(t.Context(), "CREATE DATABASE `sh_p`; CREATE TABLE `sh_p`.t (id INT); CREATE DATABASE shxp; CREATE TABLE shxp.t (id INT)")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "a`b"} {
		if err := admin.CreateLogin(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if admin.passwords["engine"], err = admin.CreateEngine(t.Context(), "engine", "sh_p"); err != nil {
		t.Fatal(err)
	}
	for _, may := range []string{
		"CREATE ROLE assent_r WITH ADMIN CURRENT_USER",
		"GRANT SELECT ON sh_p.t TO assent_r",
		"GRANT SELECT ON `sh\\_p`.* TO assent_r",
		"GRANT assent_r TO ann",
		"GRANT assent_r TO `a``b`",
		"CALL assent.default_role('a`b', '%', 'assent_r')",
		// A view can run as a role, which then alone needs the columns.
		"CREATE ROLE assent_owner WITH ADMIN CURRENT_USER; GRANT SELECT (id) ON sh_p.t TO assent_owner",
		"CREATE DATABASE assent_y; SET ROLE assent_owner; CREATE DEFINER = assent_owner VIEW assent_y.v AS SELECT id FROM sh_p.t; GRANT SELECT ON assent_y.v TO assent_r",
		"CREATE DATABASE assent_x",
		"CREATE VIEW assent_x.v AS SELECT id FROM sh_p.t",
		"GRANT SELECT ON assent_x.v TO assent_r",
		"CREATE EVENT assent.e ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 HOUR DO REVOKE assent_r FROM ann",
		"SELECT * FROM mysql.db, mysql.tables_priv, mysql.columns_priv, mysql.roles_mapping, information_schema.processlist",
		"SELECT User, Host, is_role, default_role FROM mysql.user",
	} {
		if err := admin.exec(t.Context(), "engine", may); err != nil {
			t.Errorf("%s: %v", may, err)
		}
	}
	for _, not := range []string{
		"SELECT authentication_string FROM mysql.user",
		"SELECT * FROM mysql.global_priv",
		"SET DEFAULT ROLE assent_r FOR ann",
		"CALL assent.default_role('ann', '%', 'staff')",
		"CALL assent.default_role('ann', '%', 'assent_r FOR ann; DO 1; --')",
		"SET PASSWORD FOR ann = PASSWORD('mine')",
		"SELECT * FROM shxp.t",
		"GRANT SELECT ON shxp.t TO assent_r",
		"GRANT ALL ON *.* TO ann",
		"GRANT SUPER ON *.* TO engine",
		"CREATE DATABASE others",
		"DROP TABLE sh_p.t",
		"ALTER TABLE sh_p.t ADD COLUMN name TEXT",
		"CREATE VIEW sh_p.v AS SELECT 1",
		"FLUSH PRIVILEGES",
		"SET GLOBAL event_scheduler = OFF",
	} {
		if rows, err := admin.Query(t.Context(), "engine", not); err == nil {
			t.Errorf("the engine may: %s: %v", not, rows)
		}
	}
	rows, err := admin.Query(t.Context(), "a`b", "SELECT CURRENT_ROLE(), (SELECT COUNT(*) FROM sh_p.t), (SELECT COUNT(*) FROM assent_x.v), (SELECT COUNT(*) FROM assent_y.v)")
	if err != nil || rows[0][0] != "assent_r" {
		t.Errorf("%v %v", rows, err)
	}
	if err := admin.Exec(t.Context(), "REVOKE SELECT (id) ON sh_p.t FROM assent_owner"); err != nil {
		t.Fatal(err)
	}
	if rows, err := admin.Query(t.Context(), "a`b", "SELECT COUNT(*) FROM assent_y.v"); err == nil {
		t.Errorf("the view does not run as its role: %v", rows)
	}
}

func TestSetupRefusesWhatIsNoName(t *testing.T) {
	for _, name := range []string{"", "a\x00b", "a\xff", strings.Repeat("x", 65)} {
		for _, grammar := range []Grammar{MariaDB, MySQL8} {
			if sql, err := SetupSQL(grammar, name, "pw"); err == nil {
				t.Errorf("%q becomes %s", name, sql)
			}
			if sql, err := SetupSQL(grammar, "e", "pw", name); err == nil {
				t.Errorf("%q becomes %s", name, sql)
			}
		}
	}
	if _, err := SetupSQL(MariaDB, "e", "a\x00"); err == nil {
		t.Error("a NUL in the password is taken")
	}
}

// TestPreparedAccountIsLockedUntilItHasAPassword runs the script as it is printed.
func TestPreparedAccountIsLockedUntilItHasAPassword(t *testing.T) {
	h := newPlace(t)
	h.must("DROP DATABASE assent")
	script, err := (*MySQL)(nil).Prepare(platform.Preparation{Account: "other", Schemas: []string{"shop"}})
	if err != nil {
		t.Fatal(err)
	}
	h.must(script)
	login := func() error {
		_, err := h.admin.Query(t.Context(), "other", "SELECT COUNT(*) FROM mysql.db")
		return err
	}
	if err := login(); err == nil {
		t.Error("an account without a password lets everybody in")
	}
	h.admin.passwords["other"] = "secret"
	h.must("ALTER USER 'other'@'%' IDENTIFIED BY 'secret' ACCOUNT UNLOCK")
	if err := login(); err != nil {
		t.Error(err)
	}
	_, other, found := strings.Cut(script, "instead:\n")
	if !found {
		t.Error("nothing is said of MySQL")
	}
	for line := range strings.Lines(other) {
		if !strings.HasPrefix(line, "-- ") {
			t.Errorf("a statement for MySQL would run on MariaDB: %s", line)
		}
	}
}
