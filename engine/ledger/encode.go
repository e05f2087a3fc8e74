package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// MaxRecord is the size of the largest record, in bytes.
const MaxRecord = 1 << 20

// written is a Record whose body is read: what Encode marshals, so that the
// order of the body's fields is that of its type.
type written struct {
	Schema     string    `json:"schema"`
	Type       Type      `json:"type"`
	Repo       string    `json:"repo"`
	Seq        uint64    `json:"seq,string"`
	Prev       Digest    `json:"prev"`
	RecordedAt time.Time `json:"recordedAt"`
	Subject    Subject   `json:"subject"`
	Body       any       `json:"body"`
}

// Encode writes a record in its only form. A record that does not hold by
// itself is refused with a *ChainError: an unknown schema or type, a body with
// unknown fields, a digest or time in another form, a number with a fraction.
func Encode(r Record) ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if err := r.check(body); err != nil {
		return nil, err
	}
	out, err := Canonical(written{r.Schema, r.Type, r.Repo, r.Seq, r.Prev, r.RecordedAt, r.Subject, body})
	if err != nil {
		return nil, r.fault(CodeEncoding, "%v", err)
	}
	if len(out) >= MaxRecord {
		return nil, r.fault(CodeSize, "%d bytes, more than %d", len(out)+1, MaxRecord)
	}
	return append(out, '\n'), nil
}

// Decode reads a record and requires that its bytes are exactly what Encode
// writes for it. Its errors are *ChainError.
func Decode(raw []byte) (Record, error) {
	if len(raw) > MaxRecord {
		return Record{}, &ChainError{Code: CodeSize, Detail: fmt.Sprintf("%d bytes, more than %d", len(raw), MaxRecord)}
	}
	var r Record
	if code, err := strict(raw, &r); err != nil {
		return Record{}, &ChainError{Code: code, Detail: err.Error()}
	}
	again, err := Encode(r)
	if err != nil {
		return Record{}, err
	}
	if !bytes.Equal(again, raw) {
		return Record{}, r.fault(CodeEncoding, "not in the canonical form")
	}
	return r, nil
}

// strict unmarshals one JSON value and refuses unknown fields.
func strict(raw []byte, into any) (Code, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if strings.Contains(err.Error(), "unknown field") { // encoding/json has no type for it
			return CodeField, err
		}
		return CodeEncoding, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return CodeEncoding, errors.New("data after the value")
	}
	return "", nil
}

// fault is a *ChainError about this record.
func (r Record) fault(code Code, format string, args ...any) *ChainError {
	return &ChainError{Seq: r.Seq, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// check is what a record must satisfy whoever signed it.
func (r Record) check(body checker) error {
	switch {
	case r.Schema != Schema:
		return r.fault(CodeSchema, "schema %q; this version reads %s", r.Schema, Schema)
	case r.Repo == "":
		return r.fault(CodeRepo, "no repository id")
	case r.Seq == 0 || r.Seq > maxSeq:
		return r.fault(CodeGap, "sequence number %d is out of range", r.Seq)
	case (r.Seq == 1) != (r.Prev == ""):
		return r.fault(CodePrev, "only the first record has no record before it")
	case r.RecordedAt.IsZero():
		return r.fault(CodeField, "recordedAt is missing")
	}
	for _, d := range []Digest{r.Prev, r.Subject.ContentDigest, r.Subject.PlanDigest} {
		if d != "" && !d.Valid() {
			return r.fault(CodeField, "%q is not a digest", d)
		}
	}
	if err := wholeSeconds(r.RecordedAt); err != nil {
		return r.fault(CodeField, "recordedAt: %v", err)
	}
	if code, err := body.check(r); err != nil {
		return r.fault(code, "body: %v", err)
	}
	return nil
}

// wholeSeconds says whether times are in the only form they are written in.
func wholeSeconds(times ...time.Time) error {
	for _, t := range times {
		if t.Location() != time.UTC || t.Nanosecond() != 0 {
			return fmt.Errorf("time %s is not in UTC and whole seconds", t.Format(time.RFC3339Nano))
		}
	}
	return nil
}
