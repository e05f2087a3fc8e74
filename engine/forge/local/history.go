package local

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/signature"
)

// history is a log that verified: every event, its signature and its place.
// It is shared through the cache and never changed.
type history struct {
	id      string
	tip     gitdb.OID
	commits []gitdb.OID // oldest first, one an event
	events  []Event
}

// head is the newest head that an event names as opened or pushed.
func (h history) head() string {
	for _, e := range slices.Backward(h.events) {
		if e.Type == TypeOpened || e.Type == TypePushed {
			return e.Head
		}
	}
	return ""
}

// had reports whether the pull request ever had a head.
func (h history) had(head string) bool {
	return slices.ContainsFunc(h.events, func(e Event) bool {
		return (e.Type == TypeOpened || e.Type == TypePushed) && e.Head == head
	})
}

// last is the newest event of one of the types.
func (h history) last(types ...EventType) (Event, bool) {
	for _, e := range slices.Backward(h.events) {
		if slices.Contains(types, e.Type) {
			return e, true
		}
	}
	return Event{}, false
}

// load reads and verifies the log of a pull request. ErrGone says there is
// none and never was, ErrIncomplete that it does not verify.
func (l *Local) load(id string) (history, error) {
	if err := checkID(id); err != nil {
		return history{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	mark, err := l.mark(id)
	if err != nil {
		return history{}, err
	}
	tip, err := l.db.Resolve(logPrefix + id)
	if errors.Is(err, gitdb.ErrNotFound) {
		delete(l.cache, id)
		if mark != "" {
			return history{}, incomplete("the log of pull request %s was deleted; it was at %s", id, mark)
		}
		return history{}, forge.ErrGone
	}
	if err != nil {
		return history{}, err
	}
	h, ok := l.cache[id]
	if !ok || h.tip != tip {
		if h, err = l.verify(id, tip); err != nil {
			return history{}, incomplete("the log of pull request %s does not verify: %w", id, err)
		}
		l.cache[id] = h
	}
	if mark == tip {
		return h, nil
	}
	if mark != "" && !slices.Contains(h.commits, mark) {
		return history{}, incomplete("the log of pull request %s was rewritten; %s is not in it any more", id, mark)
	}
	return h, l.setMark(id, tip)
}

func (l *Local) verify(id string, tip gitdb.OID) (history, error) {
	h := history{id: id, tip: tip}
	var commits []gitdb.Commit
	for at := tip; at != ""; {
		c, err := l.db.Commit(at)
		if err != nil {
			return history{}, err
		}
		if len(c.Parents) > 1 || len(commits) == maxEvents {
			return history{}, fmt.Errorf("commit %s: not a line of at most %d events", at, maxEvents)
		}
		commits = append(commits, c)
		at = ""
		if len(c.Parents) == 1 {
			at = c.Parents[0]
		}
	}
	slices.Reverse(commits)
	before := gitdb.EmptyTree
	for _, c := range commits {
		e, err := l.readEvent(before, c.Tree, len(h.events)+1)
		if err != nil {
			return history{}, fmt.Errorf("event %d: %w", len(h.events)+1, err)
		}
		if err := l.follows(h, e); err != nil {
			return history{}, fmt.Errorf("event %d (%s): %w", e.Seq, e.Type, err)
		}
		h.events = append(h.events, e)
		h.commits = append(h.commits, c.OID)
		before = c.Tree
	}
	return h, nil
}

var eventFile = regexp.MustCompile(`^events/([0-9]{4})-([a-z]+)\.json$`)

// readEvent reads what one commit of a log adds: one event, one signature, and
// nothing else changed.
func (l *Local) readEvent(before, tree gitdb.OID, seq int) (Event, error) {
	added, err := l.db.Diff(before, tree)
	if err != nil {
		return Event{}, err
	}
	if len(added) != 2 || added[1].Path != added[0].Path+".sig" {
		return Event{}, errors.New("the commit adds something else than one event and its signature")
	}
	name := eventFile.FindStringSubmatch(added[0].Path)
	if name == nil || name[1] != fmt.Sprintf("%04d", seq) {
		return Event{}, fmt.Errorf("file %q is out of place", added[0].Path)
	}
	var data [2][]byte
	for i, f := range added {
		if f.OldOID != "" || f.NewMode != gitdb.ModeFile {
			return Event{}, fmt.Errorf("file %q is not a new regular file", f.Path)
		}
		if data[i], err = l.db.Blob(f.NewOID, maxEvent); err != nil {
			return Event{}, err
		}
	}
	return unseal(data[0], data[1], EventType(name[2]))
}

// follows checks an event against the log before it.
//
//	seq, prev, repo, pull request  as the log has them
//	base and head branch           the same from opened on
//	head                           new in opened and pushed, else one it had
//	opened                         first, and only first
//	canceled                       by the key that opened
//	published, merged, closed      by a key of the engine
//	after canceled or closed       published, and merged once: a merge that
//	                               the event came too late for
//	after merged                   published
func (l *Local) follows(h history, e Event) error {
	if err := e.wellFormed(); err != nil {
		return err
	}
	prev := ""
	if n := len(h.events); n > 0 {
		prev = digest(h.events[n-1].Payload)
	}
	switch {
	case e.Repo != l.cfg.Repo:
		return fmt.Errorf("is of repository %q, not %q", e.Repo, l.cfg.Repo)
	case e.PullRequest != h.id:
		return fmt.Errorf("is of pull request %q, not %q", e.PullRequest, h.id)
	case e.BaseRef != l.baseRef:
		return fmt.Errorf("is for %s, not %s", e.BaseRef, l.baseRef)
	case e.Seq != len(h.events)+1:
		return fmt.Errorf("has number %d", e.Seq)
	case e.Prev != prev:
		return errors.New("does not follow the event before it")
	case (e.Type == TypeOpened) != (len(h.events) == 0):
		return errors.New("opened is the first event and no other")
	case e.Type == TypeOpened:
		return l.checkHeadRef(e.HeadRef)
	}
	return l.mayFollow(h, e)
}

func (l *Local) mayFollow(h history, e Event) error {
	opened := h.events[0]
	_, merged := h.last(TypeMerged)
	_, over := h.last(TypeCanceled, TypeClosed, TypeMerged)
	switch {
	case e.HeadRef != opened.HeadRef:
		return fmt.Errorf("is for head branch %s, not %s", e.HeadRef, opened.HeadRef)
	case e.Type != TypePushed && !h.had(e.Head):
		return fmt.Errorf("names head %s, which the pull request never had", e.Head)
	case e.Type == TypeCanceled && e.Actor != opened.Actor:
		return errors.New("only who opened it may cancel")
	case e.Type.engine() && !l.believes(e.Actor):
		return fmt.Errorf("%s is not a key of the engine", e.Actor)
	case over && e.Type != TypePublished && (e.Type != TypeMerged || merged):
		return errors.New("the pull request was over")
	}
	switch e.Type {
	case TypePushed, TypeReview, TypeCanceled, TypePublished, TypeMerged, TypeClosed:
		return nil
	default:
		return fmt.Errorf("type %q is not known", e.Type)
	}
}

// add appends an event to a log. compose makes it from the log as it is, as
// often as others append first; nothing is written when it has nothing to say.
func (l *Local) add(ctx context.Context, by signature.Signer, id string, compose func(history) (Event, bool, error)) error {
	if by.IsZero() {
		return fmt.Errorf("no key to sign with: %w", forge.ErrForbidden)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := l.load(id)
		if errors.Is(err, forge.ErrGone) && checkID(id) == nil {
			h, err = history{id: id}, nil
		}
		if err != nil {
			return err
		}
		e, ok, err := compose(h)
		if err != nil || !ok {
			return err
		}
		err = l.write(h, e, by)
		if !errors.Is(err, gitdb.ErrMoved) {
			return err
		}
	}
}

func (l *Local) write(h history, e Event, by signature.Signer) error {
	e.Schema, e.Forge, e.Repo, e.PullRequest = eventSchema, Name, l.cfg.Repo, h.id
	e.Seq, e.BaseRef, e.At = len(h.events)+1, l.baseRef, l.now()
	e.Actor = by.Public().Fingerprint()
	if e.Seq > maxEvents {
		return errors.New("the log is full: close the pull request and open another")
	}
	if n := len(h.events); n > 0 {
		e.Prev, e.HeadRef = digest(h.events[n-1].Payload), h.events[0].HeadRef
	}
	if err := l.follows(h, e); err != nil {
		return fmt.Errorf("append %s: %w: %w", e.Type, forge.ErrForbidden, err)
	}
	e, err := seal(e, by)
	if err != nil {
		return err
	}
	var edits []gitdb.Edit
	for name, data := range map[string][]byte{e.file(): e.Payload, e.file() + ".sig": e.Signature} {
		oid, err := l.db.WriteBlob(data)
		if err != nil {
			return err
		}
		edits = append(edits, gitdb.Edit{Path: name, OID: oid})
	}
	c := gitdb.Commit{Author: l.clerk(), Committer: l.clerk(), Message: string(e.Type) + " " + strconv.Itoa(e.Seq) + "\n"}
	before := gitdb.EmptyTree
	if h.tip != "" {
		tip, err := l.db.Commit(h.tip)
		if err != nil {
			return err
		}
		before, c.Parents = tip.Tree, []gitdb.OID{h.tip}
	}
	if c.Tree, err = l.db.WriteTree(before, edits); err != nil {
		return err
	}
	to, err := l.db.WriteCommit(c, nil)
	if err != nil {
		return err
	}
	if err := l.after(); err != nil {
		return err
	}
	if err := l.db.MoveRef(logPrefix+h.id, h.tip, to); err != nil {
		return err
	}
	if err := l.after(); err != nil {
		return err
	}
	return l.setMark(h.id, to)
}

// clerk is who git says wrote the engine's commits. It proves nothing.
func (l *Local) clerk() gitdb.Person {
	return gitdb.Person{Name: "assent", Email: "assent@localhost", When: l.now()}
}
