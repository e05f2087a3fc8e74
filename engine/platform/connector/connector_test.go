package connector

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// failed asserts that an error is a platform's, with its code and a next step.
func failed(t *testing.T, err error, code platform.Code, text string) {
	t.Helper()
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Code != code || pe.Hint == "" || pe.Connection != "shop" || !strings.Contains(err.Error(), text) {
		t.Fatalf("want a platform error %s with a hint and %q, got %#v: %v", code, text, pe, err)
	}
	if strings.Contains(err.Error()+pe.Hint, "ss word") {
		t.Fatalf("a secret in %v", err)
	}
}

// Whatever a connector does in place of an answer fails that one question with
// a code and a next step, and soon.
func TestAConnectorThatMisbehaves(t *testing.T) {
	cases := []struct {
		manner string
		code   platform.Code
		text   string
	}{
		{"hang", platform.Unreachable, "did not answer observe within 4s"},
		{"chatter", platform.Unreachable, "still alive [secret]"},
		{"orphan", platform.Unreachable, "did not answer"},
		{"die", platform.Unreachable, "exit status 3, and last said: out of memory"},
		{"flood", platform.BadConnector, "longer than"},
		{"late", platform.BadConnector, "it answers 1 and the question was 2"},
		{"hello?", platform.BadConnector, "no response"},
		{"\x00\xff", platform.BadConnector, "no response"},
		{`{"id":ID,"result":{}} {}`, platform.BadConnector, "more after it"},
		{`{"id":ID}`, platform.BadConnector, "a result or an error"},
		{`{"result":` + goodState + `}`, platform.BadConnector, "no id"},
		{`{"id":ID,"result":null}`, platform.BadConnector, "null"},
		{`{"id":ID,"result":{}}`, platform.BadConnector, "a list is missing"},
		{`{"id":ID,"result":` + goodState + `,"error":{"code":"busy"}}`, platform.BadConnector, "one of them only"},
		{`{"id":ID,"result":` + goodState + `,"more":1}`, platform.BadConnector, `unknown field "more"`},
		{`{"id":ID,"result":{"ours":{"roles":[],"grants":[]},"serverId":"s","open":true}}`, platform.BadConnector, `unknown field "open"`},
		{`{"id":ID,"result":{"ours":{"roles":[],"grants":[]}}}`, platform.BadConnector, "which server"},
		{`{"id":ID,"result":{"ours":{"roles":[],"grants":[]},"serverId":"s","unknown":[[]]}}`, platform.BadConnector, "does not say which"},
		{`{"id":ID,"result":{"ours":{"roles":[],"grants":[{"connection":"other","principal":"ann"}]},"serverId":"s"}}`, platform.BadConnector, `connection "other"`},
		{`{"id":ID,"result":{"ours":{"roles":[],"grants":[{"connection":"shop","principal":"b"},{"connection":"shop","principal":"a"}]},"serverId":"s"}}`, platform.BadConnector, "out of order"},
		{`{"id":ID,"error":{"code":"It Broke","message":"x"}}`, platform.BadConnector, "no reason code"},
		{`{"id":ID,"error":{"code":"no-right","message":"login ` + `pa\"ss word` + ` may not","hint":"grant it"}}`, platform.NoRight, "login [secret] may not"},
	}
	for _, c := range cases {
		t.Run(c.manner, func(t *testing.T) {
			t.Parallel()
			p := open(t, "observe="+c.manner)
			started := time.Now()
			st, err := p.Observe(t.Context())
			failed(t, err, c.code, c.text)
			if len(st.Ours.Roles)+len(st.Ours.Grants) != 0 || st.ServerID != "" {
				t.Errorf("a state comes with the error: %+v", st)
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			// The next question is answered, by a new process where the first had to go.
			if _, err := p.Preview(t.Context(), nil); err != nil {
				t.Errorf("the next question: %v", err)
			}
		})
	}
}

func TestAConnectorThatCannotBeGreeted(t *testing.T) {
	cases := []struct {
		manner string
		code   platform.Code
		text   string
	}{
		{"hello=hang", platform.Unreachable, "did not answer hello"},
		{"hello=die", platform.Unreachable, "out of memory"},
		{"hello=" + `{"id":ID,"result":` + strings.Replace(goodHello, `"protocol":1`, `"protocol":2`, 1) + `}`, platform.BadConnector, "speaks protocol 2, and this is 1"},
		{"hello=" + `{"id":ID,"result":{"protocol":1,"name":"x","version":"1"}}`, platform.BadConnector, "what it can do"},
		{"hello=" + `{"id":ID,"error":{"code":"wrong-credential","message":"no","hint":"set it"}}`, platform.WrongCredential, "no"},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err := Open(ctx, config(t, c.manner))
			failed(t, err, c.code, c.text)
		})
	}
	cfg := config(t, "")
	cfg.Path += "-missing"
	_, err := Open(t.Context(), cfg)
	failed(t, err, platform.BadConnector, "start connector")
}

// A second answer to one question must not be taken for the answer to the next.
func TestAnAnswerTooManyIsNotTheNextAnswer(t *testing.T) {
	p := open(t, "observe=twice")
	if _, err := p.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := p.Preview(t.Context(), nil)
	failed(t, err, platform.BadConnector, "it answers 2 and the question was 3")
}

func changes() []plan.Change {
	k := grant.RoleKey{Connection: "shop", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: "sales"}, Access: resource.Read, Profile: "default"}
	return []plan.Change{
		{Action: plan.Revoke, Grant: &grant.Grant{RoleKey: k, Principal: "ann"}},
		{Action: plan.Retire, Role: &grant.Role{RoleKey: k}},
	}
}

