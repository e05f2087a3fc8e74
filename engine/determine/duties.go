package determine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// Ruling is what the stages of a determination record say beyond who reviewed:
// what follows from it later. It is made again with the record, byte for byte.
type Ruling struct {
	Emergency *review.EmergencyUse `json:"emergency,omitempty"`
	Reviewed  []review.Reviewed    `json:"reviewed,omitempty"`
	Recertify *resource.Recertify  `json:"recertify,omitempty"`
}

// rulingOf is what follows from a determination: nothing unless it was approved.
func rulingOf(r review.Determination) Ruling {
	if !r.Outcome.Grants() {
		return Ruling{}
	}
	return Ruling{r.Emergency, r.Reviewed, r.Recertify}
}

// RulingOf reads the ruling of a record. Most have none, and are not decoded.
func RulingOf(body ledger.DeterminationBody) (Ruling, error) {
	var out Ruling
	some := slices.ContainsFunc([]string{`"emergency"`, `"reviewed"`, `"recertify"`}, func(key string) bool {
		return bytes.Contains(body.Stages, []byte(key))
	})
	if !some || !review.Outcome(body.Outcome).Grants() {
		return out, nil
	}
	if err := json.Unmarshal(body.Stages, &out); err != nil {
		return out, fmt.Errorf("read ruling: %w", err)
	}
	return out, nil
}

// Duties is every use of emergency access that the ledger tells of, and what was
// said of it since. It counts what is recorded, whether or not audit admits the
// record: a use that cannot be proven is still one to look back at.
type Duties struct{ all []duty }

type duty struct {
	use  review.EmergencyUse
	said []saying
}

// saying is one after-review of a use.
type saying struct {
	seq    uint64
	review resource.Name
	misuse bool
}

// Take adds one determination record; they come in order.
func (d *Duties) Take(v ledger.Verified, body ledger.DeterminationBody) error {
	ruling, err := RulingOf(body)
	if err != nil {
		return fmt.Errorf("record %d: %w", v.Seq, err)
	}
	if ruling.Emergency != nil {
		use := *ruling.Emergency
		use.Record = v.Seq
		d.all = append(d.all, duty{use: use})
	}
	for _, said := range ruling.Reviewed {
		for i := range d.all {
			if slices.Contains(said.Uses, d.all[i].use.Record) {
				d.all[i].said = append(d.all[i].said, saying{v.Seq, resource.Name(v.Subject.Review), said.Decision == resource.Misuse})
			}
		}
	}
	return nil
}

// At are the uses that still mattered after a record: those that no after-review
// closed as justified. The last word on a use counts.
func (d Duties) At(seq uint64) review.Emergencies {
	out := review.Emergencies{Ledger: seq, Uses: []review.EmergencyUse{}}
	for _, one := range d.all {
		if one.use.Record > seq {
			continue
		}
		use, closed := one.use, false
		for _, s := range one.said {
			if s.seq > seq {
				continue
			}
			use.Misuse, closed = "", !s.misuse
			if s.misuse {
				use.Misuse = s.review
			}
		}
		if !closed {
			out.Uses = append(out.Uses, use)
		}
	}
	return out
}

// clone copies the duties, so that the copy can grow alone.
func (d Duties) clone() Duties {
	out := Duties{all: slices.Clone(d.all)}
	for i := range out.all {
		out.all[i].said = slices.Clone(out.all[i].said)
	}
	return out
}

// ReadDuties replays a ledger for its duties, up to its last record.
func ReadDuties(ctx context.Context, l *ledger.Ledger) (review.Emergencies, error) {
	var d Duties
	var last uint64
	for v, err := range l.Replay(ctx) {
		if err != nil {
			return review.Emergencies{}, fmt.Errorf("replay ledger: %w", err)
		}
		last = v.Seq
		if v.Type != ledger.TypeDetermination {
			continue
		}
		body, err := v.Determination()
		if err != nil {
			return review.Emergencies{}, fmt.Errorf("read record %d: %w", v.Seq, err)
		}
		if err := d.Take(v, body); err != nil {
			return review.Emergencies{}, err
		}
	}
	return d.At(last), nil
}

// Recall adds what the ledger says of emergency access to the facts of a pull
// request that asks for some or looks back at some; other facts stay as they are.
func (j *Judge) Recall(ctx context.Context, facts review.Facts, known review.Emergencies) (review.Facts, error) {
	if !slices.ContainsFunc(facts.Files, func(f review.File) bool {
		return strings.HasPrefix(f.Path, "requests/") || strings.HasPrefix(f.Path, "reviews/")
	}) {
		return facts, nil
	}
	head, err := j.loader.At(ctx, gitdb.OID(facts.Head))
	if err != nil {
		return facts, fmt.Errorf("load head: %w", err)
	}
	for _, f := range facts.Files {
		name := resource.Name(strings.TrimSuffix(path.Base(f.Path), ".yaml"))
		req, ok := resource.Get[*resource.AccessRequest](head.Set, resource.KindAccessRequest, name)
		asks := ok && req.Spec.Type == resource.EmergencyAccess
		rev, ok := resource.Get[*resource.AccessReview](head.Set, resource.KindAccessReview, name)
		if asks || ok && rev.Spec.Type == resource.AfterReview {
			facts.Emergencies = &known
			return facts, nil
		}
	}
	return facts, nil
}
