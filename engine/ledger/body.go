package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/assent-dev/assent/engine/signature"
)

// checker is a body that can say whether it holds by itself.
type checker interface {
	check(Record) (Code, error)
}

func (r Record) body() (checker, error) {
	var body checker
	switch r.Type {
	case TypeDetermination:
		body = new(DeterminationBody)
	case TypeRevocation:
		body = new(RevocationBody)
	case TypeApplied, TypeRevoked:
		body = new(EffectBody)
	case TypeObservation:
		body = new(ObservationBody)
	case TypeOverride:
		body = new(OverrideBody)
	case TypeSeal:
		body = new(SealBody)
	case TypeCheckpoint:
		body = new(CheckpointBody)
	default:
		return nil, r.fault(CodeType, "unknown record type %q", r.Type)
	}
	if code, err := strict(r.Body, body); err != nil {
		return nil, r.fault(code, "body: %v", err)
	}
	return body, nil
}

// read is the body as T; a record of another type is an error.
func read[T any](r Record) (T, error) {
	var none T
	body, err := r.body()
	if err != nil {
		return none, err
	}
	typed, ok := any(body).(*T)
	if !ok {
		return none, fmt.Errorf("read record %d: it is of type %s", r.Seq, r.Type)
	}
	return *typed, nil
}

// Determination is the body of a determination record.
func (r Record) Determination() (DeterminationBody, error) { return read[DeterminationBody](r) }

// Revocation is the body of a revocation record.
func (r Record) Revocation() (RevocationBody, error) { return read[RevocationBody](r) }

// Effect is the body of an applied or revoked record.
func (r Record) Effect() (EffectBody, error) { return read[EffectBody](r) }

// Observation is the body of an observation record.
func (r Record) Observation() (ObservationBody, error) { return read[ObservationBody](r) }

// Override is the body of an override record.
func (r Record) Override() (OverrideBody, error) { return read[OverrideBody](r) }

// Seal is the body of a seal record.
func (r Record) Seal() (SealBody, error) { return read[SealBody](r) }

// Checkpoint is the body of a checkpoint record.
func (r Record) Checkpoint() (CheckpointBody, error) { return read[CheckpointBody](r) }

func (b *DeterminationBody) check(r Record) (Code, error) {
	outcomes := []string{"approved", "temporarily-approved", "denied", "canceled"}
	if !slices.Contains(outcomes, b.Outcome) {
		return CodeField, fmt.Errorf("unknown outcome %q", b.Outcome)
	}
	if r.Subject.Request == "" && r.Subject.Review == "" && (r.Subject.Path != "" || r.Subject.Blob != "") { // without either, it is of a governance change
		return CodeField, errors.New("no request named in the subject")
	}
	for _, d := range []Digest{b.Policy.Builtin, b.Policy.Custom, b.Policy.Input, b.Policy.Decision} {
		if d != "" && !d.Valid() {
			return CodeField, fmt.Errorf("%q is not a digest", d)
		}
	}
	if d := r.Subject.PlanDigest; d != "" {
		plan, err := Canonical(b.Plan)
		if err != nil {
			return CodeEncoding, err
		}
		if PlanDigest(plan) != d {
			return CodeField, errors.New("the plan is not the one that planDigest covers")
		}
	}
	return CodeField, wholeSeconds(b.NotBefore, b.Until, b.DecidedAt)
}

func (b *RevocationBody) check(Record) (Code, error) {
	if seq, err := strconv.ParseUint(b.Determination, 10, 64); err != nil || seq == 0 || strconv.FormatUint(seq, 10) != b.Determination {
		return CodeField, fmt.Errorf("determination %q is not a sequence number", b.Determination)
	}
	return "", nil
}

func (b *EffectBody) check(Record) (Code, error) {
	return CodeField, wholeSeconds(b.NotAfter)
}

func (b *ObservationBody) check(Record) (Code, error) {
	if b.Code == "" {
		return CodeField, errors.New("no code")
	}
	return "", nil
}

func (b *OverrideBody) check(Record) (Code, error) {
	if b.Code == "" || len(b.By) == 0 {
		return CodeField, errors.New("an override names its code and who made it")
	}
	if b.Batch != "" && !b.Batch.Valid() {
		return CodeField, fmt.Errorf("%q is not a digest", b.Batch)
	}
	return "", nil
}

func (b *CheckpointBody) check(r Record) (Code, error) {
	if b.Mark.Seq == 0 || b.Mark.Seq >= r.Seq || !b.Mark.Digest.Valid() {
		return CodeCheckpoint, errors.New("its mark is not an earlier record")
	}
	return "", nil
}

func (b *SealBody) check(r Record) (Code, error) {
	for _, line := range []string{b.Determining, b.Reconciling} {
		key, err := signature.ParsePublic(line)
		if err != nil {
			return CodeSeal, err
		}
		if key.String() != line {
			return CodeSeal, fmt.Errorf("key %q has a comment or spaces", line)
		}
	}
	switch {
	case b.Determining == b.Reconciling:
		return CodeSeal, errors.New("one key may not have both roles")
	case b.From < r.Seq:
		return CodeSeal, fmt.Errorf("from %d is before the seal itself", b.From)
	case b.DistrustFrom > r.Seq:
		return CodeSeal, fmt.Errorf("distrustFrom %d is after the seal", b.DistrustFrom)
	case b.DistrustFrom > 0 && b.From > r.Seq+1:
		return CodeSeal, errors.New("a seal that distrusts keys takes effect at once")
	}
	return "", nil
}
