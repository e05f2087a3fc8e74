package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
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

	"github.com/assent-dev/assent/engine/platform/postgres"
)

// What is wrong with one object or account of a platform is said with a code,
// a sentence and what to do; the rest of the connection goes on, and once it is
// mended, the next round carries out what was left.
func TestObjectsThatAreNotAsDeclared(t *testing.T) {
	s := startServer(t, "shop", "shop_owner")
	s.setUp("CROWD_CREDENTIAL")
	c := newCrowd(t, s)
	c.clock = time.Now().UTC().Truncate(time.Second)
	c.ask("new", "90d", c.people[:2])
	c.determine()
	user := "directory/users/p00.yaml"
	long := strings.Repeat("n", 70)
	var before []byte
	tests := []struct {
		name       string
		harm, mend string
		change     func([]byte) []byte // of the file of p00
		says       []string
		status     string // of the request meanwhile, where it says so
	}{
		{
			name: "a role of the name that is not ours", harm: "CREATE ROLE assent_new_read", mend: "DROP ROLE assent_new_read",
			says: []string{"[failed not-ours]", "role assent_new_read exists and is not ours: rename or drop it"},
		},
		{
			name: "a table that is dropped", harm: "DROP TABLE public.new CASCADE", mend: "CREATE TABLE public.new (id text, mail text)",
			says:   []string{"[pending no-such-object]", "shop.public.new does not exist: create it, or remove the data source"},
			status: "partly applied on warehouse: no-such-object: shop.public.new does not exist: create it, or remove the data source",
		},
		{
			name: "a column that is renamed", harm: "ALTER TABLE public.new RENAME mail TO email", mend: "ALTER TABLE public.new RENAME email TO mail",
			says:   []string{"[pending no-such-column]", "shop.public.new has no column mail: add it, or correct the data source"},
			status: "partly applied on warehouse: no-such-column: shop.public.new has no column mail: add it, or correct the data source",
		},
		{
			name:   "an account's name that the server would cut",
			change: func(raw []byte) []byte { return append(raw, "  accounts:\n    warehouse: "+long+"\n"...) },
			says:   []string{"[failed bad-name]", `the name of account "` + long + `" has 70 bytes, and PostgreSQL takes 63: correct the file`},
			status: "failing on warehouse: bad-name: ",
		},
		{
			name: "an account that is not there", harm: "ALTER ROLE p00 RENAME TO somebody", mend: "ALTER ROLE somebody RENAME TO p00",
			says: []string{"[pending no-such-account]", `account "p00" does not exist: create it on the server, or correct the user's file`},
		},
	}
	for _, tt := range tests {
		if tt.harm != "" {
			s.exec(tt.harm)
		}
		if tt.change != nil {
			c.push("main", user, func(raw []byte) []byte { before = raw; return tt.change(raw) })
		}
		out, _ := c.ends(exitPartial, "reconcile", "--once")
		holds(t, out, tt.says...)
		if tt.status != "" {
			holds(t, c.ok("status"), tt.status)
		}
		if tt.mend != "" {
			s.exec(tt.mend)
		}
		if tt.change != nil {
			c.push("main", user, func([]byte) []byte { return before })
		}
		c.ok("reconcile", "--once")
		if got := c.readers("new"); !slices.Equal(got, []string{"p00", "p01"}) {
			t.Errorf("%s: mended, %v read new", tt.name, got)
		}
		lacks(t, c.ok("status"), "partly", "failing")
	}
	holds(t, c.ok("audit", "verify"), "ledger holds")
}

// selfSigned is the certificate of a server on 127.0.0.1 that vouches for itself.
func selfSigned(t *testing.T, until time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// A server whose certificate has expired, or is of nobody known, holds up its
// own connection and no other; with caFrom it is trusted, and it is said how.
func TestServerThatIsNotTrusted(t *testing.T) {
	right, rightKey := selfSigned(t, time.Now().Add(time.Hour))
	expired, expiredKey := selfSigned(t, time.Now().Add(-time.Minute))
	for _, tt := range []struct {
		name      string
		cert, key []byte
		ca, hint  string
	}{
		{"right", right, rightKey, "caFrom", ""},
		{"of nobody known", right, rightKey, "", "hint: name the certificate of the server's authority in caFrom"},
		{"expired", expired, expiredKey, "caFrom", "hint: renew the server's certificate, or set this machine's clock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			private, err := postgres.StartPrivateWith(t.Context(), postgres.PrivateOptions{
				Settings: map[string]string{"ssl": "on"}, Files: map[string][]byte{"server.crt": tt.cert, "server.key": tt.key},
			})
			if err != nil {
				missing(t, err)
			}
			t.Cleanup(func() { _ = private.Stop() })
			s := &server{private, t, "postgres"}
			s.setUp("LAKE_RIGHT")
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, tt.cert, 0o600); err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(lake(s.Port(), "postgres", "env://LAKE_RIGHT"), "tls: disable", "tls: verify-full", 1)
			if tt.ca != "" {
				text = strings.Replace(text, "tls: verify-full", fmt.Sprintf("caFrom: %q", "file://"+ca), 1)
			}
			c := waiting(t)
			c.push("main", "connections/lake.yaml", func([]byte) []byte { return []byte(text) })
			if tt.hint == "" {
				holds(t, c.ok("doctor", "lake"), "TLS 1.3, as account assent")
				c.ok("reconcile", "--once")
				return
			}
			out, problems := c.ends(exitUnreachable, "reconcile", "--once")
			holds(t, out, "+ grant assent_new_read to p00")
			holds(t, problems, "error: connection lake: untrusted-server: ", tt.hint)
			lacks(t, out+problems, "assent-pw")
		})
	}
}
