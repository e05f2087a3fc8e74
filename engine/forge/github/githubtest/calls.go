package githubtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

// Calls are how many requests of the API were answered, and how many of them with
// 304, which GitHub does not count against the limit.
type Calls struct{ All, Unchanged int }

// Calls are those so far.
func (s *Server) Calls() Calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// unchanged names a body, and answers that it has not changed where the request
// knows that name.
func unchanged(w http.ResponseWriter, r *http.Request, body any) bool {
	raw, err := json.Marshal(body)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(append(raw, w.Header().Get("Link")...))
	tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
	w.Header().Set("Etag", tag)
	if r.Header.Get("If-None-Match") != tag {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}
