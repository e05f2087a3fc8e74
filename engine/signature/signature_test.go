package signature_test

import (
	"bytes"
	"crypto/dsa" //nolint:staticcheck // to prove that it is refused
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/assent-dev/assent/engine/signature"
)

const space = "assent.determination.v1"

var message = []byte("approved\n")

func newSigner(t testing.TB) signature.Signer {
	t.Helper()
	s, _, err := signature.Generate("test")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s signature.Signer, namespace string, data []byte) []byte {
	t.Helper()
	sig, err := s.Sign(namespace, data)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func keygen(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ssh-keygen is missing")
		}
		t.Skip("ssh-keygen is missing")
	}
	return path
}

func run(t *testing.T, in []byte, name string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerifyNamesTheKeyThatSigned(t *testing.T) {
	s := newSigner(t)
	got, err := signature.Verify(space, message, sign(t, s, space, message))
	if err != nil || got.Fingerprint() != s.Public().Fingerprint() {
		t.Errorf("got %s, %v", got.Fingerprint(), err)
	}
}

func TestKeysSurviveTheirFile(t *testing.T) {
	s, file, err := signature.Generate("kim")
	if err != nil {
		t.Fatal(err)
	}
	again, err := signature.ParseSigner(file)
	if err != nil || again.Public().Fingerprint() != s.Public().Fingerprint() {
		t.Errorf("private key: %v", err)
	}
	public, err := signature.ParsePublic(s.Public().String() + " kim@example.com\n")
	if err != nil || public.String() != s.Public().String() {
		t.Errorf("public key: %v", err)
	}
	if !(signature.Public{}).IsZero() || !(signature.Signer{}).IsZero() || public.IsZero() || s.IsZero() {
		t.Error("IsZero does not tell a key from none")
	}
}

// What ssh-keygen signs we verify, with every kind of key that we admit.
func TestSSHKeygenSignsAndWeVerify(t *testing.T) {
	tool := keygen(t)
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa", "-b", "256"}, {"ecdsa", "-b", "384"}, {"ecdsa", "-b", "521"}, {"rsa", "-b", "3072"}} {
		dir := t.TempDir()
		key := filepath.Join(dir, "key")
		args := append([]string{"-q", "-N", "", "-f", key, "-t"}, kind...)
		if err := run(t, nil, tool, args...); err != nil {
			t.Fatal(err)
		}
		file := write(t, filepath.Join(dir, "message"), message)
		if err := run(t, nil, tool, "-Y", "sign", "-f", key, "-n", space, file); err != nil {
			t.Fatal(err)
		}
		sig, err := os.ReadFile(file + ".sig")
		if err != nil {
			t.Fatal(err)
		}
		line, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		want, err := signature.ParsePublic(string(line))
		if err != nil {
			t.Fatal(err)
		}
		got, err := signature.Verify(space, message, sig)
		if err != nil || got.Fingerprint() != want.Fingerprint() {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

// What we sign ssh-keygen verifies, with keys that it or we made.
func TestWeSignAndSSHKeygenVerifies(t *testing.T) {
	tool := keygen(t)
	for _, kind := range [][]string{nil, {"ed25519"}, {"ecdsa", "-b", "256"}, {"rsa", "-b", "3072"}} {
		dir := t.TempDir()
		s := newSigner(t)
		if kind != nil {
			key := filepath.Join(dir, "key")
			if err := run(t, nil, tool, append([]string{"-q", "-N", "", "-f", key, "-t"}, kind...)...); err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			if s, err = signature.ParseSigner(file); err != nil {
				t.Fatal(err)
			}
		}
		allowed := write(t, filepath.Join(dir, "allowed"), []byte(`kim namespaces="`+space+`" `+s.Public().String()+"\n"))
		sig := write(t, filepath.Join(dir, "sig"), sign(t, s, space, message))
		verify := []string{"-Y", "verify", "-f", allowed, "-I", "kim", "-s", sig, "-n"}
		if err := run(t, message, tool, append(verify, space)...); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
		if run(t, []byte("denied\n"), tool, append(verify, space)...) == nil {
			t.Errorf("%v: ssh-keygen verified another message", kind)
		}
	}
}

func TestPublicKeysThatAreRefused(t *testing.T) {
	s := newSigner(t)
	ca := sshSigner(t, ed25519Key(t))
	cert := &ssh.Certificate{Key: ca.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	line := s.Public().String()
	for name, in := range map[string]string{
		"nothing":         "",
		"a comment":       "# ssh-ed25519",
		"options":         `command="sh" ` + line,
		"two keys":        line + "\n" + line,
		"cut short":       line[:len(line)-8],
		"certificate":     string(ssh.MarshalAuthorizedKey(cert)),
		"rsa-2048":        string(ssh.MarshalAuthorizedKey(sshSigner(t, rsaKey(t, 2048)).PublicKey())),
		"dsa":             string(ssh.MarshalAuthorizedKey(dsaKey(t))),
		"type that lies":  strings.Replace(line, "ssh-ed25519", "ssh-rsa", 1),
		"a private key":   "-----BEGIN OPENSSH PRIVATE KEY-----",
		"allowed_signers": "kim " + line + " " + line,
	} {
		if key, err := signature.ParsePublic(in); err == nil {
			t.Errorf("%s: read as %s", name, key)
		}
	}
	if _, err := signature.ParsePublic(string(ssh.MarshalAuthorizedKey(sshSigner(t, rsaKey(t, 3072)).PublicKey()))); err != nil {
		t.Errorf("rsa-3072: %v", err)
	}
}

func TestPrivateKeysThatAreRefusedAndNotQuoted(t *testing.T) {
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(ed25519Key(t), "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	weak, err := ssh.MarshalPrivateKey(rsaKey(t, 2048), "")
	if err != nil {
		t.Fatal(err)
	}
	_, good, err := signature.Generate("")
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string][]byte{
		"nothing": nil, "encrypted": pem.EncodeToMemory(locked), "rsa-2048": pem.EncodeToMemory(weak),
		"cut short": good[:len(good)/2], "text": []byte("hunter2"),
	} {
		_, err := signature.ParseSigner(in)
		if err == nil {
			t.Errorf("%s: read", name)
			continue
		}
		for _, word := range strings.Fields(string(in)) {
			if len(word) > 6 && strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error quotes the key: %v", name, err)
			}
		}
	}
}

// forge makes a signature without the care of Sign.
func forge(t *testing.T, s ssh.Signer, hash sshsig.HashAlgorithm, namespace string) []byte {
	t.Helper()
	sig, err := sshsig.Sign(bytes.NewReader(message), s, hash, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return sshsig.Armor(sig)
}

func TestSignaturesThatAreRefused(t *testing.T) {
	s := newSigner(t)
	good := sign(t, s, space, message)
	other := sign(t, s, space, []byte("denied\n"))
	block, _ := pem.Decode(good)
	rearmor := func(data []byte, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: data, Headers: headers})
	}
	ca := sshSigner(t, ed25519Key(t))
	cert := &ssh.Certificate{Key: ca.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	certSigner, err := ssh.NewCertSigner(cert, ca)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"nothing":                 nil,
		"text":                    []byte("trust me"),
		"of another message":      other,
		"two, the good one first": append(bytes.Clone(good), other...),
		"two, the good one last":  append(bytes.Clone(other), good...),
		"the same twice":          append(bytes.Clone(good), good...),
		"text before":             append([]byte("x\n"), good...),
		"newline before":          append([]byte("\n"), good...),
		"text after":              append(bytes.Clone(good), "x"...),
		"another block after":     append(bytes.Clone(good), pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: []byte("x")})...),
		"bytes after, inside":     rearmor(append(bytes.Clone(block.Bytes), 0), nil),
		"cut short":               rearmor(block.Bytes[:len(block.Bytes)-1], nil),
		"headers":                 rearmor(block.Bytes, map[string]string{"Comment": "x"}),
		"of another kind":         pem.EncodeToMemory(&pem.Block{Type: "PGP SIGNATURE", Bytes: block.Bytes}),
		"by an rsa-2048 key":      forge(t, sshSigner(t, rsaKey(t, 2048)), sshsig.HashSHA512, space),
		"by a certificate":        forge(t, certSigner, sshsig.HashSHA512, space),
		"with SHA-1":              sha1Signature(t),
		"of a later version":      versioned(good),
		"by a key nobody touched": untouched(t, 0),
		"without flags":           untouched(t),
		"with reserved bytes":     reserved(t, good),
	}
	for name, sig := range cases {
		if key, err := signature.Verify(space, message, sig); !errors.Is(err, signature.ErrInvalid) {
			t.Errorf("%s: got %v by %q, want ErrInvalid", name, err, key.String())
		}
	}
	if _, err := signature.Verify(space, message, append(bytes.Clone(good), '\n')); err != nil {
		t.Errorf("a newline after: %v", err)
	}
	for _, hash := range sshsig.SupportedHashAlgorithms() {
		if _, err := signature.Verify(space, message, forge(t, sshSigner(t, rsaKey(t, 3072)), hash, space)); err != nil {
			t.Errorf("rsa-3072 with %s: %v", hash, err)
		}
	}
	if _, err := signature.Verify(space, message, untouched(t, 1)); err != nil {
		t.Errorf("a touched security key: %v", err)
	}
}

