package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

const maxSigners = 1 << 20

// Signs says which role signs records of a type; ok is false for an unknown type.
func (t Type) Signs() (role Role, ok bool) {
	switch t {
	case TypeSeal:
		return Root, true
	case TypeDetermination, TypeRevocation, TypeOverride:
		return Determining, true
	case TypeApplied, TypeRevoked, TypeObservation, TypeCheckpoint:
		return Reconciling, true
	}
	return "", false
}

// types lists what a role signs, in alphabetical order.
func (r Role) types() []Type {
	switch r {
	case Root:
		return []Type{TypeSeal}
	case Determining:
		return []Type{TypeDetermination, TypeOverride, TypeRevocation}
	case Reconciling:
		return []Type{TypeApplied, TypeCheckpoint, TypeObservation, TypeRevoked}
	}
	return nil
}

// principal is the role's name in allowed_signers.
func (r Role) principal() string { return "assent-" + string(r) }

// seal is a seal record, read.
type seal struct {
	seq      uint64
	from     uint64
	distrust uint64 // zero for none
	keys     map[Role]signature.Public
	prints   map[Role]string // fingerprints of keys
}

// names reports whether the seal gives a key any role.
func (s seal) names(fingerprint string) bool {
	return s.prints[Determining] == fingerprint || s.prints[Reconciling] == fingerprint
}

func newSeal(seq uint64, b SealBody) (seal, error) {
	determining, err := signature.ParsePublic(b.Determining)
	if err != nil {
		return seal{}, err
	}
	reconciling, err := signature.ParsePublic(b.Reconciling)
	if err != nil {
		return seal{}, err
	}
	keys := map[Role]signature.Public{Determining: determining, Reconciling: reconciling}
	prints := map[Role]string{Determining: determining.Fingerprint(), Reconciling: reconciling.Fingerprint()}
	return seal{seq, b.From, b.DistrustFrom, keys, prints}, nil
}

// admitSeal checks a seal against the roots and the seals before it: a key keeps
// its role for ever, and a distrusted key never comes back.
func (l *Ledger) admitSeal(before []seal, s seal) error {
	for _, role := range []Role{Determining, Reconciling} {
		fp := s.prints[role]
		if slices.Contains(l.trust.Root, fp) {
			return fmt.Errorf("the %s key is a root key", role)
		}
		for _, old := range before {
			if old.names(fp) && old.prints[role] != fp {
				return fmt.Errorf("the %s key had the other role in record %d", role, old.seq)
			}
		}
		if by, ok := distrusts(before, fp); ok {
			return fmt.Errorf("record %d distrusts the %s key", by, role)
		}
	}
	return nil
}

// distrusts finds the seal that ended the trust in a key.
func distrusts(seals []seal, fingerprint string) (by uint64, ok bool) {
	for i, s := range seals {
		named := slices.ContainsFunc(seals[:i], func(o seal) bool { return o.names(fingerprint) })
		if s.distrust > 0 && named && !s.names(fingerprint) {
			return s.seq, true
		}
	}
	return 0, false
}

// keysAt is the seal in force at a sequence number: the last one before it that
// has taken effect.
func (v view) keysAt(seq uint64) (seal, bool) {
	for _, s := range slices.Backward(v.seals) {
		if s.seq < seq && s.from <= seq {
			return s, true
		}
	}
	return seal{}, false
}

// judgeKey says whether a key may sign a type at a sequence number.
func (l *Ledger) judgeKey(v view, e entry, fingerprint string) error {
	role, ok := e.typ.Signs()
	if !ok {
		return fault(e, CodeType, "unknown record type %q", e.typ)
	}
	isRoot := slices.Contains(l.trust.Root, fingerprint)
	if role == Root {
		if !isRoot {
			return fault(e, CodeRoot, "signed by %s, which is not a pinned root key", fingerprint)
		}
		return nil
	}
	s, ok := v.keysAt(e.seq)
	switch {
	case ok && s.prints[role] == fingerprint:
		return nil
	case isRoot, ok && s.names(fingerprint):
		return fault(e, CodeRole, "signed by %s, which may not sign %s records", fingerprint, e.typ)
	}
	if by, ok := distrusts(v.seals, fingerprint); ok && by < e.seq {
		return fault(e, CodeDistrusted, "signed by %s, which record %d distrusts", fingerprint, by)
	}
	return fault(e, CodeKey, "signed by %s, which no seal names at %d", fingerprint, e.seq)
}

