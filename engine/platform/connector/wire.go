package connector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// Protocol is the version of the protocol that this package speaks. Every
// change to a message, even one more field, is another version.
const Protocol = 1

// The bounds of one exchange.
const (
	MaxAnswer = 64 << 20 // bytes in one answer
	maxText   = 1000     // bytes of a message, a hint or a detail that are kept
	maxPages  = 100_000  // of one discovery
	pageSize  = 1000     // sources that are asked for at once
)

// The methods of the protocol. What a connector announces in Hello.Offers may be
// asked as well, and of a test place everything that begins with "test/".
const (
	methodHello     = "hello"
	methodDiscover  = "discover"
	methodObserve   = "observe"
	methodPreview   = "preview"
	methodApply     = "apply"
	methodAddress   = "address"
	methodClose     = "close"
	methodEffective = "effective"
	methodRelease   = "release"
	methodSelfAudit = "self-audit"
)

// Greeting is what hello tells a connector. It is the only message that holds
// secrets.
type Greeting struct {
	Protocols  []int         `json:"protocols"` // that this engine speaks
	Connection resource.Name `json:"connection"`
	Endpoint   Endpoint      `json:"endpoint"`
	Credential string        `json:"credential,omitempty"`
	// Test lets the methods test/* work. They make accounts and tables.
	Test bool `json:"test,omitempty"`
}

// Endpoint is where the platform listens, as the connection states it.
type Endpoint struct {
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Database string `json:"database,omitempty"`
	TLS      string `json:"tls,omitempty"` // verify-full where empty, verify-ca, require, disable
	CA       string `json:"ca,omitempty"`  // certificates that vouch for the server, in PEM
}

// Hello is a connector's answer to hello.
type Hello struct {
	Protocol     int                   `json:"protocol"` // one of those offered
	Name         string                `json:"name"`
	Version      string                `json:"version"`
	Capabilities platform.Capabilities `json:"capabilities"`
	Offers       []string              `json:"offers,omitempty"` // effective, release, self-audit
	Test         []string              `json:"test,omitempty"`   // the methods test/* that it has
}

type request struct {
	ID     int64  `json:"id"`
	Method string `json:"method"`
	Params any    `json:"params"`
}

type response struct {
	ID     *int64          `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *wireError      `json:"error"`
}

type wireError struct {
	Code    platform.Code `json:"code"`
	Message string        `json:"message"`
	Hint    string        `json:"hint"`
}

type discoverParams struct {
	After string `json:"after"` // empty for the first page
	Limit int    `json:"limit"`
}

type discoverResult struct {
	Sources []platform.Source `json:"sources"`
	Next    string            `json:"next"` // empty after the last page
}

type changesParams struct {
	Changes []change       `json:"changes"`
	Mark    *platform.Mark `json:"mark,omitempty"`
}

// change is a plan.Change, with what its role and its schema of views are called.
type change struct {
	plan.Change
	RoleName   string `json:"roleName"`
	SchemaName string `json:"schemaName"`
}

// named prepares changes for the wire, where no list is ever null.
func named(changes []plan.Change) []change {
	out := make([]change, len(changes))
	for i, c := range changes {
		c.Role, c.PriorRole = listedRole(c.Role), listedRole(c.PriorRole)
		c.Grant, c.PriorGrant = listedGrant(c.Grant), listedGrant(c.PriorGrant)
		out[i] = change{c, c.RoleKey().RoleName(), c.RoleKey().SchemaName()}
	}
	return out
}

func listedRole(r *grant.Role) *grant.Role {
	if r == nil {
		return nil
	}
	out := &grant.Role{RoleKey: r.RoleKey, Objects: []grant.Object{}}
	for _, o := range r.Objects {
		out.Objects = append(out.Objects, listedObject(o))
	}
	return out
}

func listedObject(o grant.Object) grant.Object {
	o.Path, o.Columns = list(o.Path), list(o.Columns)
	return o
}

func listedGrant(g *grant.Grant) *grant.Grant {
	if g == nil {
		return nil
	}
	out := *g
	out.Requests = list(g.Requests)
	return &out
}

func list[E any](s []E) []E {
	if s == nil {
		return []E{}
	}
	return s
}

type statementsResult struct {
	Statements []platform.Statement `json:"statements"`
}

type applyResult struct {
	Outcomes []outcome `json:"outcomes"`
}

// outcome is a platform.Outcome that names its change by place.
type outcome struct {
	Change        *int            `json:"change"`
	Status        platform.Status `json:"status"`
	Code          platform.Code   `json:"code"`
	Detail        string          `json:"detail"`
	SessionsEnded int             `json:"sessionsEnded"`
}

type addressParams struct {
	Role       grant.RoleKey `json:"role"`
	Object     grant.Object  `json:"object"`
	RoleName   string        `json:"roleName"`
	SchemaName string        `json:"schemaName"`
}

type addressResult struct {
	Address string `json:"address"`
}

type releaseParams struct {
	Path []string `json:"path"`
	Dry  bool     `json:"dry"`
}

type auditResult struct {
	Findings []platform.Finding `json:"findings"`
}

type empty struct{}

// errSilent is what is wrong with a list that is not there: nobody may take
// silence for emptiness.
var errSilent = errors.New("a list is missing in it; write [] where there is nothing")

// codePattern is what a reason code looks like.
var codePattern = regexp.MustCompile(`^[a-z]+(-[a-z]+){0,5}$`)

// strict reads one JSON value and nothing else. A field that this protocol does
// not know is an error: it might say that less is open than we believe.
func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more after it")
	}
	return nil
}

// answer takes a response apart.
func answer(line []byte, id int64, result any) (*wireError, error) {
	var r response
	if err := strict(line, &r); err != nil {
		return nil, fmt.Errorf("it is no response: %w", err)
	}
	switch {
	case r.ID == nil:
		return nil, errors.New("it has no id")
	case *r.ID != id:
		return nil, fmt.Errorf("it answers %d and the question was %d", *r.ID, id)
	case string(r.Result) == "null":
		return nil, errors.New("its result is null")
	case (r.Error == nil) == (r.Result == nil):
		return nil, errors.New("it must have a result or an error, and one of them only")
	case r.Error != nil && !codePattern.MatchString(string(r.Error.Code)):
		return nil, errors.New("its error has no reason code")
	case r.Error != nil:
		return r.Error, nil
	}
	if err := strict(r.Result, result); err != nil {
		return nil, fmt.Errorf("its result is not one: %w", err)
	}
	return nil, nil
}
