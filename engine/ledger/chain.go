package ledger

import (
	"errors"
	"fmt"
)

// Sentinels that callers branch on.
var (
	// ErrNoLedger says that the branch does not exist. It never means "empty".
	ErrNoLedger = errors.New("no ledger")
	// ErrKey says that a signer may not sign what it was given.
	ErrKey = errors.New("key may not sign")
	// ErrRolledBack says that the ledger, or main, is behind what was seen
	// before: grants freeze.
	ErrRolledBack = errors.New("rolled back")
)

// Code says which property of the chain does not hold.
type Code string

// The codes of ChainError.
const (
	CodeGap        Code = "gap"               // a sequence number is missing
	CodeFork       Code = "fork"              // two records have one sequence number
	CodePrev       Code = "prev"              // not chained to the record before
	CodeRepo       Code = "repo"              // made for another repository
	CodeEncoding   Code = "encoding"          // not in the canonical form
	CodeSchema     Code = "schema"            // unknown version
	CodeType       Code = "type"              // unknown record type
	CodeField      Code = "field"             // unknown field or impossible value
	CodeMissing    Code = "missing-signature" // record without .sig
	CodeExtra      Code = "extra-file"        // a file that is no record, or a .sig without one
	CodeMode       Code = "mode"              // not an ordinary file
	CodePath       Code = "path"              // not where its content says
	CodeSize       Code = "size"              // larger than allowed
	CodeSignature  Code = "signature"         // the signature does not verify
	CodeNamespace  Code = "namespace"         // signed for another purpose
	CodeRole       Code = "role"              // the key has another role
	CodeKey        Code = "key"               // no seal names the key at this sequence number
	CodeDistrusted Code = "distrusted"        // a seal distrusts the key
	CodeRoot       Code = "root"              // a seal that no pinned root signed
	CodeSeal       Code = "seal"              // a seal that says something impossible
	CodeSigners    Code = "signers"           // allowed_signers is not what the seals say
	CodeRewritten  Code = "rewritten"         // the verified history is gone or changed
	CodeCheckpoint Code = "checkpoint"        // a checkpoint that the chain contradicts
)

// ChainError is the first thing in a ledger that does not hold. Nothing may be
// granted on a ledger that has one.
type ChainError struct {
	Seq    uint64 // zero where the fault belongs to no record
	Path   string // in the tree of the ledger branch
	Code   Code
	Detail string
}

// Error says which record, where, and what does not hold.
func (e *ChainError) Error() string {
	at := "ledger"
	if e.Seq > 0 {
		at = fmt.Sprintf("record %d", e.Seq)
	}
	if e.Path != "" {
		at += " (" + e.Path + ")"
	}
	return fmt.Sprintf("verify %s: %s: %s", at, e.Code, e.Detail)
}

func fault(e entry, code Code, format string, args ...any) *ChainError {
	return &ChainError{Seq: e.seq, Path: e.path, Code: code, Detail: fmt.Sprintf(format, args...)}
}
