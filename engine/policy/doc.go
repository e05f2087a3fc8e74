// Package policy is the only importer of OPA: it compiles rules once and
// evaluates them, with capabilities cut down, strict builtin errors and the
// clock pinned. It fails closed: undefined, an error or an odd shape is never
// taken for a yes. It knows nothing of the engine's types; inputs and decisions
// are JSON.
//
// It evaluates in this process under a deadline and does not bound memory: the
// organisation's rules come from the base commit, so people agreed to them.
package policy
