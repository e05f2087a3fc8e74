// Package signature makes and checks OpenSSH signatures (sshsig), the form that
// `ssh-keygen -Y sign` writes and `ssh-keygen -Y verify` reads. It says which
// key signed which bytes in which namespace, and nothing about whether that
// key is trusted.
package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Sentinels that callers branch on.
var (
	// ErrInvalid is wrapped by every verification that does not hold.
	ErrInvalid = errors.New("invalid signature")
	// ErrNamespace is wrapped as well where the signature was made for another
	// purpose.
	ErrNamespace = errors.New("other namespace")
)

// Public is a public key. Two are the same where their fingerprints are; they
// are not compared with ==, which the compiler refuses.
type Public struct {
	_   [0]func()
	key ssh.PublicKey
}

// ParsePublic reads one line in the form of authorized_keys. Certificates,
// DSA, RSA below 3,072 bits and lines with options are refused.
func ParsePublic(line string) (Public, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return Public{}, fmt.Errorf("parse public key: %w", err)
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return Public{}, errors.New("parse public key: want one key without options")
	}
	return admit(key)
}

func admit(key ssh.PublicKey) (Public, error) {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256:
		return Public{key: key}, nil
	case ssh.KeyAlgoRSA:
		crypto, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			return Public{}, errors.New("parse public key: unreadable RSA key")
		}
		if k, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); !ok || k.N.BitLen() < 3072 {
			return Public{}, errors.New("parse public key: RSA needs at least 3072 bits; use ed25519")
		}
		return Public{key: key}, nil
	default:
		return Public{}, fmt.Errorf("parse public key: %s keys are refused; use ed25519", key.Type())
	}
}

// Fingerprint is "SHA256:" and the hash that `ssh-keygen -l` prints.
func (p Public) Fingerprint() string { return ssh.FingerprintSHA256(p.key) }

// String is the key in authorized_keys form, without a comment.
func (p Public) String() string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.key))) }

// IsZero reports whether the value holds no key.
func (p Public) IsZero() bool { return p.key == nil }

// Signer signs with one private key.
type Signer struct{ signer ssh.Signer }

// Generate makes a new ed25519 key and returns it with its OpenSSH file form.
func Generate(comment string) (Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Signer{}, nil, fmt.Errorf("generate key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return Signer{}, nil, fmt.Errorf("generate key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return Signer{}, nil, fmt.Errorf("generate key: %w", err)
	}
	return Signer{signer}, pem.EncodeToMemory(block), nil
}

// ParseSigner reads an unencrypted OpenSSH private key. The error never holds
// any part of the key.
func ParseSigner(file []byte) (Signer, error) {
	signer, err := ssh.ParsePrivateKey(file)
	if err != nil {
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			return Signer{}, errors.New("read private key: it is encrypted; give an unencrypted key file readable by its owner only")
		}
		return Signer{}, errors.New("read private key: not an OpenSSH private key")
	}
	if _, err := admit(signer.PublicKey()); err != nil {
		return Signer{}, err
	}
	return Signer{signer}, nil
}

// Public is the public half.
func (s Signer) Public() Public { return Public{key: s.signer.PublicKey()} }

// IsZero reports whether the value holds no key.
func (s Signer) IsZero() bool { return s.signer == nil }

// Sign makes an armoured signature of message in a namespace.
func (s Signer) Sign(namespace string, message []byte) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(message), s.signer, sshsig.HashSHA512, namespace)
	if err != nil {
		return nil, fmt.Errorf("sign in %s: %w", namespace, err)
	}
	return sshsig.Armor(sig), nil
}

// Verify checks an armoured signature of message in a namespace and says which
// key made it. Every failure wraps ErrInvalid.
func Verify(namespace string, message, armored []byte) (Public, error) {
	sig, err := read(armored)
	if err != nil {
		return Public{}, fmt.Errorf("read signature: %w: %w", ErrInvalid, err)
	}
	public, err := admit(sig.PublicKey)
	if err != nil {
		return Public{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if sig.Namespace != namespace {
		return Public{}, fmt.Errorf("verify in %s: %w: %w %q", namespace, ErrInvalid, ErrNamespace, sig.Namespace)
	}
	if err := sshsig.Verify(bytes.NewReader(message), sig, sig.PublicKey, sig.HashAlgorithm, namespace); err != nil {
		return Public{}, fmt.Errorf("verify in %s: %w: %w", namespace, ErrInvalid, err)
	}
	return public, nil
}

// read takes exactly one signature, with nothing before, after or inside it.
func read(armored []byte) (*sshsig.Signature, error) {
	if !bytes.HasPrefix(armored, []byte("-----BEGIN "+sshsig.PEMType+"-----\n")) {
		return nil, errors.New("not an armoured SSH signature")
	}
	block, rest := pem.Decode(armored)
	switch {
	case block == nil || block.Type != sshsig.PEMType || len(block.Headers) > 0:
		return nil, errors.New("not an armoured SSH signature")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("data after the signature")
	}
	sig, err := sshsig.ParseSignature(block.Bytes)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sig.Marshal(), block.Bytes) {
		return nil, errors.New("not in OpenSSH's form")
	}
	return sig, nil
}
