package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/resource"
)

// writeMode says what the mode of a connection leaves to people, and what is open
// there without a file.
func writeMode(out io.Writer, c reconcile.Connection) {
	if c.Unknown != "" && c.Idle() {
		fmt.Fprintf(out, "%s is in mode %s, and could not be read: %s\n", c.Name, c.Mode, c.Unknown)
	}
	if c.Standing > 0 {
		fmt.Fprintf(out, "%s: %d of our grants stand where Assent only observes: each ends with its approval, and nothing else is changed\n", c.Name, c.Standing)
	}
	const most = 5
	var found []string
	for _, path := range c.Discovered[:min(len(c.Discovered), most)] {
		found = append(found, strings.Join(path, "."))
	}
	if more := len(c.Discovered) - most; more > 0 {
		found = append(found, fmt.Sprintf("%d more", more))
	}
	if len(found) > 0 {
		fmt.Fprintf(out, "%s: discovered and not declared, to be open by future: discovered: %s\n", c.Name, strings.Join(found, ", "))
	}
	for i, change := range c.Untouched {
		if i == most {
			fmt.Fprintf(out, "%s: and %d more; --output json lists all\n", c.Name, len(c.Untouched)-most)
			break
		}
		fmt.Fprintf(out, "%s: its mode leaves this to people: %s\n", c.Name, changeText(change))
	}
}

// modeTeller says what the modes leave to people where that is other than the
// round before told, by connection.
type modeTeller map[resource.Name]string

func (m modeTeller) write(out io.Writer, c reconcile.Connection) {
	if c.Busy {
		return // nothing of it is known yet
	}
	var b strings.Builder
	writeMode(&b, c)
	if text := b.String(); text != m[c.Name] {
		m[c.Name] = text
		fmt.Fprint(out, text)
	}
}

// objectsText lists what a provision opens; of a large role what differs, and how
// many there are.
func objectsText(c plan.Change) string {
	const most = 12
	list, kept := c.Role.Objects, ""
	if len(list) > most && c.PriorRole != nil {
		part := c.Parts(1)
		list = nil
		for _, p := range part {
			list = append(list, p.Role.Objects...)
		}
		kept = fmt.Sprintf(" of %d", len(c.Role.Objects))
	}
	var texts []string
	for _, o := range list[:min(len(list), most)] {
		texts = append(texts, objectText(o))
	}
	if more := len(list) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ") + kept
}
