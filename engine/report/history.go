package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/audit"
)

// maxEvents bounds what is told of the past of one request.
const maxEvents = 20

// past is what happened to the requests so far, the newest first, in blocks, and how
// much that is. It rests on the facts and the ledger alone.
func (p Page) past() (blocks []string, events int) {
	for _, a := range p.Asks {
		list := slices.Clone(a.History)
		if a.State == audit.StateExpired && !a.Until.IsZero() {
			list = append(list, audit.Event{At: a.Until, What: string(Expired)})
		}
		if len(list) == 0 {
			continue
		}
		slices.SortStableFunc(list, func(x, y audit.Event) int { return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Record, y.Record)) })
		slices.Reverse(list)
		var b strings.Builder
		if len(p.Asks) > 1 {
			fmt.Fprintf(&b, "**%s**\n\n", Escape(string(a.Request)))
		}
		for _, e := range list[:min(len(list), maxEvents)] {
			b.WriteString("- " + eventLine(e) + "\n")
		}
		if more := len(list) - maxEvents; more > 0 {
			fmt.Fprintf(&b, "- and %d before\n", more)
		}
		blocks, events = append(blocks, b.String()), events+len(list)
	}
	return blocks, events
}

func eventLine(e audit.Event) string {
	line := day(e.At) + " · "
	if state, ok := map[string]State{
		"approved": Approved, "denied": Denied, "canceled": Withdrawn, "expired": Expired, "revoked": Revoked, "revocation": Revoked, "applied": Applied,
	}[e.What]; ok {
		line += state.Icon() + " "
	}
	line += word(e.What)
	if e.By != "" {
		by := " by "
		if e.Record > 0 {
			by = ": "
		}
		line += by + Escape(Clip(e.By, 300))
	}
	if e.Why != "" {
		line += ", which does not count: " + sentence(e.Why)
	}
	if e.Record > 0 {
		line += fmt.Sprintf(" (record %d)", e.Record)
	}
	return line
}

// Notes are what people are told besides the page, one line each.
func Notes(list []string) string {
	var b strings.Builder
	for _, n := range list {
		b.WriteString("> " + sentence(n) + "\n\n")
	}
	return b.String()
}
