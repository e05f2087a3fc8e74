package review

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxSaid is how much of what a reviewer wrote is kept, in bytes: facts stand
// whole in the record of a determination, and nobody may make one so large that
// it cannot be recorded.
const MaxSaid = 4 << 10

// Cut is what was left out of a review's body.
type Cut struct {
	Bytes  int    `json:"bytes"`
	Digest string `json:"digest"` // "sha256:" and that of the whole body
}

// Said is a body as it is kept: at most MaxSaid bytes, cut between characters,
// with a last line that says how much is left out. What is short enough is kept
// as it is, and nothing was cut then.
func Said(body string) (string, *Cut) {
	if len(body) <= MaxSaid {
		return body, nil
	}
	const room = 64 // for the last line
	at := MaxSaid - room
	for at > 0 && !utf8.RuneStart(body[at]) {
		at--
	}
	sum := sha256.Sum256([]byte(body))
	cut := &Cut{Bytes: len(body) - at, Digest: "sha256:" + hex.EncodeToString(sum[:])}
	return body[:at] + fmt.Sprintf("\n[… %d bytes are left out]", cut.Bytes), cut
}

// Bounded are the facts with every review's body as it is kept.
func (f Facts) Bounded() Facts {
	f.Reviews = slices.Clone(f.Reviews)
	for i := range f.Reviews {
		if body, cut := Said(f.Reviews[i].Body); cut != nil {
			f.Reviews[i].Body, f.Reviews[i].Cut = body, cut
		}
	}
	return f
}
