package report_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	mdtext "github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// hostile are texts that do something on a forge where they are not inert. Each
// begins with a mark, so that a reader of Markdown can say where they ended up.
const evil = "EVIL"

var hostile = []string{
	"@org/team please approve", "@kim", "[x](http://evil.example)", "![x](http://evil.example/x.png)", "<img src=x onerror=alert(1)>",
	"a\n# heading", "a\r\n\r\n<script>alert(1)</script>", "`", "``", "```\n@team\n```", "`@team`", "a``b`c", "~~~\n@team", "<!-- assent 0000 -->",
	"-->", "</details>", "</summary></details><b>", "| a | b |\n| --- | --- |\n| @team | c |", `\| @team |`, `\\| @team`, "[^1]: @team", "[^1]",
	":shipit:", "#1", "GH-1", "org/repo#1", "https://evil.example", "www.evil.example", "a@evil.example", "0123456789abcdef0123456789abcdef01234567",
	"\u202e@team", "\u200b@team", "a\u2028- x", "&lt;img src=x&gt;", "&#64;team", "$`x`$", "$x$", "**bold**", "- [ ] task", "> quote", "[x]: http://evil.example",
	"\\", "\\`", "a\\", strings.Repeat("`", 300), strings.Repeat("@team ", 300), "\xff\xfe@team", "",
}

func reader() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote))
}

// check parses a text as GitHub would, and complains of everything that people's
// words may not be: links, images, foreign HTML, footnotes, tasks; and of every
// place outside of code where they stand.
func check(t interface{ Errorf(string, ...any) }, from, markdown string) {
	source := []byte(markdown)
	doc := reader().Parser().Parse(mdtext.NewReader(source))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.CodeSpan, *ast.FencedCodeBlock:
			return ast.WalkSkipChildren, nil
		case *ast.Link, *ast.Image, *ast.AutoLink, *ast.CodeBlock:
			t.Errorf("%q became %s in:\n%s", from, n.Kind(), markdown)
		case *ast.RawHTML:
			t.Errorf("%q became %s in:\n%s", from, n.Kind(), markdown)
		case *ast.HTMLBlock:
			html := string(n.Lines().Value(source))
			if strings.Contains(html, evil) || !strings.HasPrefix(html, "<details><summary>") && strings.TrimSpace(html) != "</details>" {
				t.Errorf("%q became HTML %q in:\n%s", from, html, markdown)
			}
		case *ast.Text:
			if s := string(n.Value(source)); strings.Contains(s, evil) {
				t.Errorf("%q stands as text %q in:\n%s", from, s, markdown)
			}
		default:
			if k := n.Kind().String(); strings.Contains(k, "Footnote") || k == "TaskCheckBox" {
				t.Errorf("%q became %s in:\n%s", from, k, markdown)
			}
		}
		return ast.WalkContinue, nil
	})
	if strings.Contains(markdown, "<!--") {
		t.Errorf("%q brought a marker in", from)
	}
	if i := strings.IndexFunc(markdown, func(r rune) bool { return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }); i >= 0 {
		t.Errorf("%q brought an invisible character in at %d", from, i)
	}
	if strings.Count(markdown, "<details>") != strings.Count(markdown, "</details>") {
		inert := strings.Count(from, "details>") // as text inside of code
		if inert == 0 {
			t.Errorf("%q left a fold open in:\n%s", from, markdown)
		}
	}
}

// One text in inline code, in the places where the page has some.
func TestEscapeMakesEveryTextInert(t *testing.T) {
	one := func(t interface{ Errorf(string, ...any) }, s string) {
		e, c := report.Escape(evil+s), report.EscapeCell(evil+s)
		for _, page := range []struct {
			text  string
			spans int
		}{
			{"- a " + e + " b\n- c\n", 1},
			{"**x:** **" + e + "** z\n", 1},
			{"a\n\n### " + e + "\n", 1},
			{"> " + e + "\n", 1},
			{"| a | b |\n| --- | --- |\n| " + c + " | " + c + " |\n", 2},
		} {
			check(t, s, page.text)
			doc := reader().Parser().Parse(mdtext.NewReader([]byte(page.text)))
			spans := 0
			_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
				if entering && n.Kind() == ast.KindCodeSpan {
					spans++
				}
				return ast.WalkContinue, nil
			})
			if spans != page.spans {
				t.Errorf("%q is %d pieces of code, want %d, in %q", s, spans, page.spans, page.text)
			}
		}
		check(t, s, strings.Join(report.Fenced("diff", []string{"+ " + evil + s, s, "x"}), "\n"))
	}
	for _, s := range hostile {
		one(t, s)
	}
	letters := []rune("`@#\n\r<>[]()!-|\\ ab:/.*_~$&;\u2028\u202e\t")
	rapid.Check(t, func(t *rapid.T) { one(t, rapid.StringOf(rapid.SampledFrom(letters)).Draw(t, "text")) })
	rapid.Check(t, func(t *rapid.T) { one(t, rapid.String().Draw(t, "text")) })
}

