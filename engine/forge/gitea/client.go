package gitea

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/assent-dev/assent/engine/forge"
)

const (
	requestTimeout = 30 * time.Second
	maxBody        = 32 << 20
	perPage        = 50 // the most that Gitea gives unless it is configured otherwise
	maxPages       = 600
)

// client speaks with the API of one server. It is our own because completeness is
// decided by headers and counts that a client library keeps to itself.
type client struct {
	root  string
	token func(context.Context) (string, error)
	http  *retryablehttp.Client

	mu    sync.Mutex
	limit int // entries on a page that the server gives at the most; zero until asked
}

func newClient(cfg Config) *client {
	wire := cfg.Transport
	if wire == nil {
		wire = http.DefaultTransport
	}
	retry := retryablehttp.NewClient()
	retry.HTTPClient = &http.Client{Transport: &forge.Dated{Next: wire, Now: cfg.Now}, Timeout: requestTimeout, CheckRedirect: sameHost}
	retry.Logger, retry.RetryMax, retry.RetryWaitMin, retry.RetryWaitMax = nil, 3, 200*time.Millisecond, 2*time.Second
	retry.CheckRetry = mayRepeat
	retry.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return &client{root: cfg.URL + "/api/v1/", token: cfg.Token, http: retry}
}

// sameHost follows the redirects of a renamed repository, which is known by its
// id, and none that leads the token elsewhere. No write is carried on: Gitea names
// the place by the new owner and name, which may be another repository's by the
// time, and a 301 would make a read of it, whose answer would be taken for that of
// the write. It is refused until assent.yaml has the new name.
func sameHost(req *http.Request, via []*http.Request) error {
	const most = 5
	if first := via[0].URL; len(via) > most || via[0].Method != http.MethodGet || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// mayRepeat allows another try of a read that failed on the way or in the server.
func mayRepeat(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if lost := (*url.Error)(nil); errors.As(err, &lost) {
		return lost.Op == "Get", nil
	}
	return resp != nil && resp.Request != nil && resp.Request.Method == http.MethodGet && resp.StatusCode >= http.StatusInternalServerError, nil
}

// refusal is an answer that is no success.
type refusal struct {
	Status  int
	Message string
}

func (e *refusal) Error() string { return fmt.Sprintf("Gitea answers %d: %s", e.Status, e.Message) }

// Is maps an answer to the sentinels of forge.
//
//	401, 403, 423 archived   ErrForbidden
//	404, 410                 ErrGone
//	409                      ErrMoved
//	429                      ErrThrottled
//	redirect, 5xx            ErrIncomplete
func (e *refusal) Is(target error) bool {
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden, e.Status == http.StatusLocked:
		return target == forge.ErrForbidden
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		return target == forge.ErrGone
	case e.Status == http.StatusConflict:
		return target == forge.ErrMoved
	case e.Status == http.StatusTooManyRequests:
		return target == forge.ErrThrottled
	case e.Status >= http.StatusInternalServerError, e.Status < http.StatusBadRequest:
		return target == forge.ErrIncomplete
	}
	return false
}

func (c *client) get(ctx context.Context, path string, out any) error {
	_, err := c.do(ctx, http.MethodGet, path, nil, nil, out)
	return err
}

func (c *client) send(ctx context.Context, method, path string, in, out any) error {
	_, err := c.do(ctx, method, path, nil, in, out)
	return err
}

// do makes one request. The token is not part of any error.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in, out any) (http.Header, error) {
	var body any // an io.Reader that is nil is no body
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		body = raw
	}
	at := c.root + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if c.token != nil {
		token, err := c.token(ctx)
		if err != nil {
			return nil, fmt.Errorf("get token: %w", err)
		}
		req.Header.Set("Authorization", "token "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "assent")
	resp, err := c.http.Do(req)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", forge.ErrIncomplete, err)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, fmt.Errorf("%w: read answer: %w", forge.ErrIncomplete, err)
	}
	if len(raw) > maxBody {
		return nil, fmt.Errorf("%w: the answer has more than %d bytes", forge.ErrIncomplete, maxBody)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, &refusal{resp.StatusCode, message(raw)}
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			return nil, fmt.Errorf("%w: read answer: %w", forge.ErrIncomplete, err)
		}
	}
	return resp.Header, nil
}

// message is what an answer says is wrong, without its link to the manual.
func message(raw []byte) string {
	var m struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(bytes.TrimSpace(raw), &m) != nil || m.Message == "" {
		return "nothing more"
	}
	const most = 300
	return forge.Shorten(forge.OneLine(m.Message), most)
}

// identified is an entry of a list.
type identified interface{ key() int64 }

// list is how one list is read.
type list struct {
	doing string
	path  string
	query url.Values
	// hidden is how many entries at least the server counts and does not show.
	hidden int
	// partly says that the server counts entries that it does not show, so that
	// fewer than it counts are no sign that something is missing.
	partly bool
}

// all reads a list to its end. A page may be short or empty before that, so that
// pages are asked for until more were passed than the server counts; and a list
// that does not come in pages is given whole with every one.
func all[T identified](ctx context.Context, c *client, l list) ([]T, error) {
	limit, err := c.pageSize(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.doing, err)
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	for k, v := range l.query {
		query[k] = v
	}
	var out []T
	seen := map[int64]bool{}
	counted := 0
	for page := 1; page <= maxPages; page++ {
		query.Set("page", strconv.Itoa(page))
		var got []T
		header, err := c.do(ctx, http.MethodGet, l.path, query, nil, &got)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.doing, err)
		}
		if n, err := strconv.Atoi(header.Get("X-Total-Count")); err == nil {
			counted = max(counted, n)
		}
		before := len(out)
		for _, one := range got {
			if !seen[one.key()] {
				seen[one.key()] = true
				out = append(out, one)
			}
		}
		passed := (page - 1) * limit // entries before this page
		if len(out) > before || passed < max(counted, len(out)+l.hidden) {
			continue
		}
		if len(out) < counted && !l.partly {
			return nil, fmt.Errorf("%s: %w: %d of %d came", l.doing, forge.ErrIncomplete, len(out), counted)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s: %w: more than %d pages", l.doing, forge.ErrIncomplete, maxPages)
}

// pageSize is how many entries the server gives on a page at the most.
func (c *client) pageSize(ctx context.Context) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit > 0 {
		return c.limit, nil
	}
	var s struct {
		Max int `json:"max_response_items"`
	}
	if err := c.get(ctx, "settings/api", &s); err != nil {
		return 0, err
	}
	if s.Max <= 0 {
		return 0, fmt.Errorf("%w: the server does not say how long a page may be", forge.ErrIncomplete)
	}
	c.limit = min(s.Max, perPage)
	return c.limit, nil
}
