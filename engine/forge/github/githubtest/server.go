// Package githubtest is a GitHub of one repository, for tests and for the demo:
// the part of the REST API that package github uses, with state, over a real git
// repository behind git's own smart HTTP. It can misbehave as GitHub is reported
// to. What it cannot show is whether GitHub itself behaves like it.
package githubtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cgi" //nolint:gosec // of a Go that is long past Httpoxy
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
)

// ID is the numeric id of the repository.
const ID = 4711

// Owner and Repository name it.
const (
	Owner      = "acme"
	Repository = "access"
)

// User is an account.
type User struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"` // User, Bot or Organization
}

// Server is a GitHub. Its methods may be called from several goroutines.
type Server struct {
	URL string // of the REST API

	judges Judges

	mu       sync.Mutex
	http     *httptest.Server
	db       *gitdb.DB
	dir      string
	begin    time.Time // when it was started; accounts have not changed since
	now      time.Time
	ids      int64
	users    map[string]User // by login
	tokens   map[string]pass
	made     int // tokens of installations
	apps     []App
	checks   []*check // oldest first
	pulls    []*pull
	statuses map[string][]status // by commit, oldest first
	activity []activity
	comments []*comment
	issues   []*issue
	hook     *sender   // of webhooks; nil where nobody takes them
	reach    [2]string // a name of the world, and where it answers
	settings Settings
	scans    []Scan
	clock    func() time.Time // see Live
	wait     func(time.Duration)
	labels   []label
	// strangers are the accounts without access to the repository.
	strangers map[string]bool

	// Faults are how it misbehaves, looked at in each request.
	faults Faults
	calls  Calls
	queue  []entry
}

// Faults are ways to misbehave.
type Faults struct {
	// Reanchor makes the reviews of a pull request name its new head after a push.
	Reanchor bool
	// PageSize cuts every page short, with no word of a next one.
	PageSize int
	// NoActivity leaves what is pushed out of the activity of the repository.
	NoActivity bool
	// Fail answers a request with a status instead; zero lets it pass.
	Fail func(r *http.Request) int
	// Limited answers that a limit is reached, with the headers that GitHub has then.
	Limited Limit
	// Redirect answers with another address instead, as GitHub does for a renamed
	// repository; an empty one lets the request pass.
	Redirect func(r *http.Request) string
	// Lag is for how many reads a push and a review are not shown yet.
	Lag int
}

// Limit is one of GitHub's limits.
type Limit int

// The limits: of requests in an hour, and of what else is too much.
const (
	PrimaryLimit Limit = iota + 1
	SecondaryLimit
)

type pull struct {
	number         int
	title, headRef string
	body           string
	base           string
	author         User
	open, merged   bool
	mergedBy       User
	closed         time.Time
	mergeCommit    gitdb.OID
	head           gitdb.OID
	was            gitdb.OID // before the last push
	lags           int       // reads for which that is shown
	created        time.Time
	reviews        []*reviewed
	labels         []string
	asked          []User // whose review is requested
	events         []event
}

type reviewed struct {
	ID        int64
	User      User
	State     string
	Body      string
	Commit    gitdb.OID
	Submitted time.Time
	lags      int // reads in which it is not shown
}

type event struct {
	ID        int64
	Event     string
	Actor     User
	At        time.Time
	Dismissed *dismissed
	Asked     User // of a request for review
}

type dismissed struct {
	Review int64
	State  string
}

type status struct {
	ID                          int64
	State, Context, Description string
	Creator                     User
	At                          time.Time
}

type activity struct {
	ID            int64
	Ref           string
	Actor         User
	Before, After gitdb.OID
	Kind          string
	At            time.Time
}

type comment struct {
	ID    int64
	Issue int
	User  User
	Body  string
	At    time.Time
	Shown []string // every body it has had
	// Updated is when it was edited last; zero where it never was.
	Updated   time.Time
	Reactions []reaction
}

// Start serves a repository whose main branch holds the files; without files it
// has no branch. dir is empty and becomes its git repository. GitHub's clock
// starts at begin and moves on by a second with each thing that happens. git has
// to be on PATH.
func Start(ctx context.Context, dir string, begin time.Time, files map[string]string) (*Server, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("start GitHub: %w", err)
	}
	path := filepath.Join(root, Owner, Repository+".git")
	db, err := gitdb.Init(path, "main", true)
	if err != nil {
		return nil, fmt.Errorf("start GitHub: %w", err)
	}
	s := &Server{
		db: db, dir: path, begin: begin, now: begin,
		users: map[string]User{}, strangers: map[string]bool{}, tokens: map[string]pass{}, statuses: map[string][]status{}, settings: newSettings(),
	}
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("start GitHub: git is needed: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "git", "-C", path, "config", "http.receivepack", "true").CombinedOutput(); err != nil { //nolint:gosec // a path of ours
		return nil, fmt.Errorf("start GitHub: %w: %s", err, out)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=engine", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + root},
	}
	if files != nil {
		if err := s.commitTo("refs/heads/main", "", files, "begin\n"); err != nil {
			return nil, fmt.Errorf("start GitHub: %w", err)
		}
	}
	s.judges, _ = ctx.Value(behind{}).(Judges)
	s.http = httptest.NewServer(s.handler(backend, s.judges.API))
	s.URL = s.http.URL + "/api/v3/"
	return s, nil
}

// Fault is a header of answers that misbehave because a test wants them to.
const Fault = "X-Fault"

type behind struct{}

// Judges hear of what goes over the wire.
type Judges struct {
	API  func(http.Handler) http.Handler         // stands before the API
	Hook func(event, action string, body []byte) // hears of each webhook
}

// Behind gives the servers that are started with the context judges: a test of
// the whole program judges what the program's own server is asked, and nothing of
// the judge is in the program.
func Behind(ctx context.Context, j Judges) context.Context {
	return context.WithValue(ctx, behind{}, j)
}

// Close stops it.
func (s *Server) Close() {
	s.Unhook()
	s.http.Close()
}

// GitURL is where the repository is cloned from.
func (s *Server) GitURL() string {
	return strings.TrimSuffix(s.URL, "/api/v3/") + "/" + Owner + "/" + Repository + ".git"
}

// Add makes an account and a token for it.
func (s *Server) Add(u User, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.Login] = u
	if token != "" {
		s.tokens[token] = pass{login: u.Login}
	}
}

// Misbehave sets the faults.
func (s *Server) Misbehave(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// tick is a later second each time: GitHub's times are whole seconds.
func (s *Server) tick() time.Time {
	s.now = s.now.Add(time.Second)
	if s.clock != nil {
		at := s.clock().Truncate(time.Second)
		if ahead := s.now.Sub(at); ahead > 0 {
			s.wait(ahead)
		} else {
			s.now = at
		}
	}
	s.poked()
	return s.now
}

// Live makes GitHub's clock follow another one, for programs that have their own:
// where it would be ahead because much happens at once, it waits.
func (s *Server) Live(clock func() time.Time, wait func(time.Duration)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock, s.wait = clock, wait
}

// date is GitHub's clock now, also where nothing has happened for a while.
func (s *Server) date() time.Time {
	if s.clock != nil {
		if at := s.clock(); at.After(s.now) {
			return at
		}
	}
	return s.now
}

func (s *Server) id() int64 {
	s.ids++
	return s.ids
}

// Wait moves GitHub's clock forward to a time.
func (s *Server) Wait(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.After(s.now) {
		s.now = until
	}
}

// Now is GitHub's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}
