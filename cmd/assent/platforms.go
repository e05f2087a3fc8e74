package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/mysql"
	"github.com/assent-dev/assent/engine/platform/postgres"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/validate"
)

// platformKinds is every kind of platform that this program knows; nothing
// registers itself.
func platformKinds() map[string]platformKind {
	return map[string]platformKind{
		"sandbox":  {&sandbox.Sandbox{}, openSandbox, 3},
		"postgres": {&postgres.Postgres{}, openPostgres, 3},
		"mysql":    {&mysql.MySQL{}, openMySQL, 2},
	}
}

type platformKind struct {
	unopened platform.Platform // for what needs no connection
	open     func(ctx context.Context, w *workspace, c *resource.Connection) (platform.Platform, error)
	// parts of a table's path: 3 for database, schema and table, 2 for database and table.
	parts int
}

// platformCapabilities is what validation asks of a kind of platform. Of a
// connector it knows nothing: no program is run to judge a file.
func platformCapabilities(kind string) (validate.Capabilities, bool) {
	k, ok := platformKinds()[kind]
	if !ok {
		return validate.Capabilities{}, false
	}
	c := k.unopened.Capabilities()
	return validate.Capabilities{Masks: c.Masks, AccessLevels: c.AccessLevels, PathParts: k.parts}, true
}

// openPlatform opens the platform of a connection with the credentials that it
// refers to.
func (w *workspace) openPlatform(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
	k, ok := platformKinds()[c.Spec.Platform]
	if c.Spec.Connector() != "" {
		return openConnector(ctx, w, c)
	}
	if !ok {
		return nil, &platform.Error{Connection: c.Ref().Name, Code: platform.Unsupported, Err: fmt.Errorf("no platform %q", c.Spec.Platform)}
	}
	return k.open(ctx, w, c)
}

func openSandbox(ctx context.Context, w *workspace, c *resource.Connection) (platform.Platform, error) {
	file := c.Spec.Endpoint.Database
	if file == "" {
		file = string(c.Ref().Name) + ".db"
	}
	if !filepath.IsLocal(file) {
		return nil, &platform.Error{Connection: c.Ref().Name, Code: platform.Unsupported, Err: fmt.Errorf("file %q is outside the state directory", file)}
	}
	if err := os.MkdirAll(w.path("sandbox"), 0o700); err != nil {
		return nil, fmt.Errorf("make sandbox directory: %w", err)
	}
	return sandbox.Open(ctx, sandbox.Config{Connection: c.Ref().Name, Path: w.path("sandbox", file)})
}

func openPostgres(ctx context.Context, _ *workspace, c *resource.Connection) (platform.Platform, error) {
	cfg := postgres.Config{
		Connection: c.Ref().Name, Host: c.Spec.Endpoint.Host, Port: c.Spec.Endpoint.Port,
		Database: c.Spec.Endpoint.Database, TLS: c.Spec.Endpoint.TLS,
	}
	var err error
	if cfg.CA, err = authorities(ctx, c); err != nil {
		return nil, err
	}
	if cfg.User, cfg.Password, err = login(ctx, c); err != nil {
		return nil, err
	}
	return postgres.Open(ctx, cfg)
}

func openMySQL(ctx context.Context, _ *workspace, c *resource.Connection) (platform.Platform, error) {
	cfg := mysql.Config{Connection: c.Ref().Name, Host: c.Spec.Endpoint.Host, Port: c.Spec.Endpoint.Port, TLS: c.Spec.Endpoint.TLS}
	var err error
	if cfg.CA, err = authorities(ctx, c); err != nil {
		return nil, err
	}
	if cfg.User, cfg.Password, err = login(ctx, c); err != nil {
		return nil, err
	}
	return mysql.Open(ctx, cfg)
}

// login is the user and password that a connection's credential holds:
// user:password, or an object with both as managers of secrets keep it.
func login(ctx context.Context, c *resource.Connection) (user, password string, err error) {
	secret, err := reference(ctx, "credentialsFrom", c.Spec.CredentialsFrom, true)
	if err != nil {
		return "", "", &platform.Error{Connection: c.Ref().Name, Code: platform.WrongCredential, Err: err, Hint: "set the variable or file that credentialsFrom names"}
	}
	var pair struct{ Username, Password string }
	if json.Unmarshal([]byte(secret), &pair) == nil && pair.Username != "" && pair.Password != "" {
		return pair.Username, pair.Password, nil
	}
	user, password, ok := strings.Cut(secret, ":")
	if !ok || strings.HasPrefix(secret, "{") {
		return "", "", &platform.Error{
			Connection: c.Ref().Name, Code: platform.WrongCredential,
			Err: errors.New("the credential is not of the form user:password"), Hint: "write the engine's user, a colon and its password",
		}
	}
	return user, password, nil
}

// authorities are the certificates that a connection's caFrom refers to, none
// where it says nothing.
func authorities(ctx context.Context, c *resource.Connection) ([]byte, error) {
	from := c.Spec.Endpoint.CAFrom
	if from == "" {
		return nil, nil
	}
	text, err := reference(ctx, "caFrom", from, false)
	if err != nil {
		return nil, &platform.Error{Connection: c.Ref().Name, Code: platform.Untrusted, Err: err, Hint: "set the variable or file that caFrom names"}
	}
	return []byte(text), nil
}
