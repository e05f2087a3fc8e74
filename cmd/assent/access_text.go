package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/assent-dev/assent/engine/platform"
)

// writeAccess writes one line for each way, and what could not be asked.
func writeAccess(g *global, rep accessReport) error {
	out := g.stdout
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(rep.Access) > 0 {
		fmt.Fprintln(t, "WHO\tOBJECT\tMAY\tHOW\tUNTIL")
	}
	for _, r := range rep.Access {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", principalText(r), placeText(r), mayText(r), howText(r), untilOf(r))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	residual, masked := 0, false
	for _, r := range rep.Access {
		masked = masked || len(r.Masked) > 0
		if r.Residual != "" {
			residual++
		}
	}
	if len(rep.Access) == 0 && len(rep.Unknown) == 0 {
		fmt.Fprintln(out, "nothing is open, but for the engine's own account")
	}
	if masked {
		fmt.Fprintln(out, "* seen behind a mask")
	}
	if residual > 0 {
		fmt.Fprintf(out, "%d residual: access that Assent ended and that goes on another way; who granted it has to take it back\n", residual)
	}
	for _, u := range rep.Unknown {
		fmt.Fprintf(out, "unknown on %s: %s\n", u.Connection, u.Reason)
	}
	return nil
}

func principalText(r accessRow) string {
	if r.Person == "" || string(r.Person) == r.Principal {
		return r.Principal
	}
	return string(r.Person) + " (" + r.Principal + ")"
}

func placeText(r accessRow) string {
	return cmp.Or(string(r.Source), string(r.Connection)+": "+strings.Join(r.Path, "."))
}

// mayText is what a way allows. Many columns are told by their number.
func mayText(r accessRow) string {
	text := strings.ToLower(strings.Join(r.Privileges, ", "))
	if r.Columns == nil {
		return text
	}
	const most = 6
	var names []string
	for _, c := range r.Columns {
		for _, m := range r.Masked {
			if m == c {
				c += "*"
			}
		}
		names = append(names, c)
	}
	if len(names) > most {
		return fmt.Sprintf("%s (%d columns, %d masked)", text, len(names), len(r.Masked))
	}
	return text + " (" + strings.Join(names, ", ") + ")"
}

func howText(r accessRow) string {
	var how string
	switch r.Origin {
	case platform.ByUs:
		how = "by Assent"
		var why []string
		for _, q := range r.Requests {
			why = append(why, string(q.Name))
		}
		if len(why) > 0 {
			how += ": " + strings.Join(why, ", ")
		} else {
			how += ", with no request: the next round ends it"
		}
		return how
	case platform.ByPublic:
		how = "open to PUBLIC"
	case platform.ByOwner:
		how = "owner"
	case platform.BySuper:
		how = "superuser: not checked at all"
	case platform.ByBuiltIn:
		how = "role of the platform itself"
	case platform.ByDatabase:
		how = "on the whole database"
	default:
		how = "granted by others"
	}
	if r.Grantor != "" {
		how += ", by " + r.Grantor
	}
	if len(r.Via) > 0 {
		how += ", via " + strings.Join(r.Via, " > ")
	}
	if r.Residual != "" {
		how += " RESIDUAL after " + r.Residual
	}
	return how
}

func untilOf(r accessRow) string {
	if r.Origin != platform.ByUs {
		return "-"
	}
	return untilText(r.Until)
}
