package github

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	gh "github.com/google/go-github/v62/github"
	"github.com/hashicorp/go-retryablehttp"

	"github.com/assent-dev/assent/engine/forge"
)

const (
	requestTimeout = 30 * time.Second
	maxBody        = 32 << 20
	maxRemembered  = 64 << 20 // bytes of responses, in each of two generations
	perPage        = 100
	maxPages       = 300
)

// newHTTP is the chain of transports, outermost first: conditional requests,
// retries of what may be repeated, authorization, the wire.
func newHTTP(cfg Config) *http.Client {
	wire := cfg.Transport
	if wire == nil {
		wire = http.DefaultTransport
	}
	retry := retryablehttp.NewClient()
	retry.HTTPClient = &http.Client{
		Transport: &authorized{&forge.Dated{Next: &counted{wire, cfg.OnCall}, Now: cfg.Now}, cfg.Tokens}, Timeout: requestTimeout,
		CheckRedirect: follow(cfg.ID),
	}
	retry.Logger, retry.RetryMax, retry.RetryWaitMin, retry.RetryWaitMax = nil, 3, 200*time.Millisecond, 2*time.Second
	retry.CheckRetry = mayRepeat
	retry.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return &http.Client{
		Transport:     &conditional{next: &retryablehttp.RoundTripper{Client: retry}, kept: map[string]*kept{}},
		CheckRedirect: follow(cfg.ID),
	}
}

