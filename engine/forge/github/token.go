package github

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	gh "github.com/google/go-github/v62/github"
)

// Tokens gives the token of the moment, for the API and for git alike.
type Tokens interface {
	Token(ctx context.Context) (string, error)
}

// Personal is a personal access token, read anew each time.
type Personal func() (string, error)

// Token implements Tokens.
func (p Personal) Token(context.Context) (string, error) { return p() }

// App is an installation of a GitHub App. Its tokens last an hour and are made
// anew five minutes before they end.
type App struct {
	ID           int64
	Installation int64
	// Repository is the numeric id of the one repository that the tokens are for;
	// zero for all that the App is installed in.
	Repository int64
	API        string
	Transport  http.RoundTripper
	Now        func() time.Time

	key   *rsa.PrivateKey
	mu    sync.Mutex
	token string
	ends  time.Time
}

// NewApp reads the private key of an App, in PEM.
func NewApp(id, installation int64, key []byte, now func() time.Time) (*App, error) {
	parsed, err := jwt.ParseRSAPrivateKeyFromPEM(key)
	if err != nil {
		return nil, errors.New("read the App's private key: it is no RSA key in PEM")
	}
	return &App{ID: id, Installation: installation, key: parsed, Now: now}, nil
}

// signed is a client that speaks as the App itself.
func (a *App) signed() (*gh.Client, error) {
	now := a.Now()
	text, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: strconv.FormatInt(a.ID, 10), IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(8 * time.Minute)),
	}).SignedString(a.key)
	if err != nil {
		return nil, fmt.Errorf("sign as the App: %w", err)
	}
	c := gh.NewClient(&http.Client{Transport: a.Transport, Timeout: requestTimeout}).WithAuthToken(text)
	if a.API != "" {
		if c.BaseURL, err = url.Parse(strings.TrimSuffix(a.API, "/") + "/"); err != nil {
			return nil, fmt.Errorf("read API address: %w", err)
		}
	}
	return c, nil
}

// Token implements Tokens.
func (a *App) Token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	const early = 5 * time.Minute
	if a.token != "" && a.Now().Add(early).Before(a.ends) {
		return a.token, nil
	}
	c, err := a.signed()
	if err != nil {
		return "", err
	}
	var only gh.InstallationTokenOptions
	if a.Repository != 0 {
		only.RepositoryIDs = []int64{a.Repository}
	}
	t, _, err := c.Apps.CreateInstallationToken(ctx, a.Installation, &only)
	if err != nil {
		return "", apiErr("get a token for the installation", err)
	}
	a.token, a.ends = t.GetToken(), t.GetExpiresAt().Time
	return a.token, nil
}

// Forget implements forgetter: a token that GitHub refuses is not offered again.
func (a *App) Forget(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.token == token {
		a.token = ""
	}
}

func (a *App) slug(ctx context.Context) (string, error) {
	c, err := a.signed()
	if err != nil {
		return "", err
	}
	app, _, err := c.Apps.Get(ctx, "")
	if err != nil {
		return "", apiErr("find the App", err)
	}
	return app.GetSlug(), nil
}
