package github

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"
)

// Call is one request to the API and how it ended.
type Call struct {
	Method   string
	Endpoint string // the path, with a word in place of each name and number
	Status   int    // zero where no answer came
	// Remaining is what is left of the primary limit, where the answer said so,
	// else -1; 304 takes nothing of it.
	Remaining int
	Limit     int       // of the same, per hour
	Reset     time.Time // when Remaining is Limit again
}

// counted tells of each request.
type counted struct {
	next http.RoundTripper
	tell func(Call)
}

// RoundTrip implements http.RoundTripper.
func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if c.tell == nil {
		return resp, err
	}
	call := Call{Method: req.Method, Endpoint: endpoint(req.URL.Path), Remaining: -1}
	if resp != nil {
		call.Status = resp.StatusCode
		if n, err := strconv.Atoi(resp.Header.Get("X-Ratelimit-Remaining")); err == nil {
			call.Remaining = n
			call.Limit, _ = strconv.Atoi(resp.Header.Get("X-Ratelimit-Limit"))
			if at, err := strconv.ParseInt(resp.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
				call.Reset = time.Unix(at, 0)
			}
		}
	}
	c.tell(call)
	return resp, err
}

// endpoint is a path without what differs from one call to the next, so that a
// metric has few values.
func endpoint(path string) string {
	const owner = 3 // /repos/OWNER/NAME
	parts := strings.Split(strings.TrimPrefix(path, "/api/v3"), "/")
	for i, p := range parts {
		switch {
		case len(parts) > owner && parts[1] == "repos" && (i == owner-1 || i == owner):
			parts[i] = map[bool]string{true: "{owner}", false: "{repo}"}[i == owner-1]
		case i > 0 && strings.Trim(p, "0123456789") == "" && p != "":
			parts[i] = "{n}"
		case i > 1 && (parts[i-1] == "commits" || parts[i-1] == "statuses") && p != "":
			parts[i] = "{sha}"
		case i > 0 && parts[i-1] == "users" && p != "":
			parts[i] = "{login}"
		case i == len(parts)-1 && i > 0 && parts[i-1] == "memberships":
			parts[i] = "{login}"
		}
	}
	return strings.Join(parts, "/")
}

// retryAt is when GitHub's secondary limit lets requests in again, by GitHub's
// clock; where it did not say, a minute later, as its manual has it.
func retryAt(limit *gh.AbuseRateLimitError) time.Time {
	if limit.Response == nil {
		return time.Time{}
	}
	at, err := http.ParseTime(limit.Response.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	if limit.RetryAfter != nil {
		return at.Add(*limit.RetryAfter)
	}
	return at.Add(time.Minute)
}
