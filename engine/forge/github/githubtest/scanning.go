package githubtest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"github.com/assent-dev/assent/engine/gitdb"
)

// Scan is a file of findings that code scanning took.
type Scan struct {
	Commit, Ref, Tool string
	SARIF             []byte // as it was before it was packed
}

func (s *Server) scanRoutes(repo string) map[string]func(r *http.Request, by User) (int, any) {
	return map[string]func(r *http.Request, by User) (int, any){"POST " + repo + "/code-scanning/sarifs": s.postSARIF}
}

func (s *Server) postSARIF(r *http.Request, _ User) (int, any) {
	if !s.settings.Scanning {
		return http.StatusForbidden, object{"message": "Code scanning is not enabled for this repository. Please enable code scanning in the repository settings."}
	}
	var in struct {
		Commit string `json:"commit_sha"`
		Ref    string
		Tool   string `json:"tool_name"`
		SARIF  string
	}
	if !read(r, &in) {
		return invalid("Problems parsing JSON")
	}
	if _, err := s.db.Commit(gitdb.OID(in.Commit)); err != nil {
		return invalid("commit_sha and ref do not match anything")
	}
	packed, err := base64.StdEncoding.DecodeString(in.SARIF)
	if err != nil {
		return invalid("sarif is not base64")
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return invalid("sarif is not gzip")
	}
	raw, err := io.ReadAll(z)
	if err != nil || !json.Valid(raw) {
		return invalid("sarif is no JSON")
	}
	s.scans = append(s.scans, Scan{in.Commit, in.Ref, in.Tool, raw})
	return http.StatusAccepted, object{"id": "47177e22-5596-11eb-80a1-c1e54ef945c6", "url": nowhere + "/code-scanning/sarifs/1"}
}

// Scans are the findings that code scanning took.
func (s *Server) Scans() []Scan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.scans)
}
