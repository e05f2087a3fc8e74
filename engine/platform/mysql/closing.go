package mysql

import (
	"context"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/platform"
)

// closing is a statement that takes something from a role of ours, or from the
// owner of the views. The server refuses it where the engine's account has lost
// the right to pass on what is to be taken. That holds nothing else up: it is
// tried in every round, and until then nobody joins the role.
type closing struct {
	from  account
	at    relName // the name is empty for what is wider than a relation
	privs []string
	i     int // the change that it is for, by its position in the batch
}

// closes notes that the last statement closes something.
func (b *builder) closes(from account, at relName, privs ...string) {
	if b.closings == nil {
		b.closings = map[string]closing{}
	}
	b.closings[b.out[len(b.out)-1].Text] = closing{from: from, at: at, privs: privs}
}

// takeClosings gives what closes something, as being for one change, and starts anew.
func (b *builder) takeClosings(w *work, i int) {
	for text, c := range b.closings {
		c.i = i
		w.closings[text] = c
	}
	b.closings = nil
}

// unsure are the statements of a change that the server will refuse, as far as
// that can be told. Which one of several privileges on databases it looks at is
// not told here, so that Apply tries all of them.
func (w work) unsure(s *snapshot, i int) []string {
	var out []string
	for text, c := range w.closings {
		if c.i != i || c.from == viewsOwner || c.at.name == "" || s.book.homes[c.at.database] != "" || c.at.database == bookDatabase {
			continue
		}
		h, passes := s.holding(c.at)
		has := func(priv string) bool { return h.table[priv] || len(h.columns[priv]) > 0 }
		if !passes || !slices.ContainsFunc(c.privs, has) {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}

// stillOpen is the fault of a role that opens more than it should, and goes on
// with what else is wrong about it.
func stillOpen(texts []string, also *fault) *fault {
	statements, more := ending(texts)
	detail := "the engine's account may not close what the role must not open: let an administrator run " + statements + more + " until then nobody joins the role"
	if also != nil {
		detail += "; besides, " + also.detail
	}
	return &fault{platform.NoRight, detail}
}

// ending lists statements, up to a bound.
func ending(texts []string) (statements, more string) {
	if n := len(texts); n > maxListed {
		texts, more = texts[:maxListed], " and more of the kind;"
	}
	return strings.Join(texts, "; ") + ";", more
}

// refusals are what the server would not let us close, by the change that it was for.
type refusals struct{ open, owner map[int][]string }

// withClosings runs statements as all does, and goes on where the server would
// not let us close something.
func (r *run) withClosings(ctx context.Context, stmts []platform.Statement, w work, left *refusals) error {
	return r.each(ctx, stmts, func(text string, err error) bool {
		c, ok := w.closings[text]
		if code, _ := reason(err); !ok || code != platform.NoRight {
			return false
		}
		if c.from == viewsOwner {
			left.owner[c.i] = append(left.owner[c.i], text)
		} else {
			left.open[c.i] = append(left.open[c.i], text)
		}
		return true
	})
}

// tell says of a change what it could not close. What only the owner of the
// views holds on to, as whom nobody can log in, opens nothing: it is a note.
func (r *run) tell(i int, w work, left refusals) {
	if texts := left.open[i]; len(texts) > 0 {
		w.faults[i] = stillOpen(texts, w.faults[i])
		r.shut[r.out[i].Change.RoleKey().RoleName()] = w.faults[i]
	}
	if texts := left.owner[i]; len(texts) > 0 {
		statements, more := ending(texts)
		r.out[i].Detail = "the owner of the masked views, as whom nobody can log in, keeps what no view reads any more: let an administrator run " + statements + more
	}
}
