package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/adopt"
	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// importPrefix begins the names of import pull requests of a connection.
func importPrefix(connection resource.Name) string { return "import-" + string(connection) + "-" }

// proposedBefore tells which files are in an import pull request, open or not,
// and in which.
func (w *workspace) proposedBefore(connection resource.Name) (map[string]string, error) {
	const heads = "refs/heads/request/"
	refs, err := w.db.Refs(heads + importPrefix(connection))
	if err != nil {
		return nil, fmt.Errorf("list import pull requests: %w", err)
	}
	in := map[string]string{}
	for _, r := range refs {
		c, err := w.db.Commit(r.OID)
		if err != nil || len(c.Parents) != 1 {
			return nil, fmt.Errorf("read %s: %w", r.Name, errors.Join(err, errors.New("it is not as an import made it")))
		}
		was, err := w.db.Commit(c.Parents[0])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.Name, err)
		}
		changes, err := w.db.Diff(was.Tree, c.Tree)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", r.Name, err)
		}
		for _, x := range changes {
			in[x.Path] = strings.TrimPrefix(r.Name, heads)
		}
	}
	return in, nil
}

// openImport opens the pull request and says in a comment what is not in it.
func openImport(ctx context.Context, f desk, rep importReport) (string, error) {
	d := draft{title: fmt.Sprintf("Import what %d requests stand for on %s", len(rep.Requests), rep.Connection), files: map[string][]byte{}}
	h := sha256.New()
	for _, r := range rep.Requests {
		d.files[r.File] = r.raw
		fmt.Fprintf(h, "%q %x\n", r.File, sha256.Sum256(r.raw))
	}
	d.name = importPrefix(rep.Connection) + hex.EncodeToString(h.Sum(nil)[:4])
	pr, err := f.open(ctx, d)
	if err != nil {
		return "", &exitError{code: exitFindings, err: err}
	}
	var b strings.Builder
	writeLocked(&b, rep.Locked, 1000)
	text := b.String()
	if text == "" {
		return pr.ID, nil
	}
	const most = 30 << 10
	if len(text) > most {
		text = text[:strings.LastIndexByte(text[:most], '\n')+1] + "… `assent import " + string(rep.Connection) + " --dry-run -o json` has all\n"
	}
	if _, err := f.review(ctx, pr.ID, review.Comment, "What no request of this import stands for:\n\n"+text); err != nil {
		return "", &exitError{code: exitPartial, err: err, hint: "the pull request " + pr.ID + " is open; only the list of what it leaves out is missing there"}
	}
	return pr.ID, nil
}

// maxImportLines bounds what each part of the text prints; JSON has all.
const maxImportLines = 50

func writeImport(out io.Writer, rep importReport, o importOptions) {
	accesses := 0
	for i, r := range rep.Requests {
		accesses += len(r.For)
		switch {
		case i < maxImportLines:
			s := r.Request.Spec
			fmt.Fprintf(out, "new      %s\n         %s on %s for %s\n", r.File, s.Level(), audit.TargetText(s.Target), report.Visible(strings.Join(r.Guesses, "; ")))
		case i == maxImportLines:
			fmt.Fprintf(out, "… and %d more; -o json has all\n", len(rep.Requests)-i)
		}
	}
	proposed := map[string]int{}
	for _, k := range rep.Known {
		if k.In != "" {
			proposed[k.In]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(proposed)) {
		fmt.Fprintf(out, "asked    for %d accesses by an earlier import: %s\n", proposed[name], name)
	}
	writeLocked(out, rep.Locked, maxImportLines)
	for _, path := range rep.Unread {
		fmt.Fprintf(out, "unknown: %s could not be read, so nothing of it is here\n", report.Visible(strings.Join(path, ".")))
	}
	if rep.Blind {
		fmt.Fprintln(out, "unknown: this platform cannot tell of owners, administrators and members of roles")
	}
	fmt.Fprintf(out, "%s: %d requests for %d accesses of others, %d covered or asked for already, %d locked; nothing was changed there\n",
		rep.Connection, len(rep.Requests), accesses, len(rep.Known), len(rep.Locked))
	switch {
	case rep.PullRequest != "":
		fmt.Fprintf(out, "opened %s\nnext: `assent explain %s` says who has to agree\n", rep.PullRequest, rep.PullRequest)
	case len(rep.Requests) > 0 && o.dryRun:
		fmt.Fprintln(out, "next: the same with --propose opens a pull request")
	case len(rep.Requests) > 0 && o.out == "":
		fmt.Fprintln(out, "next: look at the files, then `assent propose --title '…'`")
	}
}

// writeLocked writes what no request stands for, by reason; most bounds each.
func writeLocked(out io.Writer, locked []adopt.Locked, most int) {
	for i := 0; i < len(locked); {
		n := i
		for n < len(locked) && locked[n].Reason == locked[i].Reason && locked[n].Detail == locked[i].Detail {
			n++
		}
		fmt.Fprintf(out, "locked   %s (%d): %s\n", locked[i].Reason, n-i, report.Visible(locked[i].Detail))
		for j := i; j < n && j-i < most; j++ {
			fmt.Fprintf(out, "         %s\n", accessText(locked[j].Foreign))
		}
		if n-i > most {
			fmt.Fprintf(out, "         … and %d more; -o json has all\n", n-i-most)
		}
		fmt.Fprintf(out, "         next: %s\n", locked[i].Next)
		i = n
	}
}
