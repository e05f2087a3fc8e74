package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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
		"sandbox":  {(&sandbox.Sandbox{}).Capabilities, openSandbox},
		"postgres": {(&postgres.Postgres{}).Capabilities, openPostgres},
		"mysql":    {(&mysql.MySQL{}).Capabilities, openMySQL},
	}
}

type platformKind struct {
	capabilities func() platform.Capabilities
	open         func(ctx context.Context, w *workspace, c *resource.Connection) (platform.Platform, error)
}

// platformCapabilities is what validation asks of a kind of platform.
func platformCapabilities(kind string) (validate.Capabilities, bool) {
	k, ok := platformKinds()[kind]
	if !ok {
		return validate.Capabilities{}, false
	}
	c := k.capabilities()
	return validate.Capabilities{Masks: c.Masks, AccessLevels: c.AccessLevels}, true
}

// openPlatform opens the platform of a connection with the credentials that it
// refers to.
func (w *workspace) openPlatform(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
	k, ok := platformKinds()[c.Spec.Platform]
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
	if cfg.User, cfg.Password, err = login(c); err != nil {
		return nil, err
	}
	return postgres.Open(ctx, cfg)
}

func openMySQL(ctx context.Context, _ *workspace, c *resource.Connection) (platform.Platform, error) {
	cfg := mysql.Config{Connection: c.Ref().Name, Host: c.Spec.Endpoint.Host, Port: c.Spec.Endpoint.Port, TLS: c.Spec.Endpoint.TLS}
	var err error
	if cfg.User, cfg.Password, err = login(c); err != nil {
		return nil, err
	}
	return mysql.Open(ctx, cfg)
}

// login is the user and password that a connection's credential holds.
func login(c *resource.Connection) (user, password string, err error) {
	secret, err := credential(c.Spec.CredentialsFrom)
	if err != nil {
		return "", "", &platform.Error{Connection: c.Ref().Name, Code: platform.WrongCredential, Err: err, Hint: "set the variable or file that credentialsFrom names"}
	}
	user, password, ok := strings.Cut(secret, ":")
	if !ok {
		return "", "", &platform.Error{
			Connection: c.Ref().Name, Code: platform.WrongCredential,
			Err: errors.New("the credential is not of the form user:password"), Hint: "write the engine's user, a colon and its password",
		}
	}
	return user, password, nil
}

// credential reads a secret by reference: env://NAME or file:///path. Its value
// never reaches an error.
func credential(ref string) (string, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return "", errors.New("credentialsFrom is not a reference such as env://NAME or file:///path")
	}
	switch u.Scheme {
	case "env":
		name := u.Host + u.Path
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return strings.TrimSpace(value), nil
	case "file":
		data, err := os.ReadFile(u.Path)
		if err != nil {
			return "", fmt.Errorf("read credential: %w", err)
		}
		return strings.TrimSpace(string(data)), nil
	default:
		return "", fmt.Errorf("credentialsFrom %q: want env://NAME or file:///path", ref)
	}
}
