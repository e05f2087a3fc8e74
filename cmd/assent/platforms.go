package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
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
	if cfg.CA, err = authorities(c); err != nil {
		return nil, err
	}
	if cfg.User, cfg.Password, err = login(c); err != nil {
		return nil, err
	}
	return postgres.Open(ctx, cfg)
}

func openMySQL(ctx context.Context, _ *workspace, c *resource.Connection) (platform.Platform, error) {
	cfg := mysql.Config{Connection: c.Ref().Name, Host: c.Spec.Endpoint.Host, Port: c.Spec.Endpoint.Port, TLS: c.Spec.Endpoint.TLS}
	var err error
	if cfg.CA, err = authorities(c); err != nil {
		return nil, err
	}
	if cfg.User, cfg.Password, err = login(c); err != nil {
		return nil, err
	}
	return mysql.Open(ctx, cfg)
}

// login is the user and password that a connection's credential holds.
func login(c *resource.Connection) (user, password string, err error) {
	secret, err := reference("credentialsFrom", c.Spec.CredentialsFrom, true)
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

// authorities are the certificates that a connection's caFrom refers to, none
// where it says nothing.
func authorities(c *resource.Connection) ([]byte, error) {
	from := c.Spec.Endpoint.CAFrom
	if from == "" {
		return nil, nil
	}
	text, err := reference("caFrom", from, false)
	if err != nil {
		return nil, &platform.Error{Connection: c.Ref().Name, Code: platform.Untrusted, Err: err, Hint: "set the variable or file that caFrom names"}
	}
	return []byte(text), nil
}

// maxReference bounds what a reference may hold, in bytes.
const maxReference = 1 << 20

// reference reads what a field of a connection refers to: env://NAME or
// file:///path. White space around the text, such as the last line's end, is
// no part of it. It is read anew whenever a platform is opened, so that a new
// password counts from the next round on. Its value never reaches an error.
// A file with a secret has to be its owner's, or its group's to read.
func reference(field, ref string, secret bool) (string, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("%s is not a reference such as env://NAME or file:///path", field)
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
		return readReference(u.Path, secret)
	default:
		return "", fmt.Errorf("%s %q: want env://NAME or file:///path", field, ref)
	}
}

func readReference(path string, secret bool) (string, error) {
	what := "authorities"
	if secret {
		what = "credential"
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if mode := info.Mode().Perm(); secret && mode&0o037 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("read credential: %s is open to others (mode %04o): chmod 600 %s, or 640 for a group of the engine's", path, mode, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxReference+1))
	if err == nil && len(data) > maxReference {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxReference)
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	return strings.TrimSpace(string(data)), nil
}
