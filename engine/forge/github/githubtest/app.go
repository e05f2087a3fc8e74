package githubtest

import (
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// App is a GitHub App that is installed in the repository.
type App struct {
	ID           int64
	Installation int64
	Slug         string
	Bot          int64 // the account that acts for it, SLUG[bot]
	Key          *rsa.PublicKey

	Permissions map[string]string // nil for what the engine needs
	Events      []string          // nil for those that the engine lives by
	Everywhere  bool              // installed in every repository of the owner
	Suspended   bool
	Hook        object   // url, secret, insecure_ssl; nil for none
	Deliveries  []object // of that webhook
}

// What GitHub holds: for how long a token of an installation lasts, and the App's
// own word at most.
const (
	tokenLasts = time.Hour
	wordLasts  = 10 * time.Minute
)

// pass is what a token stands for.
type pass struct {
	login string
	ends  time.Time // zero for one that does not end
}

// AddApp makes an App and its account.
func (s *Server) AddApp(a App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps = append(s.apps, a)
	s.users[a.Slug+"[bot]"] = User{ID: a.Bot, Login: a.Slug + "[bot]", Type: "Bot"}
}

// EndTokens takes back every token of an installation, as GitHub does when the
// App's permissions change.
func (s *Server) EndTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, p := range s.tokens {
		if !p.ends.IsZero() {
			delete(s.tokens, token)
		}
	}
}

// Tokens is how many tokens were made for installations.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

// whose is the account of a token that is good now.
func (s *Server) whose(token string) (User, bool) {
	p, ok := s.tokens[token]
	if !ok || !p.ends.IsZero() && !s.now.Before(p.ends) {
		return User{}, false
	}
	return s.users[p.login], true
}

// appRoutes are what an App asks as itself, with a word that it signed.
func (s *Server) appRoutes() map[string]func(r *http.Request, a App) (int, any) {
	return map[string]func(r *http.Request, a App) (int, any){
		"GET /app": func(_ *http.Request, a App) (int, any) { return 200, s.appJSON(a) },
		"GET /app/installations/{id}": func(r *http.Request, a App) (int, any) {
			if r.PathValue("id") != strconv.FormatInt(a.Installation, 10) {
				return notFound()
			}
			return 200, s.installationJSON(a)
		},
		"GET /app/hook/config": func(_ *http.Request, a App) (int, any) {
			return 200, with(object{"content_type": "json", "insecure_ssl": "0"}, a.Hook)
		},
		"GET /app/hook/deliveries": func(_ *http.Request, a App) (int, any) { return 200, append([]object{}, a.Deliveries...) },
		"POST /app/installations/{id}/access_tokens": func(r *http.Request, a App) (int, any) {
			if r.PathValue("id") != strconv.FormatInt(a.Installation, 10) {
				return notFound()
			}
			if a.Suspended {
				return http.StatusForbidden, object{"message": "This installation has been suspended"}
			}
			var in struct {
				Repositories []int64 `json:"repository_ids"`
			}
			if !read(r, &in) || in.Repositories != nil && !slices.Equal(in.Repositories, []int64{ID}) {
				return invalid("There is at least one repository that does not exist or is not accessible to the parent installation.")
			}
			s.made++
			token := fmt.Sprintf("ghs_%d_%d", a.Installation, s.made)
			s.tokens[token] = pass{a.Slug + "[bot]", s.now.Add(tokenLasts)}
			return 201, object{
				"token": token, "expires_at": stamp(s.now.Add(tokenLasts)), "repository_selection": "selected",
				"permissions": object{"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write"},
			}
		},
	}
}

// serveApp checks an App's own word and writes the answer.
func (s *Server) serveApp(w http.ResponseWriter, r *http.Request, h func(r *http.Request, a App) (int, any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.misbehaves(w, r) {
		return
	}
	a, why := s.signedBy(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if why != "" {
		answer(w, http.StatusUnauthorized, object{"message": why})
		return
	}
	code, body := h(r, a)
	answer(w, code, body)
}

// signedBy is the App that signed a JSON web token, or GitHub's words for what is
// wrong with it.
func (s *Server) signedBy(word string) (App, string) {
	var claims jwt.RegisteredClaims
	var app App
	_, err := jwt.ParseWithClaims(word, &claims, func(*jwt.Token) (any, error) {
		for _, a := range s.apps {
			if claims.Issuer == strconv.FormatInt(a.ID, 10) {
				app = a
				return a.Key, nil
			}
		}
		return nil, jwt.ErrTokenInvalidIssuer
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return s.date() }), jwt.WithExpirationRequired())
	switch {
	case err != nil:
		return App{}, "A JSON web token could not be decoded"
	case claims.IssuedAt == nil:
		return App{}, "Missing 'issued at' claim ('iat') in assertion"
	case claims.IssuedAt.After(s.date()):
		return App{}, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
	case claims.ExpiresAt.Sub(s.date()) > wordLasts:
		return App{}, "'Expiration time' claim ('exp') is too far in the future"
	}
	return app, ""
}

func (s *Server) appOf(u User) (App, bool) {
	for _, a := range s.apps {
		if a.Bot == u.ID {
			return a, true
		}
	}
	return App{}, false
}

// may is what an App may do, and what it hears of.
func (a App) may() (permissions map[string]string, events []string) {
	permissions, events = a.Permissions, a.Events
	if permissions == nil {
		permissions = map[string]string{"checks": "write", "contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write"}
	}
	if events == nil {
		events = []string{"issue_comment", "pull_request", "pull_request_review", "push"}
	}
	return permissions, events
}

func (s *Server) installationJSON(a App) object {
	at := fmt.Sprintf("%s/app/installations/%d", nowhere, a.Installation)
	permissions, events := a.may()
	born := stamp(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	o := object{
		"id": a.Installation, "account": ownerJSON(), "repository_selection": "selected", "access_tokens_url": at + "/access_tokens",
		"repositories_url": nowhere + "/installation/repositories", "html_url": at, "app_id": a.ID, "app_slug": a.Slug,
		"target_id": 1, "target_type": "Organization", "permissions": permissions, "events": events, "created_at": born, "updated_at": born,
		"single_file_name": nil, "suspended_by": nil, "suspended_at": nil,
	}
	if a.Everywhere {
		o["repository_selection"] = "all"
	}
	if a.Suspended {
		o["suspended_at"] = stamp(s.now)
	}
	return o
}

func (s *Server) appJSON(a App) object {
	permissions, events := a.may()
	born := stamp(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return object{
		"id": a.ID, "node_id": node("A", a.ID), "slug": a.Slug, "name": a.Slug, "owner": ownerJSON(), "description": nil,
		"external_url": nowhere, "html_url": nowhere + "/apps/" + a.Slug, "created_at": born, "updated_at": born,
		"permissions": permissions,
		"events":      events,
	}
}