func TestNamespaceBindsASignatureToItsPurpose(t *testing.T) {
	s := newSigner(t)
	spaces := []string{space, "assent.applied.v1", "git", "file", space + " ", strings.ToUpper(space)}
	for _, a := range spaces {
		sig := sign(t, s, a, message)
		for _, b := range append(spaces, "") {
			_, err := signature.Verify(b, message, sig)
			if a == b && err != nil {
				t.Errorf("%q: %v", a, err)
			}
			if a != b && (!errors.Is(err, signature.ErrInvalid) || !errors.Is(err, signature.ErrNamespace)) {
				t.Errorf("%q as %q: got %v, want ErrInvalid and ErrNamespace", a, b, err)
			}
		}
	}
	if _, err := s.Sign("", message); err == nil {
		t.Error("signed without a namespace")
	}
}

// No single bit of a signature, nor of what was signed, may change.
func TestEveryBitCounts(t *testing.T) {
	s := newSigner(t)
	sig := sign(t, s, space, message)
	block, _ := pem.Decode(sig)
	for i := range len(block.Bytes) * 8 {
		flipped := bytes.Clone(block.Bytes)
		flipped[i/8] ^= 1 << (i % 8)
		armored := pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: flipped})
		if _, err := signature.Verify(space, message, armored); err == nil {
			t.Errorf("bit %d of the signature does not count", i)
		}
	}
	for i := range len(message) * 8 {
		flipped := bytes.Clone(message)
		flipped[i/8] ^= 1 << (i % 8)
		if _, err := signature.Verify(space, flipped, sig); err == nil {
			t.Errorf("bit %d of the message does not count", i)
		}
	}
}

