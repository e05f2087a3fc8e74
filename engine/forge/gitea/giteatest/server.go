// Package giteatest gives tests a real Gitea: one of their own, started from a
// binary on loopback as an unprivileged user and gone with the test, or a server
// that runs already. It is no part of the adapter and shares no code with it.
package giteatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/assent-dev/assent/engine/platform/private"
)

// Variable is the environment variable that names a binary of Gitea or the
// address of a server with the token of an administrator: http://TOKEN@HOST.
const Variable = "ASSENT_TEST_GITEA"

// Skip is what a test says where the variable is not set.
const Skip = Variable + " names neither a binary of Gitea (`make gitea` builds one) nor a server as http://TOKEN@HOST"

// Server is a Gitea with an organization of its own.
type Server struct {
	URL string
	Org string

	own    *private.Server // nil where the server is somebody else's
	admin  string
	suffix string

	mu     sync.Mutex
	people map[string]Person
}

// Person is an account, named for the test.
type Person struct {
	ID    int64
	Login string
	Token string
}

// Start starts the Gitea that where names, or goes to the one that runs there.
func Start(ctx context.Context, where string) (*Server, error) {
	s := &Server{people: map[string]Person{}, suffix: "-" + private.Secret()[:8]}
	s.Org = "assent" + s.suffix
	if at, err := url.Parse(where); err == nil && at.Host != "" {
		s.admin = at.User.Username()
		at.User = nil
		s.URL = strings.TrimSuffix(at.String(), "/")
	} else if err := s.start(ctx, where); err != nil {
		return nil, errors.Join(fmt.Errorf("start Gitea: %w", err), s.Close())
	}
	if err := s.API(ctx, s.admin, http.MethodPost, "orgs", map[string]any{"username": s.Org}, nil); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// config is a small Gitea that speaks to nobody.
const config = `APP_NAME = Gitea for a test
RUN_MODE = prod
WORK_PATH = %[1]s
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[2]d
ROOT_URL = http://127.0.0.1:%[2]d/
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = %[1]s/gitea.db
SQLITE_JOURNAL_MODE = WAL
SQLITE_TIMEOUT = 20000
[security]
INSTALL_LOCK = true
SECRET_KEY = %[3]s
PASSWORD_HASH_ALGO = pbkdf2$1000$50
MIN_PASSWORD_LENGTH = 8
[service]
DISABLE_REGISTRATION = true
[log]
MODE = console
LEVEL = Error
[indexer]
ISSUE_INDEXER_TYPE = db
[queue]
TYPE = channel
[cache]
ADAPTER = memory
[session]
PROVIDER = memory
[actions]
ENABLED = false
[packages]
ENABLED = false
[webhook]
ALLOWED_HOST_LIST = loopback
[cron.update_checker]
ENABLED = false
[mailer]
ENABLED = false
`

const adminName = "root-of-the-test"

func (s *Server) start(ctx context.Context, binary string) error {
	if _, err := os.Stat(binary); err != nil {
		return err
	}
	var err error
	if s.own, err = private.New(private.Config{Name: "assent-gitea-", Users: []string{"git"}, Stop: syscall.SIGTERM}); err != nil {
		return err
	}
	password := private.Secret()
	work := s.own.Path("")
	ini := s.own.Path("app.ini")
	// A time zone off whole hours, which every time of the API is in.
	env := []string{"-i", "TZ=Asia/Kolkata", "PATH=" + os.Getenv("PATH"), "HOME=" + work, binary, "--config", ini, "--work-path", work}
	var broken error
	port, err := s.own.Start(ctx, "/usr/bin/env", func(port int) []string {
		broken = s.own.WriteFile("app.ini", fmt.Appendf(nil, config, strings.TrimSuffix(work, "/"), port, private.Secret()))
		return append(env, "web")
	}, func(ctx context.Context, port int) error {
		s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
		return s.API(ctx, "", http.MethodGet, "version", nil, nil)
	})
	if err = errors.Join(broken, err); err != nil {
		return err
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
	err = s.own.Run(ctx, "/usr/bin/env", append(env, "admin", "user", "create", "--admin", "--username", adminName, "--password", password,
		"--email", "root@example.com", "--must-change-password=false")...)
	if err != nil {
		return err
	}
	s.admin, err = s.login(ctx, adminName, password, "all")
	return err
}

// Close ends a server that Start started.
func (s *Server) Close() error {
	if s.own == nil {
		return nil
	}
	return s.own.Stop()
}

// Admin is the token of an administrator.
func (s *Server) Admin() string { return s.admin }

// login makes an access token.
func (s *Server) login(ctx context.Context, name, password string, scopes ...string) (string, error) {
	var made struct {
		Token string `json:"sha1"`
	}
	err := s.call(ctx, func(r *http.Request) { r.SetBasicAuth(name, password) }, http.MethodPost, "users/"+name+"/tokens",
		map[string]any{"name": "test", "scopes": scopes}, &made)
	return made.Token, err
}

// Person is the account of that name, made when it is first asked for.
func (s *Server) Person(ctx context.Context, name string) (Person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.people[name]; ok {
		return p, nil
	}
	p, err := s.account(ctx, name+s.suffix, name)
	if err != nil {
		return Person{}, err
	}
	s.people[name] = p
	return p, nil
}

// API makes one request with a token and fails unless it succeeds.
func (s *Server) API(ctx context.Context, token, method, path string, in, out any) error {
	return s.call(ctx, func(r *http.Request) {
		if token != "" {
			r.Header.Set("Authorization", "token "+token)
		}
	}, method, path, in, out)
}

func (s *Server) call(ctx context.Context, sign func(*http.Request), method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/api/v1/"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	sign(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode > 299 {
		const most = 300
		raw = raw[:min(len(raw), most)]
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(raw))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}
