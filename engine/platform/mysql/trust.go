package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/assent-dev/assent/engine/platform"
)

// trust says how the server has to prove who it is, before any password leaves,
// and by whose word.
//
//	              loopback   elsewhere
//	verify-full   yes        yes
//	verify-ca     yes        yes: the name is not compared
//	require       yes        refused: it checks nothing
//	disable       yes        refused
func (m *MySQL) trust() (*tls.Config, error) {
	t := &tls.Config{ServerName: m.cfg.Host, MinVersion: tls.VersionTLS12}
	if len(m.cfg.CA) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(m.cfg.CA) {
			return nil, m.untrusted("read the authorities of the connection: no certificate in them",
				"put the certificate of the server's authority, in PEM, where caFrom points")
		}
	}
	ip := net.ParseIP(m.cfg.Host)
	local := m.cfg.Host == "localhost" || ip != nil && ip.IsLoopback()
	switch m.cfg.TLS {
	case "", "verify-full":
		return t, nil
	case "verify-ca":
		t.InsecureSkipVerify = true // VerifyConnection checks all but the name
		t.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, t.RootCAs) }
		return t, nil
	case "require", "disable":
		if !local {
			return nil, m.untrusted("connect: nothing would prove that the server is the right one",
				"leave tls out, which verifies it; where its authority is one of your own, name its certificate in caFrom")
		}
		if m.cfg.TLS == "disable" {
			return nil, nil
		}
		t.InsecureSkipVerify = true // as the connection asks, on this machine
		return t, nil
	default:
		return nil, &platform.Error{
			Connection: m.cfg.Connection, Code: platform.Unreachable, Hint: "use verify-full, verify-ca, require or disable",
			Err: fmt.Errorf("parse connection settings: no tls mode %q", m.cfg.TLS),
		}
	}
}

func (m *MySQL) untrusted(text, hint string) error {
	return &platform.Error{Connection: m.cfg.Connection, Code: platform.Untrusted, Hint: hint, Err: errors.New(text)}
}

// verifyChain checks who issued the server's certificate, and not its name.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(opts)
	return err
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
	case errors.Is(err, mysql.ErrNoTLS):
		return "turn TLS on at the server (ssl-cert and ssl-key); tls: disable is for a server on this machine only"
	}
	return ""
}
