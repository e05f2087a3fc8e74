// Package judge holds what is sent to GitHub in tests, and what a fake of GitHub
// answers, against GitHub's own description of its REST API: a fake that agrees
// with a mistake of ours agrees with GitHub no longer. It is for tests only.
//
// testdata/github.json.gz is the part of @octokit/openapi 23.0.2 that
// testdata/routes.txt names, without the words for people. Another route:
//
//  1. add it to testdata/routes.txt, as api.github.com.json writes it,
//  2. make github-description (npm downloads 29 MB).
//
// Stricter than the description: a query parameter, and a field of a request or
// an answer, that the description does not know is a mistake. More lenient: every
// route may answer 401, 403, 404, 422 and 429.
package judge

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // of the description
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

//go:embed testdata/github.json.gz
var packed []byte

// description is the part of GitHub's description that is kept.
func description() []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err) // it is in the binary
	}
	data, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return data
}

// Judge knows the description. Its methods may be called from several goroutines.
type Judge struct {
	router   routers.Router
	mistakes *openapi3.SchemaRef // what every refusal looks like
}

var load = sync.OnceValues(func() (*Judge, error) {
	doc, err := openapi3.NewLoader().LoadFromData(description())
	if err != nil {
		return nil, fmt.Errorf("read GitHub's description: %w", err)
	}
	j := &Judge{mistakes: doc.Components.Schemas["basic-error"]}
	doc.Servers = nil
	paths := openapi3.NewPaths()
	parts, closed := map[*openapi3.Schema]bool{}, map[*openapi3.Schema]bool{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			each(op, func(s *openapi3.SchemaRef) { findParts(s, map[*openapi3.Schema]bool{}, parts) })
		}
	}
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			each(op, func(s *openapi3.SchemaRef) { closeSchema(s, false, closed, parts) })
		}
		// The last part of these may hold slashes.
		for _, many := range []string{"{ref}", "{path}", "{branch}"} {
			path = strings.Replace(path, many, strings.TrimSuffix(many, "}")+":.+}", 1)
		}
		paths.Set(path, item)
	}
	doc.Paths = paths
	if j.router, err = gorillamux.NewRouter(doc); err != nil {
		return nil, fmt.Errorf("read GitHub's description: %w", err)
	}
	return j, nil
})

// New reads the description, once in a process.
func New() (*Judge, error) { return load() }

// each calls f with the schema of every body of an operation.
func each(op *openapi3.Operation, f func(*openapi3.SchemaRef)) {
	if op.RequestBody != nil {
		for _, m := range op.RequestBody.Value.Content {
			f(m.Schema)
		}
	}
	for _, resp := range op.Responses.Map() {
		for _, m := range resp.Value.Content {
			f(m.Schema)
		}
	}
}

// findParts finds the schemas that are a part of an allOf somewhere: another
// place may have them whole, and still they cannot be closed.
func findParts(ref *openapi3.SchemaRef, seen, parts map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	for _, p := range s.AllOf {
		if p.Value != nil {
			parts[p.Value] = true
		}
	}
	for _, list := range []openapi3.SchemaRefs{s.AllOf, s.AnyOf, s.OneOf, {s.Items}} {
		for _, p := range list {
			findParts(p, seen, parts)
		}
	}
	for _, p := range s.Properties {
		findParts(p, seen, parts)
	}
}

// closeSchema makes fields that a schema, and those in it, does not know a mistake,
// but for parts of an allOf, of which each knows a part of the fields only.
func closeSchema(ref *openapi3.SchemaRef, part bool, seen, parts map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	if free := s.AdditionalProperties.Has == nil && s.AdditionalProperties.Schema == nil; free && !part && !parts[s] && len(s.Properties) > 0 &&
		len(s.AllOf)+len(s.AnyOf)+len(s.OneOf) == 0 {
		s.AdditionalProperties.Has = new(bool)
	}
	for _, p := range s.Properties {
		closeSchema(p, false, seen, parts)
	}
	closeSchema(s.Items, false, seen, parts)
	for _, p := range s.AllOf {
		closeSchema(p, true, seen, parts)
	}
	for _, list := range []openapi3.SchemaRefs{s.AnyOf, s.OneOf} {
		for _, p := range list {
			closeSchema(p, part || len(s.Properties) > 0, seen, parts)
		}
	}
}

var byID = regexp.MustCompile(`^/repositories/[0-9]+`)

