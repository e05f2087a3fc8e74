package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/platform"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.pem, a.key = a.sign(a.cert, nil)
	return a
}

// sign makes a certificate and its key; by its own key where by is nil.
func (a *authority) sign(c *x509.Certificate, by *authority) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

// server writes the certificate and key of a server into files.
func (a *authority) server(files map[string][]byte, name string, edit func(*x509.Certificate)) {
	a.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	by := a
	if edit != nil {
		edit(c)
	}
	if name == "self-signed" {
		by = nil
	}
	cert, key := a.sign(c, by)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	files[name+".crt"], files[name+".key"] = cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// A server has to prove who it is before it is told any password: with a
// certificate of an authority that the connection names, for the connection's
// host, and in time. Everything else is untrusted-server, with what to do.
func TestServerHasToProveWhoItIs(t *testing.T) {
	newPlace(t) // skips where there is no server
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	files := map[string][]byte{}
	ours.server(files, "right", nil)
	ours.server(files, "elsewhere", func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"db.example.com"} })
	ours.server(files, "expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	ours.server(files, "client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	ours.server(files, "self-signed", nil)
	others.server(files, "stranger", nil)
	s, err := StartPrivateWith(t.Context(), PrivateOptions{
		Files: files, Settings: map[string]string{"ssl": "on", "ssl_cert_file": "right.crt", "ssl_key_file": "right.key"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	if _, err := s.CreateEngine(t.Context(), "engine", "postgres", "public"); err != nil {
		t.Fatal(err)
	}
	admin := dial(t, s.AdminDSN(""))
	mustExec(t, admin, `ALTER ROLE engine PASSWORD 'engine'`)
	cases := []struct {
		cert, tls string
		ca        []byte
		hint      string // of what it is refused for; empty where it is trusted
	}{
		{"right", "", ours.pem, ""},
		{"right", "verify-full", append(append([]byte{}, others.pem...), ours.pem...), ""},
		{"right", "verify-full", others.pem, "name the certificate of the server's authority in caFrom"},
		{"right", "verify-full", nil, "name the certificate of the server's authority in caFrom"}, // no authority of this machine's
		{"right", "verify-ca", others.pem, "name the certificate of the server's authority in caFrom"},
		{"elsewhere", "verify-full", ours.pem, "set the endpoint's host to a name that the certificate is for"},
		{"elsewhere", "verify-ca", ours.pem, ""},
		{"expired", "verify-full", ours.pem, "renew the server's certificate"},
		{"expired", "verify-ca", ours.pem, "renew the server's certificate"},
		{"self-signed", "verify-full", ours.pem, "name the certificate of the server's authority in caFrom"},
		{"stranger", "verify-full", ours.pem, "name the certificate of the server's authority in caFrom"},
		{"client", "verify-full", ours.pem, "give the server a certificate that a TLS client accepts"},
		{"stranger", "require", nil, ""}, // on loopback only
	}
	for _, c := range cases {
		t.Run(c.cert+"/"+c.tls, func(t *testing.T) {
			// The server reads it at its next start; a reload would have to be waited for.
			s.options.Settings["ssl_cert_file"], s.options.Settings["ssl_key_file"] = c.cert+".crt", c.cert+".key"
			if err := s.server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			p, err := Open(t.Context(), Config{
				Connection: "warehouse", Host: "127.0.0.1", Port: s.Port(), Database: "postgres", User: "engine", Password: "engine", TLS: c.tls, CA: c.ca,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			d, err := p.Describe(t.Context())
			var pe *platform.Error
			switch {
			case c.hint == "" && (err != nil || !strings.HasPrefix(d.TLS, "TLS 1.")):
				t.Errorf("not trusted: %+v, %v", d, err)
			case c.hint != "" && (!errors.As(err, &pe) || pe.Code != platform.Untrusted || !strings.Contains(pe.Hint, c.hint)):
				t.Errorf("got %#v", err)
			}
		})
	}
}
