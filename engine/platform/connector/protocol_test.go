package connector

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

const exampleDir = "../../../examples/connector"

// schema is protocol.json, as data and compiled for one definition.
func schema(t *testing.T, definition string) (map[string]any, *jsonschema.Schema) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(exampleDir, "protocol.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("protocol.json", bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("protocol.json#/definitions/" + definition)
	if err != nil {
		t.Fatal(err)
	}
	return doc["definitions"].(map[string]any), s
}

// fields are the names that a type has in JSON.
func fields(typ reflect.Type) (names []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			names = append(names, fields(f.Type)...)
		case name != "-":
			names = append(names, name)
		}
	}
	return names
}

// The schema is written for strangers, the types are what counts: a field that
// comes to one of them comes to the other, and is another version.
func TestTheSchemaHasTheFieldsOfTheTypes(t *testing.T) {
	types := map[string]any{
		"greeting": Greeting{}, "hello": Hello{}, "endpoint": Endpoint{}, "capabilities": platform.Capabilities{},
		"ref": resource.Ref{}, "mask": resource.Mask{}, "column": grant.Column{}, "object": grant.Object{}, "roleKey": grant.RoleKey{},
		"role": grant.Role{}, "grant": grant.Grant{}, "change": change{}, "mark": platform.Mark{}, "outcome": outcome{},
		"source": platform.Source{}, "sourceColumn": resource.Column{}, "state": platform.State{}, "foreign": platform.Foreign{},
		"alteration": platform.Alteration{}, "statement": platform.Statement{}, "question": platform.Question{},
		"effective": platform.Effective{}, "access": platform.Access{}, "finding": platform.Finding{}, "error": wireError{},
		"result:apply": applyResult{}, "result:discover": discoverResult{}, "result:preview": statementsResult{},
		"result:address": addressResult{}, "result:release": statementsResult{}, "result:self-audit": auditResult{},
	}
	definitions, _ := schema(t, "request")
	for name, typ := range types {
		definition, ok := definitions[name].(map[string]any)
		if !ok {
			t.Errorf("protocol.json does not define %s", name)
			continue
		}
		var want []string
		for property := range definition["properties"].(map[string]any) {
			want = append(want, property)
		}
		got := fields(reflect.TypeOf(typ))
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-protocol.json +type):\n%s", name, diff)
		}
	}
}

// conversation is the README's: JSON texts, each to the connector or from it.
func conversation(t *testing.T) (lines []struct {
	asked bool
	text  string
}) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(exampleDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(raw), "```text\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("the README has no conversation")
	}
	for line := range strings.Lines(block) {
		asked, answered := strings.HasPrefix(line, "→ "), strings.HasPrefix(line, "← ")
		line = strings.TrimSpace(line)
		if asked || answered {
			lines = append(lines, struct {
				asked bool
				text  string
			}{asked, ""})
			_, line, _ = strings.Cut(line, " ")
		}
		lines[len(lines)-1].text += " " + line
	}
	return lines
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out
}

// The README's conversation is what the example says, and keeps to protocol.json.
func TestTheConversationOfTheReadme(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the example connector needs python3: ", err)
	}
	_, request := schema(t, "request")
	_, response := schema(t, "response")
	program, err := filepath.Abs(filepath.Join(exampleDir, "shelf"))
	if err != nil {
		t.Fatal(err)
	}
	var asked bytes.Buffer
	var methods []string
	var want []map[string]any
	for _, line := range conversation(t) {
		message := decoded(t, line.text)
		if !line.asked {
			want = append(want, message)
			continue
		}
		methods = append(methods, message["method"].(string))
		if err := request.Validate(message); err != nil && message["method"] != "drop-everything" {
			t.Errorf("%s: %v", line.text, err)
		}
		raw, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		asked.Write(append(raw, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir, cmd.Stdin = t.TempDir(), &asked
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(want) || len(want) != len(methods) || len(want) < 10 {
		t.Fatalf("%d answers, %d are shown, to %d questions", len(answers), len(want), len(methods))
	}
	anything := cmp.FilterValues(func(a, b any) bool { return a == "…" }, cmp.Comparer(func(a, b any) bool { return a == "…" || b == "…" }))
	for i, text := range answers {
		got := decoded(t, text)
		if err := response.Validate(got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if result, ok := got["result"]; ok {
			if _, s := schema(t, "result:"+strings.ReplaceAll(methods[i], "/", "-")); s.Validate(result) != nil {
				t.Errorf("%s: %v", text, s.Validate(result))
			}
		}
		if diff := cmp.Diff(want[i], got, anything); diff != "" {
			t.Errorf("the answer to %s is another (-README +said):\n%s", methods[i], diff)
		}
	}
}