// plain is a request as the description writes it: below the root, and of a
// repository by its name, where GitHub's own links have its number.
func plain(r *http.Request, body []byte) *http.Request {
	out := r.Clone(r.Context())
	path := byID.ReplaceAllString(strings.TrimPrefix(r.URL.EscapedPath(), "/api/v3"), "/repos/owner/name")
	out.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	if p, err := url.PathUnescape(path); err == nil {
		out.URL.Path, out.URL.RawPath = p, path
	}
	out.Body, out.Host = io.NopCloser(bytes.NewReader(body)), ""
	return out
}

// webhookPath is where the description has webhooks, as what is posted there.
const webhookPath = "/webhooks/"

// Webhook says what GitHub's description has against the body of a webhook.
func (j *Judge) Webhook(event, action string, body []byte) error {
	path := webhookPath + strings.ReplaceAll(event, "_", "-")
	if action != "" {
		path += "-" + strings.ReplaceAll(action, "_", "-")
	}
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: path}, Header: http.Header{"Content-Type": {"application/json"}}}
	return j.Request(r, body)
}

func (j *Judge) find(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := j.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s is not in the description that is kept; where GitHub has it, add it to testdata/routes.txt of package judge and run make github-description", r.Method, r.URL.Path)
	}
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
		},
	}, nil
}

func name(in *openapi3filter.RequestValidationInput) string {
	return in.Request.Method + " " + strings.NewReplacer(":.+}", "}").Replace(in.Route.Path)
}

// Request says what GitHub's description has against a request; body is its own.
func (j *Judge) Request(r *http.Request, body []byte) error {
	r = plain(r, body)
	in, err := j.find(r)
	if err != nil {
		return err
	}
	var params []string
	for _, list := range []openapi3.Parameters{in.Route.Operation.Parameters, in.Route.PathItem.Parameters} {
		for _, p := range list {
			if p.Value.In == openapi3.ParameterInQuery {
				params = append(params, p.Value.Name)
			}
		}
	}
	for key := range r.URL.Query() {
		if !slices.Contains(params, key) {
			return fmt.Errorf("request %s: query parameter %q is not in the description, which has %s", name(in), key, strings.Join(params, ", "))
		}
	}
	if len(body) > 0 && in.Route.Operation.RequestBody == nil {
		return fmt.Errorf("request %s: it has a body, and the description has none", name(in))
	}
	if err := openapi3filter.ValidateRequest(context.WithoutCancel(r.Context()), in); err != nil {
		return fmt.Errorf("request %s: %s", name(in), why(err))
	}
	return nil
}

// Response says what GitHub's description has against an answer to a request.
func (j *Judge) Response(r *http.Request, code int, header http.Header, body []byte) error {
	in, err := j.find(plain(r, nil))
	if err != nil {
		return err
	}
	if in.Route.Operation.Responses.Status(code) == nil {
		switch code {
		case http.StatusNotModified:
			return nil
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
			http.StatusTooManyRequests:
			var said any
			err := json.Unmarshal(body, &said)
			if err == nil {
				err = j.mistakes.Value.VisitJSON(said, openapi3.MultiErrors())
			}
			if err != nil {
				err = fmt.Errorf("answer %d of %s: %s", code, name(in), why(err))
			}
			return err
		default:
			return fmt.Errorf("answer of %s: status %d is not in the description", name(in), code)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: code, Header: header, Options: in.Options,
	}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.WithoutCancel(r.Context()), out); err != nil {
		return fmt.Errorf("answer %d of %s: %s", code, name(in), why(err))
	}
	return nil
}

// why is what is wrong and where, without the schema that says so.
func why(err error) string {
	var all []string
	var walk func(at string, err error)
	walk = func(at string, err error) {
		var many openapi3.MultiError
		var schema *openapi3.SchemaError
		switch {
		case errors.As(err, &many) && len(many) > 0:
			for _, e := range many {
				walk(at, e)
			}
		case errors.As(err, &schema):
			at += "/" + strings.Join(schema.JSONPointer(), "/")
			if schema.Origin != nil {
				walk(at, schema.Origin)
				return
			}
			all = append(all, at+": "+schema.Reason)
		case at != "":
			all = append(all, at+": "+err.Error())
		default:
			all = append(all, err.Error())
		}
	}
	walk("", err)
	const most = 12
	if n := len(all); n > most {
		all = append(all[:most], fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(all, "; ")
}
