package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// gh stands in for GitHub's own command line, so that a guide can show its
// commands: the part that guides use, against the API in ASSENT_GITHUB_API.
//
//	gh api PATH [-X METHOD] [-f NAME=TEXT] [-F NAME=JSON] [--input FILE] [--jq .NAME]
func gh(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) < 2 || args[0] != "api" {
		fmt.Fprintf(stderr, "error: the guides use no gh %s\n", strings.Join(args, " "))
		return 1
	}
	if err := ghAPI(args[1:], stdin, stdout); err != nil {
		fmt.Fprintf(stderr, "error: %v\n", err)
		return 1
	}
	return 0
}

type ghCall struct {
	method, path, jq string
	fields           map[string]any
	body             []byte
}

func ghAPI(args []string, stdin io.Reader, stdout io.Writer) error {
	call, err := ghFlags(args, stdin)
	if err != nil {
		return err
	}
	answer, err := call.do()
	if err != nil || call.jq == "" {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(call.jq, "."), ".") {
		object, ok := answer.(map[string]any)
		if !ok {
			return fmt.Errorf("no %s in the answer", call.jq)
		}
		answer = object[name]
	}
	fmt.Fprintln(stdout, answer)
	return nil
}

func ghFlags(args []string, stdin io.Reader) (ghCall, error) {
	call := ghCall{fields: map[string]any{}}
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			call.path = args[i]
			continue
		}
		if args[i] == "--silent" {
			continue // nothing is printed anyway
		}
		if i+1 == len(args) {
			return call, fmt.Errorf("flag %s has no value", args[i])
		}
		flag, value := args[i], args[i+1]
		i++
		name, text, _ := strings.Cut(value, "=")
		switch flag {
		case "-X":
			call.method = value
		case "--jq":
			call.jq = value
		case "-f":
			call.set(name, text)
		case "-F":
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				return call, err
			}
			call.set(name, v)
		case "--input":
			raw, err := io.ReadAll(stdin)
			if value != "-" {
				raw, err = os.ReadFile(value)
			}
			if err != nil {
				return call, err
			}
			call.body = raw
		default:
			return call, fmt.Errorf("the guides use no %s", flag)
		}
	}
	return call, nil
}

// set sets a field: name, name[] for one more of a list, or name[part].
func (c ghCall) set(name string, value any) {
	outer, rest, nested := strings.Cut(name, "[")
	part := strings.TrimSuffix(rest, "]")
	switch {
	case !nested:
		c.fields[name] = value
	case part == "":
		list, _ := c.fields[outer].([]any)
		c.fields[outer] = append(list, value)
	default:
		object, ok := c.fields[outer].(map[string]any)
		if !ok {
			object = map[string]any{}
			c.fields[outer] = object
		}
		object[part] = value
	}
}

func (c ghCall) do() (any, error) {
	if c.method == "" {
		c.method = http.MethodGet
		if len(c.fields) > 0 || c.body != nil {
			c.method = http.MethodPost
		}
	}
	if c.body == nil && len(c.fields) > 0 {
		c.body, _ = json.Marshal(c.fields)
	}
	req, err := http.NewRequest(c.method, os.Getenv("ASSENT_GITHUB_API")+c.path, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	if len(c.body) > 0 {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for _, name := range []string{"GITHUB_TOKEN", "GH_TOKEN"} { // the last counts
		if token := os.Getenv(name); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, errors.New(resp.Status + ": " + string(raw))
	}
	var answer any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if len(bytes.TrimSpace(raw)) > 0 {
		err = dec.Decode(&answer)
	}
	return answer, err
}
