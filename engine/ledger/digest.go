package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	digestPrefix = "sha256:"
	contentTag   = "assent/request/v1"
	planTag      = "assent/plan/v1"
)

// Valid reports whether the digest has its form.
func (d Digest) Valid() bool {
	digits, ok := strings.CutPrefix(string(d), digestPrefix)
	if !ok || len(digits) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(digits) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// DigestOf is the digest of bytes as they are: what Record.Prev holds of the
// record before, and what checkpoints and high-water marks hold.
func DigestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest(digestPrefix + hex.EncodeToString(sum[:]))
}

// ContentDigest binds the bytes of a request file to its path and repository,
// so that a copy elsewhere is another content.
func ContentDigest(repoID, path string, blob []byte) Digest {
	return tagged(contentTag, []byte(repoID), []byte(path), blob)
}

// PlanDigest covers a resolved plan, given as Canonical writes it.
func PlanDigest(canonicalPlan []byte) Digest { return tagged(planTag, canonicalPlan) }

// tagged hashes parts with a tag of their purpose. No part but the last may
// hold a NUL; paths and ids cannot.
func tagged(tag string, parts ...[]byte) Digest {
	h := sha256.New()
	h.Write([]byte(tag))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write(p)
	}
	return Digest(digestPrefix + hex.EncodeToString(h.Sum(nil)))
}
