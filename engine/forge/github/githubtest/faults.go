package githubtest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// byNumber serves the repository by its number as by its name.
func byNumber(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, fmt.Sprintf("/repositories/%d", ID)); ok && (rest == "" || rest[0] == '/') {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = "/repos/"+Owner+"/"+Repository+rest, ""
		}
		api.ServeHTTP(w, r)
	})
}

// Renamed redirects what names the repository by a name that it has no more.
func (s *Server) Renamed(r *http.Request) string {
	_, rest, ok := strings.Cut(r.RequestURI, "/repos/"+Owner+"/"+Repository)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%srepositories/%d%s", s.URL, ID, rest)
}

// misbehaves plays a fault in place of an answer.
func (s *Server) misbehaves(w http.ResponseWriter, r *http.Request) bool {
	fault := func(code int, message string) bool {
		w.Header().Set(Fault, strconv.Itoa(code))
		docs := "https://docs.github.com/rest"
		if s.faults.Limited != 0 { // clients know a secondary limit by where it leads
			docs += "/overview/resources-in-the-rest-api#secondary-rate-limits"
		}
		answer(w, code, object{"message": message, "documentation_url": docs})
		return true
	}
	if s.faults.Fail != nil {
		if code := s.faults.Fail(r); code != 0 {
			return fault(code, http.StatusText(code))
		}
	}
	if s.faults.Redirect != nil {
		if to := s.faults.Redirect(r); to != "" {
			w.Header().Set("Location", to)
			if r.Method == http.MethodGet {
				return fault(http.StatusMovedPermanently, "Moved Permanently")
			}
			return fault(http.StatusTemporaryRedirect, "Temporary Redirect")
		}
	}
	const wait = 10 * time.Minute
	switch s.faults.Limited {
	case PrimaryLimit:
		w.Header().Set("X-RateLimit-Limit", "5000")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(s.now.Add(wait).Unix(), 10))
		return fault(http.StatusForbidden, "API rate limit exceeded for installation ID 8001.")
	case SecondaryLimit:
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
		return fault(http.StatusForbidden, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
	}
	return false
}
