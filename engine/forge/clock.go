package forge

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// maxSkew is how far the forge's clock and the engine's may be apart. What is
// further off is taken for a proxy's mistake, and the engine's own clock counts.
const maxSkew = 10 * time.Minute

// clock is the forge's, as far as the answers of one look have shown it: what the
// forge dates is compared with that, because the engine's clock may be off by
// seconds.
type clock struct {
	mu     sync.Mutex
	newest time.Time
}

type clockKey struct{}

// Timed is a context whose requests through Dated set a clock of its own.
func Timed(ctx context.Context) context.Context {
	return context.WithValue(ctx, clockKey{}, &clock{})
}

// Dated sets the clock of the context of each request by the Date of its answer,
// where that can be.
type Dated struct {
	Next http.RoundTripper
	Now  func() time.Time // the engine's own clock
}

// RoundTrip implements http.RoundTripper.
func (d *Dated) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.Next.RoundTrip(req)
	c, ok := req.Context().Value(clockKey{}).(*clock)
	if err != nil || !ok {
		return resp, err
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && at.Sub(d.Now()).Abs() <= maxSkew {
		c.mu.Lock()
		defer c.mu.Unlock()
		if at.After(c.newest) {
			c.newest = at.UTC()
		}
	}
	return resp, nil
}

// TimeIn is the forge's time, to the second: the newest Date of the answers in a
// context of Timed. It is zero where they had none that can be.
func TimeIn(ctx context.Context) time.Time {
	c, ok := ctx.Value(clockKey{}).(*clock)
	if !ok {
		return time.Time{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}
