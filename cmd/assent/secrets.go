package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// maxReference bounds what a reference may hold, in bytes.
const maxReference = 1 << 20

// reference reads what a field refers to: env://NAME, file:///path, or a secret
// of a cloud's manager where this program was built with them. White space around the text, such as the last line's end, is
// no part of it. It is read anew whenever a platform is opened, so that a new
// password counts from the next round on. Its value never reaches an error.
// A file with a secret has to be its owner's, or its group's to read.
func reference(ctx context.Context, field, ref string, secret bool) (string, error) {
	scheme, rest, _ := strings.Cut(ref, "://")
	switch scheme {
	case "env":
		value, ok := os.LookupEnv(rest)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", rest)
		}
		return strings.TrimSpace(value), nil
	case "file":
		path, err := url.PathUnescape(rest)
		if err != nil {
			return "", fmt.Errorf("%s is no path: %w", field, err)
		}
		return readReference(path, secret)
	}
	read, ok := managers()[scheme]
	if !ok {
		return "", fmt.Errorf("%s %q: want %s", field, ref, forms())
	}
	ctx, cancel := context.WithTimeout(ctx, managerTimeout)
	defer cancel()
	value, err := read.named(ctx, rest)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", ref, err)
	}
	return strings.TrimSpace(value), nil
}

// manager reads the secret of a name out of a manager of secrets, with the
// identity that the program has there. Its options are those of the reference.
type manager func(ctx context.Context, name string, options url.Values) (string, error)

// named reads NAME?OPTIONS#FIELD. A name may hold colons, as Amazon's do.
func (m manager) named(ctx context.Context, text string) (string, error) {
	name, field, _ := strings.Cut(text, "#")
	name, query, _ := strings.Cut(name, "?")
	options, err := url.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("read its options: %w", err)
	}
	value, err := m(ctx, name, options)
	if err == nil && len(value) > maxReference {
		err = fmt.Errorf("it is larger than %d bytes", maxReference)
	}
	if err != nil || field == "" {
		return value, err
	}
	return pick(value, field)
}

// managerTimeout is how long a manager of secrets may take.
const managerTimeout = 15 * time.Second

// forms names the references that this program can follow.
func forms() string {
	names := slices.Sorted(maps.Keys(managers()))
	if len(names) == 0 {
		return "env://NAME or file:///path (a program built with -tags cloud reads managers of secrets too)"
	}
	return "env://NAME, file:///path, " + strings.Join(names, "://, ") + "://"
}

// pick takes one field of a secret that is a JSON object.
func pick(secret, field string) (string, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(secret), &object); err != nil {
		return "", fmt.Errorf("it is no JSON object, and has no field %s", field) // err could quote the secret
	}
	value, ok := object[field].(string)
	if !ok {
		return "", fmt.Errorf("it has no text in field %s", field)
	}
	return value, nil
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
