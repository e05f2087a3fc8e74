package judge

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var from = flag.String("from", "", "api.github.com.json of @octokit/openapi, to cut the description from anew")

const cutFile = "testdata/github.json.gz"

// TestTheCutIsWhatTheRoutesSay cuts what was cut already, which changes nothing.
// With -from it cuts from GitHub's whole description, and writes.
func TestTheCutIsWhatTheRoutesSay(t *testing.T) {
	routes, err := os.ReadFile("testdata/routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	whole := description()
	if *from != "" {
		if whole, err = os.ReadFile(*from); err != nil {
			t.Fatal(err)
		}
	}
	got, err := cut(whole, string(routes))
	if err != nil {
		t.Fatal(err)
	}
	if *from != "" {
		if err := os.WriteFile(cutFile, compress(t, got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, whole) {
		t.Errorf("testdata/github.json.gz holds something else than the routes of routes.txt: make github-description cuts it anew")
	}
}

func compress(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// cut keeps some routes of a description and what they refer to, without the
// words for people: same input, same bytes.
func cut(whole []byte, routes string) ([]byte, error) {
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(whole))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	paths, _ := doc["paths"].(map[string]any)
	kept := map[string]any{}
	for line := range strings.Lines(routes) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		method, path, _ := strings.Cut(line, " ")
		item, _ := paths[path].(map[string]any)
		if method == "WEBHOOK" {
			hooks, _ := doc["x-webhooks"].(map[string]any)
			item, _ = hooks[path].(map[string]any)
			method, path = "POST", webhookPath+path
			if item == nil {
				item, _ = paths[path].(map[string]any)
			}
		}
		operation, ok := item[strings.ToLower(method)].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("routes.txt: %s is not in GitHub's description", line)
		}
		into, _ := kept[path].(map[string]any)
		if into == nil {
			into = map[string]any{}
			kept[path] = into
		}
		if strings.HasPrefix(path, webhookPath) {
			delete(operation, "parameters")
		}
		into[strings.ToLower(method)] = operation
	}
	out := map[string]any{"openapi": doc["openapi"], "info": doc["info"], "paths": kept}
	strip(kept, false)
	out["components"] = reachable(doc["components"], kept)
	return json.Marshal(out)
}

// strip removes what judges nothing. Below names, keys are names and no keywords.
func strip(v any, names bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			word := slices.Contains([]string{"description", "summary", "externalDocs", "tags", "example", "examples", "operationId", "title", "deprecated"}, key)
			if !names && (word || strings.HasPrefix(key, "x-")) {
				delete(v, key)
				continue
			}
			strip(v[key], !names && slices.Contains([]string{"properties", "schemas", "parameters", "responses", "headers", "patternProperties"}, key))
		}
	case []any:
		for _, e := range v {
			strip(e, false)
		}
	}
}

// reachable are the components that the routes refer to, one after the other.
func reachable(components any, paths map[string]any) map[string]any {
	all, _ := components.(map[string]any)
	out := map[string]any{}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				parts := strings.Split(strings.TrimPrefix(ref, "#/components/"), "/")
				kind, name := parts[0], parts[1]
				into, _ := out[kind].(map[string]any)
				if into == nil {
					into = map[string]any{}
					out[kind] = into
				}
				if _, done := into[name]; done {
					return
				}
				of, _ := all[kind].(map[string]any)
				into[name] = of[name]
				strip(of[name], false)
				follow(of[name])
				return
			}
			for _, e := range v {
				follow(e)
			}
		case []any:
			for _, e := range v {
				follow(e)
			}
		}
	}
	follow(paths)
	return out
}
