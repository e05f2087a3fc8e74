package mysql

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
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	files := map[string][]byte{}
	ours.server(files, "right", nil)
	ours.server(files, "elsewhere", func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"db.example.com"} })
	ours.server(files, "expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	ours.server(files, "client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	ours.server(files, "self-signed", nil)
	others.server(files, "stranger", nil)
	settings := map[string]string{"ssl-cert": "right.crt", "ssl-key": "right.key"}
	s := newServer(t, PrivateOptions{Files: files, Settings: settings})
	password, err := s.Admin().CreateEngine(t.Context(), "engine")
	if err != nil {
		t.Fatal(err)
	}
	const byWhom = "name the certificate of the server's authority in caFrom"
	now := "right"
	for _, c := range []struct {
		cert, tls string
		ca        []byte
		hint      string // of what it is refused for; empty where it is trusted
	}{
		{"right", "", ours.pem, ""},
		{"right", "verify-full", append(append([]byte{}, others.pem...), ours.pem...), ""},
		{"right", "verify-full", others.pem, byWhom},
		{"right", "verify-full", nil, byWhom}, // no authority of this machine's
		{"right", "verify-ca", others.pem, byWhom},
		{"elsewhere", "verify-full", ours.pem, "set the endpoint's host to a name that the certificate is for"},
		{"elsewhere", "verify-ca", ours.pem, ""},
		{"expired", "verify-full", ours.pem, "renew the server's certificate"},
		{"expired", "verify-ca", ours.pem, "renew the server's certificate"},
		{"stranger", "verify-full", ours.pem, byWhom},
		{"stranger", "require", nil, ""}, // on loopback only
		{"self-signed", "verify-full", ours.pem, byWhom},
		{"client", "verify-full", ours.pem, "give the server a certificate that a TLS client accepts"},
		{"", "verify-full", ours.pem, "turn TLS on at the server"},
	} {
		t.Run(c.cert+"/"+c.tls, func(t *testing.T) {
			if c.cert != now {
				now = c.cert
				settings["ssl-cert"], settings["ssl-key"] = c.cert+".crt", c.cert+".key"
				if c.cert == "" {
					clear(settings)
					settings["skip-ssl"] = "1"
				}
				if err := s.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			m, err := Open(t.Context(), Config{
				Connection: "warehouse", Host: s.Host(), Port: s.Port(), User: "engine", Password: password, TLS: c.tls, CA: c.ca,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			_, err = m.Observe(t.Context())
			var pe *platform.Error
			switch {
			case c.hint == "" && err != nil:
				t.Errorf("not trusted: %v", err)
			case c.hint != "" && (!errors.As(err, &pe) || pe.Code != platform.Untrusted || !strings.Contains(pe.Hint, c.hint)):
				t.Errorf("got %#v", err)
			}
		})
	}
}

// What checks nothing is for this machine alone, and an authority has to be one.
func TestNothingIsTrustedUnseen(t *testing.T) {
	for _, c := range []struct {
		host, tls string
		ca        []byte
		code      platform.Code
	}{
		{"127.0.0.1", "disable", nil, ""},
		{"localhost", "require", nil, ""},
		{"db.example.com", "disable", nil, platform.Untrusted},
		{"db.example.com", "require", nil, platform.Untrusted},
		{"db.example.com", "verify-full", []byte("no certificate"), platform.Untrusted},
		{"127.0.0.1", "prefer", nil, platform.Unreachable},
	} {
		_, err := Open(t.Context(), Config{Connection: "warehouse", Host: c.host, TLS: c.tls, CA: c.ca})
		var pe *platform.Error
		if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &pe) || pe.Code != c.code || pe.Hint == "") {
			t.Errorf("%s at %s: %v", c.tls, c.host, err)
		}
	}
}
