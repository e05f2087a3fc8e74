package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/platform"
)

// trust makes sure, before any password leaves, that the settings let the
// server prove who it is, and by whose word.
//
//	                loopback or socket   elsewhere
//	verify-full     yes                  yes
//	verify-ca       yes                  yes
//	require         yes                  refused: it checks nothing
//	prefer, allow   yes                  refused: they do without
//	disable         yes                  refused
func (p *Postgres) trust(c *pgx.ConnConfig) error {
	var pool *x509.CertPool
	if len(p.cfg.CA) > 0 {
		pool = x509.NewCertPool()
		if !pool.AppendCertsFromPEM(p.cfg.CA) {
			return p.untrusted("read the authorities of the connection: no certificate in them",
				"put the certificate of the server's authority, in PEM, where caFrom points")
		}
	}
	configs := []*tls.Config{c.TLSConfig}
	for _, f := range c.Fallbacks {
		configs = append(configs, f.TLSConfig)
	}
	for _, t := range configs {
		// verify-ca skips the check of the name, and makes the rest in a function of its own.
		checks := t != nil && (!t.InsecureSkipVerify || t.VerifyPeerCertificate != nil)
		if !checks && !local(c.Host) {
			return p.untrusted("connect: nothing would prove that the server is the right one",
				"leave tls out, which verifies it; where its authority is one of your own, name its certificate in caFrom")
		}
		if t == nil {
			continue
		}
		t.MinVersion = tls.VersionTLS12
		if pool != nil {
			t.RootCAs = pool
		}
	}
	return nil
}

func (p *Postgres) untrusted(text, hint string) error {
	return &platform.Error{Connection: p.cfg.Connection, Code: platform.Untrusted, Hint: hint, Err: errors.New(text)}
}

// local reports whether a host surely is this machine: a socket or a loopback
// address. Any other name could be pointed elsewhere.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
}

// distrust is the next step where the server did not prove who it is, empty
// where the error is another.
func distrust(err error) string {
	var (
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		unknown  x509.UnknownAuthorityError
		other    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set this machine's clock"
	case errors.As(err, &hostname):
		return "set the endpoint's host to a name that the certificate is for, or give the server a certificate for this one"
	case errors.As(err, &unknown):
		return "name the certificate of the server's authority in caFrom; do not turn the check off"
	case errors.As(err, &invalid), errors.As(err, &other):
		return "give the server a certificate that a TLS client accepts"
	case err != nil && strings.Contains(err.Error(), "server refused TLS connection"):
		return "turn TLS on at the server (ssl = on); tls: disable is for a server on this machine only"
	}
	return ""
}
