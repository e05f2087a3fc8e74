// Package policy is the only importer of OPA: it compiles rules once and
// evaluates them, with capabilities cut down, strict builtin errors and the
// clock pinned. It fails closed: undefined, an error or an odd shape is never
// taken for a yes. It knows nothing of the engine's types; inputs and decisions
// are JSON.
//
// The organisation's rules come from the base commit, so people agreed to them,
// but they may be clumsy. What they can cost is bounded: their source, the input,
// the steps of one decision and its time, and what builtins that make new values
// are given, for one call and for all of them together; a call that could make
// much of little (a format with wide verbs, a text doubled line by line) is
// refused or fails. See limits.go.
//
// What remains: evaluation is in this process, and memory itself is not bounded.
// Within the steps a rule can keep some hundred megabytes of small values in
// nested comprehensions, and a value that holds another one twice, forty lines
// in a row, is small in memory but would take for ever to compare or to write
// out. The first is freed with the decision; of the second, messages are texts
// and the deadline stops whatever takes steps, but one comparison of two such
// values in a builtin does not ask for it. Both take somebody who may change
// policies/, which takes two people with GOVERNANCE; the request that runs into
// them stays pending. Where even that is too much, run determining under a
// memory limit of the operating system: it can be killed at any moment.
package policy