// Outcomes that do not fit the changes are none of them believed.
func TestOutcomesThatDoNotFit(t *testing.T) {
	first := `{"change":0,"status":"applied"}`
	cases := map[string]string{
		"1 outcomes for 2": first,
		"3 outcomes for 2": first + "," + first + "," + first,
		"not that of":      `{"change":1,"status":"applied"},` + first,
		"place 1 is not":   first + `,{"status":"applied"}`,
		"is unknown":       first + `,{"change":1,"status":"maybe"}`,
		"without a reason": first + `,{"change":1,"status":"failed"}`,
		"residual without": first + `,{"change":1,"status":"residual","code":"still-readable"}`,
		`field "applied"`:  `{"change":0,"applied":true}`,
		"0 outcomes for 2": ``,
		"cannot unmarshal": `7`,
	}
	for text, outcomes := range cases {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p := open(t, `apply={"id":ID,"result":{"outcomes":[`+outcomes+`]}}`)
			out, err := p.Apply(t.Context(), platform.Batch{Changes: changes()})
			failed(t, err, platform.BadConnector, text)
			for i, o := range out {
				if o.Status != platform.Failed || o.Code != platform.BadConnector || o.Detail == "" || cmp.Diff(changes()[i], o.Change) != "" {
					t.Errorf("outcome %d: %+v", i, o)
				}
			}
			if len(out) != 2 {
				t.Errorf("%d outcomes", len(out))
			}
		})
	}
	p := open(t, `apply={"id":ID,"result":{"outcomes":[`+first+`,{"change":1,"status":"failed","code":"busy","detail":"a\nb","sessionsEnded":-1}]}}`)
	out, err := p.Apply(t.Context(), platform.Batch{Changes: changes()})
	if err != nil || out[0].Status != platform.Applied || out[1].Code != platform.Busy || out[1].Detail != "a b" || out[1].SessionsEnded != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestDiscoveryIsOrderedAndComplete(t *testing.T) {
	cases := map[string]string{
		"a list is missing": `{}`,
		"comes after":       `{"sources":[{"path":["b"]},{"path":["a"]}]}`,
		"each once":         `{"sources":[{"path":["a"]}],"next":"again"}`,
		"pages":             `{"sources":[],"next":"again"}`,
	}
	for text, page := range cases {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			p := open(t, `discover={"id":ID,"result":`+page+`}`)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var last error
			for _, err := range p.Discover(ctx) {
				last = err
			}
			if text == "pages" { // never ends by itself, and ends with its context
				failed(t, last, platform.Unreachable, "context deadline exceeded")
				return
			}
			failed(t, last, platform.BadConnector, text)
		})
	}
}

func TestCancellingEndsAQuestion(t *testing.T) {
	p := open(t, "observe=hang")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := p.Observe(ctx)
	failed(t, err, platform.Unreachable, "context canceled")
	if _, err := p.Preview(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = p.Observe(t.Context())
	failed(t, err, platform.Unreachable, "closed")
}

// The environment and the arguments of a connector hold nothing of ours, and
// nothing it says holds the secret.
func TestSecretsReachAConnectorOnStdinAlone(t *testing.T) {
	t.Setenv("ASSENT_SOMETHING", "leak")
	_, err := open(t, "observe=env").Observe(t.Context())
	if err == nil || strings.Contains(err.Error(), "leak") || strings.Contains(err.Error(), "ss word") || !strings.Contains(err.Error(), "LANG=C.UTF-8") {
		t.Fatalf("%v", err)
	}
	st, err := open(t, "").Preview(t.Context(), changes())
	if err != nil || strings.Contains(st[0].Text, "ss word") || !strings.Contains(st[0].Text, redacted) {
		t.Fatalf("%v, %v", st, err)
	}
	var said bytes.Buffer
	cfg := config(t, "observe=chatter")
	cfg.Diagnostics = &said
	p, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = p.Observe(t.Context())
	if !strings.HasPrefix(said.String(), "connector of shop: still alive [secret]\n") || strings.Contains(said.String(), "ss word") {
		t.Fatalf("%.200s", said.String())
	}
	if said.Len() > maxStderr+maxStderrLine {
		t.Fatalf("%d bytes are passed on", said.Len())
	}
}

func TestALineOnStderrIsCutWithoutShowingTheBeginningOfASecret(t *testing.T) {
	var said bytes.Buffer
	w := &stderr{to: &said, secrets: secrets("topsecret")}
	_, _ = w.Write([]byte(strings.Repeat("x", maxStderrLine-5) + "topsecret and more"))
	_, _ = w.Write([]byte(" and more\nshort\n"))
	if strings.Contains(said.String(), "topse") || !strings.HasSuffix(said.String(), "short\n") {
		t.Fatalf("%q", said.String()[max(0, said.Len()-40):])
	}
}

func TestAPlatformHasWhatItsConnectorOffers(t *testing.T) {
	p := open(t, "")
	_, inspects := p.(platform.Inspector)
	_, releases := p.(platform.Releaser)
	_, audits := p.(platform.SelfAuditor)
	if !inspects || !releases || audits {
		t.Fatalf("inspects %v, releases %v, audits %v", inspects, releases, audits)
	}
	_, err := p.(platform.Releaser).Release(t.Context(), []string{"a"}, true)
	if platform.CodeOf(err) != platform.Unsupported {
		t.Fatal(err)
	}
}
