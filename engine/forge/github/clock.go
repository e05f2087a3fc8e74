package github

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// maxSkew is how far GitHub's clock and the engine's may be apart. What is further
// off is taken for a proxy's mistake, and the engine's own clock counts.
const maxSkew = 10 * time.Minute

// clock is GitHub's, as far as the answers of one look have shown it: what GitHub
// dates is compared with that, because the engine's clock may be off by seconds.
type clock struct {
	mu     sync.Mutex
	newest time.Time
}

type clockKey struct{}

// timed is a context whose requests set a clock.
func timed(ctx context.Context) context.Context {
	return context.WithValue(ctx, clockKey{}, &clock{})
}

// dated sets the clock of the context of each request by the Date of its answer,
// where that can be.
type dated struct {
	next http.RoundTripper
	now  func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (d *dated) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(req)
	c, ok := req.Context().Value(clockKey{}).(*clock)
	if err != nil || !ok {
		return resp, err
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && at.Sub(d.now()).Abs() <= maxSkew {
		c.mu.Lock()
		defer c.mu.Unlock()
		if at.After(c.newest) {
			c.newest = at.UTC()
		}
	}
	return resp, nil
}

// githubTime is GitHub's time, to the second: the newest Date of the answers in the
// context. It is zero where they had none that can be.
func githubTime(ctx context.Context) time.Time {
	c, ok := ctx.Value(clockKey{}).(*clock)
	if !ok {
		return time.Time{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}