// follow follows the redirects of a renamed repository, which is known by its
// number, and none that leads the token elsewhere. A write is carried on only as
// it was, and only to the number of the pinned repository: a 301 would make a read
// of it, whose answer would be taken for that of the write.
func follow(id int64) func(req *http.Request, via []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		const most = 5
		first := via[0]
		if len(via) > most || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme {
			return http.ErrUseLastResponse
		}
		if first.Method == http.MethodGet {
			return nil
		}
		_, rest, found := strings.Cut(req.URL.Path, fmt.Sprintf("/repositories/%d", id))
		if req.Method != first.Method || !found || rest != "" && rest[0] != '/' {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

// mayRepeat allows another try of a read that failed on the way or in the server.
// A limit is not waited out here: the caller has other work to do.
func mayRepeat(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if without := (*noTokenError)(nil); errors.As(err, &without) {
		return false, nil // nothing was sent
	}
	if lost := (*url.Error)(nil); errors.As(err, &lost) {
		return lost.Op == "Get", nil
	}
	return resp != nil && resp.Request != nil && resp.Request.Method == http.MethodGet && resp.StatusCode >= http.StatusInternalServerError, nil
}

// noTokenError says why there is no token for a request.
type noTokenError struct{ err error }

// Error implements error.
func (e *noTokenError) Error() string { return e.err.Error() }

// Unwrap gives the reason.
func (e *noTokenError) Unwrap() error { return e.err }

// forgetter are Tokens that hold one and can be told that it is good no more.
type forgetter interface{ Forget(token string) }

// authorized puts the token of the moment on each request.
type authorized struct {
	next   http.RoundTripper
	tokens Tokens
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.tokens == nil {
		return a.next.RoundTrip(req)
	}
	token, err := a.tokens.Token(req.Context())
	if err != nil {
		return nil, &noTokenError{err}
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.next.RoundTrip(req)
	if held, ok := a.tokens.(forgetter); ok && err == nil && resp.StatusCode == http.StatusUnauthorized {
		held.Forget(token)
	}
	return resp, err
}

// conditional asks again for what it has seen with If-None-Match: an answer of
// 304 costs nothing of the rate limit, and the remembered one is given back. What
// is not asked for again is forgotten with its generation.
type conditional struct {
	next http.RoundTripper
	mu   sync.Mutex
	kept map[string]*kept
	old  map[string]*kept // the generation before
	size int              // of kept, in bytes
}

// recall is what is known of a request.
func (c *conditional) recall(key string) *kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.kept[key]; k != nil {
		return k
	}
	k := c.old[key]
	if k != nil {
		c.put(key, k)
	}
	return k
}

// put is called with the lock held.
func (c *conditional) put(key string, k *kept) {
	if was := c.kept[key]; was != nil {
		c.size -= was.size()
	}
	if c.size += k.size(); c.size > maxRemembered {
		c.old, c.kept, c.size = c.kept, map[string]*kept{}, k.size()
	}
	c.kept[key] = k
}

func (k *kept) size() int {
	const overhead = 1 << 10 // of the headers and the maps
	return len(k.body) + overhead
}

type kept struct {
	etag   string
	status int
	header http.Header
	body   []byte // packed
}

// RoundTrip implements http.RoundTripper.
func (c *conditional) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return c.next.RoundTrip(req)
	}
	key := req.URL.String() + "\x00" + req.Header.Get("Accept")
	known := c.recall(key)
	if known != nil {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", known.etag)
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	if resp.StatusCode == http.StatusNotModified && known != nil {
		_ = resp.Body.Close()
		return known.response(req, resp.Header)
	}
	etag := resp.Header.Get("Etag")
	if resp.StatusCode != http.StatusOK || etag == "" {
		return resp, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("read response: more than %d bytes: %w", maxBody, forge.ErrIncomplete)
	}
	small, err := pack(body)
	if err != nil {
		return nil, fmt.Errorf("keep response: %w", err)
	}
	now := &kept{etag, resp.StatusCode, resp.Header.Clone(), small}
	c.mu.Lock()
	c.put(key, now)
	c.mu.Unlock()
	return now.response(req, resp.Header)
}

// pack makes a body small: the answers about thousands of pull requests are held,
// and each of them tells of the whole repository.
func pack(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(body)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// response gives back what was kept, with the limits of the answer now.
func (k *kept) response(req *http.Request, now http.Header) (*http.Response, error) {
	body, err := io.ReadAll(flate.NewReader(bytes.NewReader(k.body)))
	if err != nil {
		return nil, fmt.Errorf("read kept response: %w", err)
	}
	header := k.header.Clone()
	for _, name := range []string{"Date", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		if v := now.Get(name); v != "" {
			header.Set(name, v)
		}
	}
	return &http.Response{
		Status: http.StatusText(k.status), StatusCode: k.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}

// apiErr maps an error of the API to the sentinels of forge.
//
//	403 or 429 of a limit        ErrThrottled
//	401, 403                     ErrForbidden
//	404, 410                     ErrGone
//	409                          ErrMoved
//	redirect, 5xx, the network   ErrIncomplete
func apiErr(doing string, err error) error {
	if err == nil {
		return nil
	}
	var sentinel error
	var limit *gh.RateLimitError
	var abuse *gh.AbuseRateLimitError
	var answer *gh.ErrorResponse
	switch {
	case errors.As(err, &limit):
		return fmt.Errorf("%s: %w", doing, &forge.Throttled{Until: limit.Rate.Reset.Time, Err: err})
	case errors.As(err, &abuse):
		return fmt.Errorf("%s: %w", doing, &forge.Throttled{Until: retryAt(abuse), Err: err})
	case errors.As(err, &answer) && answer.Response != nil:
		sentinel = statusErr(answer.Response.StatusCode)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", doing, err)
	default:
		sentinel = forge.ErrIncomplete
	}
	if sentinel == nil || errors.Is(err, sentinel) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, sentinel, err)
}

func statusErr(code int) error {
	switch {
	case code == http.StatusTooManyRequests:
		return forge.ErrThrottled
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return forge.ErrForbidden
	case code == http.StatusNotFound, code == http.StatusGone:
		return forge.ErrGone
	case code == http.StatusConflict:
		return forge.ErrMoved
	case code >= http.StatusInternalServerError, code >= 300 && code < 400:
		return forge.ErrIncomplete
	}
	return nil
}

// linked reads every page that GitHub links to. It is for what nothing rests on
// that ends early without saying so; see all.
func linked[T any](doing string, page func(gh.ListOptions) ([]T, *gh.Response, error)) ([]T, error) {
	return pages(doing, page, func(got int, resp *gh.Response) bool { return got < perPage && resp.NextPage == 0 })
}

// all reads every page: as long as there is a next one, and, because a list has
// been seen to end early without saying so, until one is empty.
func all[T any](doing string, page func(gh.ListOptions) ([]T, *gh.Response, error)) ([]T, error) {
	return pages(doing, page, func(got int, _ *gh.Response) bool { return got == 0 })
}

func pages[T any](doing string, page func(gh.ListOptions) ([]T, *gh.Response, error), last func(got int, resp *gh.Response) bool) ([]T, error) {
	var out []T
	o := gh.ListOptions{PerPage: perPage, Page: 1}
	for range maxPages {
		got, resp, err := page(o)
		if err != nil {
			return nil, apiErr(doing, err)
		}
		if out = append(out, got...); last(len(got), resp) {
			return out, nil
		}
		o.Page++
	}
	return nil, fmt.Errorf("%s: more than %d pages: %w", doing, maxPages, forge.ErrIncomplete)
}
