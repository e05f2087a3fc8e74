package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
)

const (
	recordsDir  = "records/"
	signersFile = "allowed_signers"
	maxSeq      = 9_999_999_999 // ten digits
	maxSlug     = 64
)

// entry is one record of the tree. Type and sequence number are what its name
// says, until the record is verified.
type entry struct {
	seq    uint64
	typ    Type
	path   string
	blob   gitdb.OID
	sig    gitdb.OID
	digest Digest // once verified
	key    string // once verified
}

// pathOf is where a record lies.
func pathOf(r Record) string {
	name := fmt.Sprintf("%010d-%s", r.Seq, r.Type)
	if s := slug(cmp.Or(r.Subject.Request, r.Subject.Review, r.Subject.Connection)); s != "" {
		name += "-" + s
	}
	return recordsDir + r.RecordedAt.UTC().Format("2006/01/") + name + ".json"
}

// slug makes a name fit for a file name. It is for people: nothing is ever
// looked up by it.
func slug(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == maxSlug {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// parsePath reads what a file name in records/ says.
func parsePath(path string) (e entry, ok bool) {
	rest, ok := strings.CutPrefix(path, recordsDir)
	if !ok {
		return entry{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || !digits(parts[0], 4) || !digits(parts[1], 2) {
		return entry{}, false
	}
	name, ok := strings.CutSuffix(parts[2], ".json")
	number, tail, dash := strings.Cut(name, "-")
	if !ok || !dash || !digits(number, 10) || strings.Contains(tail, ".") {
		return entry{}, false
	}
	typ, _, _ := strings.Cut(tail, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	return entry{seq: seq, typ: Type(typ), path: path}, err == nil && seq > 0
}

func digits(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789") == ""
}

// list looks at the branch and returns how many records it has. What was listed
// before must still be there, unchanged, in the history and in the tree.
func (l *Ledger) list(ctx context.Context) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return 0, err
	}
	return len(l.view.entries), nil
}

func (l *Ledger) refresh(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	tip, own, err := l.tip()
	if err != nil {
		return err
	}
	if tip == l.view.tip {
		l.view.own = own
		return nil
	}
	commit, err := l.db.Commit(tip)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	next := l.view
	next.tip, next.own, next.tree = tip, own, commit.Tree
	files, err := l.added(next)
	if err != nil {
		return err
	}
	entries, err := pair(files)
	if err != nil {
		return err
	}
	if err := dense(entries, uint64(len(next.entries))); err != nil {
		return err
	}
	next.entries = append(next.entries, entries...)
	if len(next.entries) == 0 || next.entries[0].typ != TypeSeal {
		return &ChainError{Code: CodeSeal, Detail: "the first record must be a seal"}
	}
	if err := l.readSeals(&next, entries); err != nil {
		return err
	}
	if err := l.checkSigners(next); err != nil {
		return err
	}
	l.view = next
	return nil
}

// added lists the files below records/ that are new since the last view.
func (l *Ledger) added(next view) ([]gitdb.Entry, error) {
	var files []gitdb.Entry
	if l.view.tip == "" {
		all, err := l.db.Files(next.tree)
		if err != nil {
			return nil, fmt.Errorf("list ledger: %w", err)
		}
		files = all
	} else {
		_, found, err := l.db.FirstParents(next.tip, l.view.tip)
		if err != nil {
			return nil, fmt.Errorf("read history of ledger: %w", err)
		}
		if !found {
			return nil, &ChainError{Code: CodeRewritten, Detail: fmt.Sprintf("commit %s is not in the history of %s any more", l.view.tip, next.tip)}
		}
		changes, err := l.db.Diff(l.view.tree, next.tree)
		if err != nil {
			return nil, fmt.Errorf("list ledger: %w", err)
		}
		for _, c := range changes {
			if c.OldOID != "" && c.Path != signersFile {
				return nil, &ChainError{Path: c.Path, Code: CodeRewritten, Detail: "a verified file was changed or removed"}
			}
			if c.NewOID != "" {
				files = append(files, gitdb.Entry{Path: c.Path, Mode: c.NewMode, OID: c.NewOID})
			}
		}
	}
	return slices.DeleteFunc(files, func(e gitdb.Entry) bool { return e.Path == signersFile }), nil
}

// pair joins records with their signatures. Files come ordered by path, so a
// signature directly follows its record.
func pair(files []gitdb.Entry) ([]entry, error) {
	entries := make([]entry, 0, len(files)/2)
	for _, f := range files {
		record, isSig := strings.CutSuffix(f.Path, ".sig")
		e, ok := parsePath(record)
		if f.Mode != gitdb.ModeFile {
			return nil, &ChainError{Seq: e.seq, Path: f.Path, Code: CodeMode, Detail: fmt.Sprintf("mode %o, want 100644", f.Mode)}
		}
		if !ok {
			return nil, &ChainError{Path: f.Path, Code: CodeExtra, Detail: "not the name of a record"}
		}
		if !isSig {
			e.blob = f.OID
			entries = append(entries, e)
			continue
		}
		last := len(entries) - 1
		if last < 0 || entries[last].path != record {
			return nil, &ChainError{Seq: e.seq, Path: f.Path, Code: CodeExtra, Detail: "signature without a record"}
		}
		entries[last].sig = f.OID
	}
	for _, e := range entries {
		if e.sig == "" {
			return nil, fault(e, CodeMissing, "no %s.sig", e.path)
		}
	}
	return entries, nil
}

// dense sorts entries and requires one for each sequence number after known.
func dense(entries []entry, known uint64) error {
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.path, b.path))
	})
	for i, e := range entries {
		switch want := known + uint64(i) + 1; {
		case e.seq < want:
			return fault(e, CodeFork, "a second record has sequence number %d", e.seq)
		case e.seq > want:
			return &ChainError{Seq: want, Code: CodeGap, Detail: fmt.Sprintf("no record %d, but a record %d", want, e.seq)}
		}
	}
	return nil
}
