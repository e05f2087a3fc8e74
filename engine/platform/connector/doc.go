// Package connector is a platform that somebody else wrote: a program of its
// own, the connector, that Assent starts and speaks with in JSON lines over
// stdin and stdout. examples/connector is one connector, and has the protocol in
// prose and as a JSON Schema.
//
// A connector is trusted with the platform, and with nothing more. Who may run
// what is the operator's to say: Find takes a name, never a path, and looks in
// one directory that only the operator can write to. Its environment is empty
// but for a path and a locale; secrets reach it on stdin alone.
//
// What it says is checked before it is believed. A connector that hangs, dies,
// floods, answers another question, writes what is no answer, or claims a
// protocol that is not this one fails the call with a platform.Error, and the
// next call starts it anew. One question is asked at a time.
//
// The package starts no goroutine of its own, but two of the standard library's
// work for it: os/exec copies what the connector writes on stderr, and
// context.AfterFunc ends a connector whose time is over.
package connector