// void reports whether a later seal takes back the trust in a verified record.
func (v view) void(e entry) bool {
	if e.typ == TypeSeal {
		return false
	}
	return slices.ContainsFunc(v.seals, func(s seal) bool {
		return s.distrust > 0 && e.seq >= s.distrust && e.seq < s.from && !s.names(e.key)
	})
}

// readSeals verifies the seals among new entries, which the keys of all other
// records rest on.
func (l *Ledger) readSeals(next *view, entries []entry) error {
	next.seals, next.roots = slices.Clip(next.seals), slices.Clip(next.roots)
	for _, e := range entries {
		if e.typ != TypeSeal {
			continue
		}
		v, key, err := l.inspect(*next, e)
		if err != nil {
			return err
		}
		if err := next.addSeal(l, v.Record, key); err != nil {
			return fault(e, CodeSeal, "%v", err)
		}
	}
	return nil
}

func (v *view) addSeal(l *Ledger, r Record, root signature.Public) error {
	body, err := r.Seal()
	if err != nil {
		return err
	}
	s, err := newSeal(r.Seq, body)
	if err != nil {
		return err
	}
	if err := l.admitSeal(v.seals, s); err != nil {
		return err
	}
	v.seals = append(v.seals, s)
	if !slices.Contains(v.roots, root.String()) {
		v.roots = append(v.roots, root.String())
	}
	return nil
}

// allowedSigners is the file that lets `ssh-keygen -Y verify` check every record
// and `git verify-commit` every commit. It lists each key that was ever in
// force; since when, and until when, its comments and the seals say.
func (v view) allowedSigners() []byte {
	var b strings.Builder
	b.WriteString("# Who may sign what in this ledger, as its seals say. Written with each seal.\n")
	for _, key := range v.roots {
		writeSigner(&b, Root, key)
	}
	written := map[string]bool{}
	for _, s := range v.seals {
		fmt.Fprintf(&b, "# record %d: from sequence number %d\n", s.seq, s.from)
		if s.distrust > 0 {
			fmt.Fprintf(&b, "# record %d: earlier keys that it does not name are distrusted from sequence number %d\n", s.seq, s.distrust)
		}
		for _, role := range []Role{Determining, Reconciling} {
			if key := s.keys[role].String(); !written[key] {
				written[key] = true
				writeSigner(&b, role, key)
			}
		}
	}
	return []byte(b.String())
}

func writeSigner(b *strings.Builder, role Role, key string) {
	b.WriteString(role.principal() + ` namespaces="git`)
	for _, t := range role.types() {
		b.WriteString("," + t.Namespace())
	}
	b.WriteString(`" ` + key + "\n")
}

// checkSigners requires that the file auditors use says what the seals say.
func (l *Ledger) checkSigners(v view) error {
	file, ok, err := l.db.Find(v.tree, signersFile)
	if err != nil {
		return fmt.Errorf("read %s: %w", signersFile, err)
	}
	if !ok || file.Mode != gitdb.ModeFile {
		return &ChainError{Path: signersFile, Code: CodeSigners, Detail: "the file is missing"}
	}
	data, err := l.db.Blob(file.OID, maxSigners)
	if err != nil && !errors.Is(err, gitdb.ErrTooLarge) {
		return fmt.Errorf("read %s: %w", signersFile, err)
	}
	if string(data) != string(v.allowedSigners()) {
		return &ChainError{Path: signersFile, Code: CodeSigners, Detail: "not what the seals say"}
	}
	return nil
}