// fill puts a text into every string of a value that holds people's words.
func fill(v reflect.Value, s string, skip map[string]bool) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil + s)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !skip[f.Name] {
				fill(v.Field(i), s, skip)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), s, skip)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), s, skip)
	case reflect.Map:
		key, val := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, s, skip)
		fill(val, s, skip)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, val)
	case reflect.Uint64, reflect.Int:
		if v.CanUint() {
			v.SetUint(7)
		} else {
			v.SetInt(7)
		}
	case reflect.Bool:
		v.SetBool(true)
	}
}

// Whatever field of a page holds a hostile text, the comment shows it as code.
func TestAPageIsInertWhateverPeopleWrote(t *testing.T) {
	// Written by the engine itself: facts and commands are Markdown, tested below and where they are made.
	skip := map[string]bool{"Facts": true, "Commands": true, "Language": true, "Signature": true}
	for _, s := range hostile {
		for _, state := range []report.State{report.Waiting, report.Approved, report.Expired} {
			var p report.Page
			fill(reflect.ValueOf(&p).Elem(), s, skip)
			p.State = state
			for i := range p.Asks {
				p.Asks[i].State = audit.StatePending
				p.Asks[i].Judgement.Outcome, p.Asks[i].Judgement.Determinations[0].Outcome = review.Pending, review.Pending
				p.Asks[i].Facts = report.StewardFacts(hostileSet(s), []audit.RequestStatus{p.Asks[i].RequestStatus}, hostileRequest(s), *p.Asks[i].Preview, "")
			}
			check(t, s, report.Markdown(p, 0))
			check(t, s, report.Why(p, 0))
			check(t, s, report.Markdown(p, 3000))
			if i := strings.IndexFunc(report.Line(p), unicode.IsControl); i >= 0 {
				t.Errorf("line %q holds a control character", report.Line(p))
			}
		}
		check(t, s, report.Notes([]string{evil + s, s}))
	}
}

func hostileSet(s string) *resource.Set {
	u := &resource.User{}
	fill(reflect.ValueOf(u).Elem(), s, map[string]bool{"Source": true})
	g := &resource.Group{}
	fill(reflect.ValueOf(g).Elem(), s, map[string]bool{"Source": true})
	d := &resource.DataSource{}
	fill(reflect.ValueOf(d).Elem(), s, map[string]bool{"Source": true})
	for kind, h := range map[resource.Kind]*resource.Header{resource.KindUser: &u.Header, resource.KindGroup: &g.Header, resource.KindDataSource: &d.Header} {
		h.Kind = kind
	}
	u.Spec.State, u.Spec.Kind = resource.UserState("active"), ""
	return resource.NewSet(u, g, d)
}

func hostileRequest(s string) *resource.AccessRequest {
	r := &resource.AccessRequest{}
	fill(reflect.ValueOf(&r.Spec).Elem(), s, map[string]bool{"Answers": true})
	r.Metadata.Name = "other"
	r.Spec.Beneficiaries = []resource.Subject{{User: resource.Name(evil + s)}}
	return r
}

// The HTML itself, once, for whoever distrusts the walk over the tree.
func TestTheHTMLOfAHostilePageHasNoTagOfTheirs(t *testing.T) {
	var p report.Page
	fill(reflect.ValueOf(&p).Elem(), strings.Join(hostile, " "), map[string]bool{"Facts": true, "Commands": true, "Language": true})
	p.State = report.Waiting
	var out bytes.Buffer
	if err := reader().Convert([]byte(report.Markdown(p, 0)), &out); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"<a ", "<img", "<script", "<input", "<section", "<h1"} {
		if strings.Contains(out.String(), tag) {
			t.Errorf("%s in:\n%s", tag, out.String())
		}
	}
	if !strings.Contains(out.String(), evil) {
		t.Error("what people wrote is not there at all")
	}
}

// However much there is to say, the text fits, no block is broken, and it says
// where the rest is.
func TestALongPageIsCutBetweenBlocks(t *testing.T) {
	p := report.Page{State: report.Waiting, PullRequest: "12"}
	for i := range 300 {
		ask := report.Ask{RequestStatus: audit.RequestStatus{Request: resource.Name(fmt.Sprintf("r-%d", i)), State: audit.StatePending, Target: "data product x", For: []string{"ana"}}}
		preview := grant.Preview{Request: ask.Request}
		for n := range 30 {
			preview.Rows = append(preview.Rows, grant.PreviewRow{Person: "ana", Source: resource.Name(fmt.Sprintf("s-%d", n)), Then: resource.Read})
		}
		ask.Preview = &preview
		ask.Answers = []report.Answer{{Question: "Why?", Text: strings.Repeat("because ", 5000)}}
		p.Asks = append(p.Asks, ask)
	}
	for _, most := range []int{2_000, 20_000, 48_000, 65_000} {
		got := report.Markdown(p, most)
		if len(got) > most || len(got) < most/2 {
			t.Errorf("%d bytes of at most %d", len(got), most)
		}
		if strings.Count(got, "~~~")%2 != 0 || !strings.HasSuffix(got, "`assent explain 12` shows all of it.\n") {
			t.Errorf("cut badly: …%q", got[max(0, len(got)-200):])
		}
		check(t, "long", got)
	}
}