// FuzzVerify: nothing but the signature itself verifies, and no input panics.
func FuzzVerify(f *testing.F) {
	s := newSigner(f)
	good := sign(f, s, space, message)
	f.Add(good)
	f.Add(append(bytes.Clone(good), good...))
	f.Add(bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, sig []byte) {
		key, err := signature.Verify(space, message, sig)
		if err != nil {
			if !errors.Is(err, signature.ErrInvalid) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		a, _ := pem.Decode(good)
		b, _ := pem.Decode(sig)
		if key.Fingerprint() == s.Public().Fingerprint() && !bytes.Equal(a.Bytes, b.Bytes) {
			t.Fatalf("another signature of our key verifies:\n%s", sig)
		}
	})
}

func ed25519Key(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func dsaKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	var key dsa.PrivateKey
	if err := dsa.GenerateParameters(&key.Parameters, rand.Reader, dsa.L1024N160); err != nil {
		t.Fatal(err)
	}
	if err := dsa.GenerateKey(&key, rand.Reader); err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func sshSigner(t testing.TB, key any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// blob is the wire form of an sshsig, for what no library makes.
type blob struct {
	Magic     [6]byte
	Version   uint32
	Key       string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

func versioned(armored []byte) []byte {
	block, _ := pem.Decode(armored)
	data := bytes.Clone(block.Bytes)
	data[9] = 2
	return pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: data})
}

// reserved fills the field that must be empty; it is not covered by the signature.
func reserved(t *testing.T, armored []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(armored)
	var b blob
	if err := ssh.Unmarshal(block.Bytes, &b); err != nil {
		t.Fatal(err)
	}
	b.Reserved = "x"
	return pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: ssh.Marshal(b)})
}

func wire(key ssh.PublicKey, sig *ssh.Signature) []byte {
	b := blob{Version: 1, Key: string(key.Marshal()), Namespace: space, Hash: "sha512", Signature: string(ssh.Marshal(sig))}
	copy(b.Magic[:], "SSHSIG")
	return pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: ssh.Marshal(b)})
}

// signedBytes is what sshsig signs of the message.
func signedBytes() []byte {
	return append([]byte("SSHSIG"), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum string }{space, "", "sha512", sha512sum(message)})...)
}

func sha1Signature(t *testing.T) []byte {
	t.Helper()
	s, ok := sshSigner(t, rsaKey(t, 3072)).(ssh.AlgorithmSigner)
	if !ok {
		t.Fatal("no algorithm signer")
	}
	sig, err := s.SignWithAlgorithm(rand.Reader, signedBytes(), ssh.KeyAlgoRSA)
	if err != nil {
		t.Fatal(err)
	}
	return wire(s.PublicKey(), sig)
}

// untouched is a security key's signature with these flags, as a key in
// software can make it.
func untouched(t *testing.T, flags ...byte) []byte {
	t.Helper()
	const app = "ssh:"
	private := ed25519Key(t)
	public, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Kind string
		Key  []byte
		App  string
	}{ssh.KeyAlgoSKED25519, private.Public().(ed25519.PublicKey), app}))
	if err != nil {
		t.Fatal(err)
	}
	if len(flags) == 0 {
		return wire(public, &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(private, signedBytes())})
	}
	appSum, dataSum := sha256sum(app), sha256sum(string(signedBytes()))
	signed := append([]byte(appSum), flags[0], 0, 0, 0, 7)
	signed = append(signed, dataSum...)
	return wire(public, &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(private, signed), Rest: []byte{flags[0], 0, 0, 0, 7}})
}

func sha512sum(data []byte) string {
	sum := sha512.Sum512(data)
	return string(sum[:])
}

func sha256sum(data string) string {
	sum := sha256.Sum256([]byte(data))
	return string(sum[:])
}
