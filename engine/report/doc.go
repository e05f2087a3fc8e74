// Package report renders what the engine found: problems for terminals,
// programs, code scanning and workflow logs, and judgements for people.
//
// It decides nothing and changes no value: what a person wrote appears as text
// that can neither act nor hide, and a line that may hold a secret does not
// appear at all.
package report
