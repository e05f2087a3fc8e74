package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/platform/mysql"
)

func myLake(port int, tls, credential string) string {
	return fmt.Sprintf(`apiVersion: assent.dev/v1
kind: Connection
metadata:
  name: lake
spec:
  platform: mysql
  endpoint: {host: 127.0.0.1, port: %d, %s}
  credentialsFrom: %s
  mode: enforce
  accounts:
    template: "{name}"
`, port, tls, credential)
}

// setUp makes the engine's account for databases and sets its credential as name.
func (s *myServer) setUp(credential string, databases ...string) {
	s.t.Helper()
	sql, err := mysql.SetupSQL(mysql.MariaDB, "assent", "assent-pw", databases...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(sql)
	s.t.Setenv(credential, "assent:assent-pw")
}

// expiredCertificate is a certificate for this machine that was signed by its
// own key and is over, and the key.
func expiredCertificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lake"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &signer.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func TestMariaDBThatCannotBeReachedHoldsUpNoOther(t *testing.T) {
	base := waiting(t)
	cert, key := expiredCertificate(t)
	s := startMySQLWith(t, mysql.PrivateOptions{
		Files:    map[string][]byte{"lake.crt": cert, "lake.key": key},
		Settings: map[string]string{"ssl-cert": "lake.crt", "ssl-key": "lake.key"},
	})
	s.setUp("LAKE_RIGHT")
	t.Setenv("LAKE_WRONG", "assent:open-sesame")
	authority := filepath.Join(t.TempDir(), "lake.pem")
	if err := os.WriteFile(authority, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	const right, off = "env://LAKE_RIGHT", "tls: disable"
	for _, tt := range []struct{ name, connection, says string }{
		{"nobody listens", myLake(closedPort(t), off, right), "connection lake: unreachable: connect:"},
		{"no such host", strings.Replace(myLake(s.Port(), "tls: verify-full", right), "127.0.0.1", "lake.invalid", 1), "connection lake: unreachable: connect:"},
		{"wrong password", myLake(s.Port(), off, "env://LAKE_WRONG"), "connection lake: wrong-credential: connect: Error 1045"},
		{"credential not set", myLake(s.Port(), off, "env://LAKE_UNSET"), "connection lake: wrong-credential: environment variable LAKE_UNSET is not set"},
		{"certificate of an unknown authority", myLake(s.Port(), "tls: verify-full", right), "connection lake: untrusted-server: connect: tls: failed to verify certificate: x509:"},
		{"expired certificate", myLake(s.Port(), "caFrom: file://"+authority, right),
			"connection lake: untrusted-server: connect: tls: failed to verify certificate: x509: certificate has expired"},
	} {
		t.Run(tt.name, func(t *testing.T) { base.goesOnBeside(t, tt.connection, tt.says) })
	}
}

// lakeProduct is a product of one table, which a group has by birthright.
func lakeProduct(group, name, database, table string, columns ...string) map[string]string {
	files := map[string]string{
		"products/" + name + ".yaml": "kind: DataProduct\nmetadata:\n  name: " + name + "\n  title: " + name +
			"\nspec:\n  domain: lake\n  sources:\n    - source: lake/" + database + "/" + table + "\n  forms:\n    dataAccess: short\n",
	}
	if group != "" {
		files["products/"+name+".yaml"] += "  birthright:\n    - group: " + group + "\n"
	}
	source := "kind: DataSource\nmetadata:\n  name: " + table + "\nspec:\n  connection: lake\n  path: [" + database + ", " + table + "]\n  kind: table\n  columns:\n"
	for _, c := range columns {
		source += "    - name: " + c + "\n      type: text\n"
	}
	files["sources/lake/"+database+"/"+table+".yaml"] = source
	return files
}

const lakeDomain = "kind: Domain\nmetadata:\n  name: lake\nspec:\n  owner: kim\n  members:\n    match:\n      paths: [\"lake/**\"]\n"

// pushAll commits files to main.
func (c *crowd) pushAll(files map[string]string) {
	c.t.Helper()
	tree := filepath.Join(c.t.TempDir(), "tree")
	git(c.t, c.t.TempDir(), "clone", "-q", "--branch", "main", c.dir, tree)
	for name, text := range files {
		if !strings.HasPrefix(text, "apiVersion") {
			text = "apiVersion: assent.dev/v1\n" + text
		}
		if err := writeFile(filepath.Join(tree, filepath.FromSlash(name)), []byte(text)); err != nil {
			c.t.Fatal(err)
		}
	}
	git(c.t, tree, "add", "-A")
	git(c.t, tree, "commit", "-q", "-m", "add files")
	git(c.t, tree, "push", "-q", "origin", "main")
}

// TestMariaDBWithoutWhatTheFilesSay: a database, table or column that is not
// there, a role that others made, a name that is too long and a person with two
// accounts are each told apart, and nothing else waits for them.
func TestMariaDBWithoutWhatTheFilesSay(t *testing.T) {
	c := waiting(t)
	s := startMySQL(t)
	s.exec("CREATE DATABASE shop")
	for _, table := range []string{"fine", "taken", "shared", "dropped"} {
		s.exec("CREATE TABLE shop." + table + " (id INT, mail TEXT); INSERT INTO shop." + table + " VALUES (1, 'a@example.com')")
	}
	s.exec("CREATE TABLE shop.renamed (id INT, email TEXT); DROP TABLE shop.dropped; CREATE ROLE assent_taken_read")
	s.setUp("LAKE_RIGHT", "shop", "pond")
	for _, person := range []string{"p01", "p02"} {
		if err := s.admin.CreateLogin(t.Context(), person); err != nil {
			t.Fatal(err)
		}
	}
	s.exec("CREATE USER p02@'10.0.0.1' IDENTIFIED BY 'p02'")
	long := strings.Repeat("long_", 14)
	files := map[string]string{
		"connections/lake.yaml":        myLake(s.Port(), "tls: disable", "env://LAKE_RIGHT"),
		"domains/lake.yaml":            lakeDomain,
		"directory/groups/some.yaml":   "kind: Group\nmetadata:\n  name: some\nspec:\n  members: [{user: p01}]\n",
		"directory/groups/others.yaml": "kind: Group\nmetadata:\n  name: others\nspec:\n  members: [{user: p01}, {user: p02}]\n",
	}
	for _, p := range []map[string]string{
		lakeProduct("some", "fine", "shop", "fine", "id"), lakeProduct("some", "drained", "pond", "fish", "id"), lakeProduct("some", "dropped", "shop", "dropped", "id"),
		lakeProduct("some", "renamed", "shop", "renamed", "id", "mail"), lakeProduct("some", "taken", "shop", "taken", "id"), lakeProduct("others", "shared", "shop", "shared", "id"),
		lakeProduct("some", "long", "shop", long, "id"), lakeProduct("some", "wide", "shop", "wide", long),
	} {
		for name, text := range p {
			files[name] = text
		}
	}
	s.exec("CREATE TABLE shop.wide (id INT)")
	c.pushAll(files)
	out, problems := c.ends(exitPartial, "reconcile", "--once")
	lacks(t, out+problems, "assent-pw")
	holds(t, out,
		"assent_drained_read: pond.fish (product) [pending no-such-object]\n    database pond does not exist, or the engine may not see it: create it, or run the setup statements for it",
		"assent_dropped_read: shop.dropped (product) [pending no-such-object]\n    shop.dropped does not exist: create it, or remove the data source",
		"assent_renamed_read: shop.renamed (product) [pending no-such-column]\n    shop.renamed has no column mail: add it, or correct the data source",
		"assent_taken_read: shop.taken (product) [failed not-ours]\n    role assent_taken_read exists and is not ours: rename or drop it",
		"assent_long_read: shop."+long+" (product) [failed bad-name]\n    \""+long+"\" has 70 characters, and a name here at most 64: correct the data source",
		"assent_wide_read: shop.wide (product) [failed bad-name]\n    \""+long+"\" has 70 characters",
		"assent_shared_read to p02 until - (approved) [failed ambiguous-account]\n    \"p02\" is more than one account: write p02@% or p02@10.0.0.1 in the user's file",
		"+ grant assent_new_read to p00")
	if got := c.readers("new"); !slices.Equal(got, []string{"p00"}) {
		t.Errorf("%v read new, want p00", got)
	}
	for table, want := range map[string]bool{"fine": true, "shared": true, "taken": false} {
		rows, err := s.admin.Query(t.Context(), "p01", "SELECT id FROM shop."+table)
		if err != nil && !mysql.Denied(err) || (err == nil) != want {
			t.Errorf("p01 reads shop.%s: %v %v, want %t", table, rows, err, want)
		}
	}
	if _, err := s.admin.Query(t.Context(), "p01", "SELECT email FROM shop.renamed"); !mysql.Denied(err) {
		t.Errorf("a renamed column is open by its new name: %v", err)
	}

	// What is mended is done in the next round.
	s.exec("CREATE DATABASE pond; CREATE TABLE pond.fish (id INT); CREATE TABLE shop.dropped (id INT); ALTER TABLE shop.renamed RENAME COLUMN email TO mail; " +
		"DROP ROLE assent_taken_read; DROP USER p02@'10.0.0.1'")
	out, _ = c.ends(exitPartial, "reconcile", "--once")
	lacks(t, out, "no-such", "not-ours", "ambiguous")
	for _, sql := range []string{"pond.fish", "shop.dropped", "shop.renamed", "shop.taken"} {
		if _, err := s.admin.Query(t.Context(), "p01", "SELECT id FROM "+sql); err != nil {
			t.Errorf("p01 reads %s: %v", sql, err)
		}
	}
	if _, err := s.admin.Query(t.Context(), "p02", "SELECT id FROM shop.shared"); err != nil {
		t.Errorf("p02 reads shop.shared: %v", err)
	}
}
