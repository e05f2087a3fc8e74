package adopt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// The annotations of an imported request.
const (
	NoteConnection = "assent.dev/imported-from"
	NoteAccount    = "assent.dev/imported-account"
	NoteGuess      = "assent.dev/imported-guess"
)

// whole makes the requests for what a principal has of one level on whole
// sources: products first, the largest before smaller ones, then schemas of
// which it has everything, then single sources.
func (b *proposer) whole(principal string, who []guess, level resource.AccessLevel, h *holdings) {
	has := map[resource.Name]*holding{}
	for _, one := range h.order {
		name := one.source.Ref().Name
		if !one.has(level) || level == resource.Write && b.masked[name] {
			continue
		}
		has[name] = one
		if refs := b.askedBefore(who, name, level); len(refs) > 0 {
			for _, f := range one.take(level) {
				b.out.Known = append(b.out.Known, Known{Foreign: f, By: refs})
			}
		}
	}
	for {
		p, covered := b.bestProduct(who, level, has)
		if p == nil {
			break
		}
		b.request(principal, who, resource.Target{Product: p.Ref().Name}, level, nil, takeAll(covered, level))
	}
	for _, path := range b.wholeSchemas(level, has) {
		var items []platform.Foreign
		for _, d := range b.schemas[path] {
			items = append(items, has[d.Ref().Name].take(level)...)
		}
		b.request(principal, who, resource.Target{Path: path}, level, nil, items)
	}
	for _, one := range h.order {
		if has[one.source.Ref().Name] != nil && one.open(level) {
			b.request(principal, who, resource.Target{Source: one.source.Ref().Name}, level, nil, one.take(level))
		}
	}
}

func takeAll(from []*holding, level resource.AccessLevel) []platform.Foreign {
	var out []platform.Foreign
	for _, one := range from {
		out = append(out, one.take(level)...)
	}
	return out
}

// askedBefore are the requests on main by which every one of the people asks for
// the source already.
func (b *proposer) askedBefore(who []guess, source resource.Name, level resource.AccessLevel) []resource.Ref {
	var out []resource.Ref
	for _, g := range who {
		refs := b.asked[askedKey{g.user.Ref().Name, source, level}]
		if len(refs) == 0 {
			return nil
		}
		out = append(out, refs...)
	}
	slices.SortFunc(out, resource.Ref.Compare)
	return slices.Compact(out)
}

// bestProduct is the product that stands for most of what is not asked for yet:
// one that the people may have, all of whose sources the principal has.
func (b *proposer) bestProduct(who []guess, level resource.AccessLevel, has map[resource.Name]*holding) (best *resource.DataProduct, covers []*holding) {
	most := 0
	for _, p := range b.offered {
		if !p.to(who, level) {
			continue
		}
		var all []*holding
		open := 0
		for _, d := range p.sources {
			one := has[d.Ref().Name]
			if one == nil {
				open = 0
				break
			}
			all = append(all, one)
			if one.open(level) {
				open++
			}
		}
		if open > most {
			best, covers, most = p.product, all, open
		}
	}
	return best, covers
}

// to reports whether the people may have the product at a level.
func (o offer) to(who []guess, level resource.AccessLevel) bool {
	s := o.product.Spec
	if !slices.Contains(s.AccessLevels, level) && (len(s.AccessLevels) > 0 || level != resource.Read) {
		return false
	}
	return len(s.Audience) == 0 || !slices.ContainsFunc(who, func(g guess) bool { return !slices.Contains(o.audience, g.user.Ref().Name) })
}

// wholeSchemas are the schemas with several sources of which the principal has
// every one, and of which something is not asked for yet.
func (b *proposer) wholeSchemas(level resource.AccessLevel, has map[resource.Name]*holding) []string {
	open := map[string]int{}
	for name, one := range has {
		if one.open(level) {
			open[above(name)]++
		}
	}
	var out []string
	for path, n := range open {
		below := b.schemas[path]
		if n > 1 && n == len(below) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func above(name resource.Name) string {
	return string(name)[:max(0, strings.LastIndexByte(string(name), '/'))]
}

// columns makes the requests for single columns.
func (b *proposer) columns(principal string, who []guess, h *holdings) {
	for _, one := range h.order {
		names, whole := one.columns("SELECT")
		if whole || len(names) == 0 || one.asked["SELECT"] {
			continue
		}
		declared := func(name string) bool {
			return slices.ContainsFunc(one.source.Spec.Columns, func(c resource.Column) bool { return c.Name == name })
		}
		if slices.ContainsFunc(names, func(n string) bool { return !declared(n) }) {
			continue
		}
		b.request(principal, who, resource.Target{Source: one.source.Ref().Name}, resource.Read, names, one.take(resource.Read))
	}
}

// request adds a request for people, without form and duration.
func (b *proposer) request(principal string, who []guess, t resource.Target, level resource.AccessLevel, columns []string, items []platform.Foreign) {
	req := &resource.AccessRequest{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindAccessRequest}}
	target := string(t.Product) + string(t.Source) + t.Path
	connection := string(b.in.Connection.Ref().Name)
	a := Asked{Request: req, Principal: principal, For: items, Name: requestName(connection, principal, target, level, columns)}
	for _, g := range who {
		a.Guesses = append(a.Guesses, g.text())
		req.Spec.Beneficiaries = append(req.Spec.Beneficiaries, g.subject())
	}
	req.Spec.Beneficiaries = slices.Compact(req.Spec.Beneficiaries)
	req.Metadata.Name = string(a.Name)
	req.Metadata.Title = cut(fmt.Sprintf("Imported: what %s has on %s", printable(principal), connection), 200)
	guesses := strings.Join(a.Guesses, "; ")
	req.Metadata.Annotations = map[string]string{NoteConnection: connection, NoteAccount: cut(printable(principal), 4000), NoteGuess: cut(guesses, 4000)}
	req.Spec.Type, req.Spec.Target, req.Spec.AccessLevel = resource.DataAccess, t, level
	req.Spec.Columns, req.Spec.Requester = columns, b.in.Requester
	b.out.Asked = append(b.out.Asked, a)
}

// resolveNames drops what main has already: the name of a request says what it
// stands for.
func (b *proposer) resolveNames() {
	var out []Asked
	for _, a := range b.out.Asked {
		if _, there := b.in.Set.Find(resource.Ref{Kind: resource.KindAccessRequest, Name: a.Name}); !there {
			out = append(out, a)
			continue
		}
		for _, f := range a.For {
			b.out.Known = append(b.out.Known, Known{Foreign: f, By: []resource.Ref{{Kind: resource.KindAccessRequest, Name: a.Name}}})
		}
	}
	b.out.Asked = out
}

// requestName is the same whenever the same is imported, and another otherwise.
func requestName(connection, principal, target string, level resource.AccessLevel, columns []string) resource.Name {
	h := sha256.New()
	for _, part := range append([]string{connection, principal, target, string(level)}, columns...) {
		fmt.Fprintf(h, "%q\n", part)
	}
	last := target[strings.LastIndexByte(target, '/')+1:]
	return resource.Name(word(principal, "account") + "-" + word(last, "data") + "-" + hex.EncodeToString(h.Sum(nil)[:5]))
}

// word is a text as it can stand in a name.
func word(text, otherwise string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	out := b.String()
	out = strings.Trim(out[:min(len(out), 24)], "-")
	if out == "" {
		return otherwise
	}
	return out
}

// printable spells a name of a platform so that it can stand in a file.
func printable(s string) string {
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}

func cut(s string, most int) string {
	for len(s) > most {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
