package gitdb

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Person is an author or committer. Git lets anyone write anything here, so
// nothing may rest on it.
type Person struct {
	Name  string
	Email string
	When  time.Time
}

// Commit is one commit. Signature is its armoured signature, empty if unsigned.
type Commit struct {
	OID       OID
	Tree      OID
	Parents   []OID
	Author    Person
	Committer Person
	Message   string
	Signature string
}

// Commit reads a commit.
func (d *DB) Commit(oid OID) (Commit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, err := d.commit(oid)
	if err != nil {
		return Commit{}, err
	}
	return fromObject(c), nil
}

func (d *DB) commit(oid OID) (*object.Commit, error) {
	obj, err := d.object(plumbing.CommitObject, plumbing.NewHash(string(oid)))
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", short(oid), mapErr(err))
	}
	c, err := object.DecodeCommit(d.store, obj)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", short(oid), err)
	}
	return c, nil
}

func fromObject(c *object.Commit) Commit {
	out := Commit{
		OID: OID(c.Hash.String()), Tree: OID(c.TreeHash.String()),
		Author: fromSignature(c.Author), Committer: fromSignature(c.Committer),
		Message: c.Message, Signature: c.PGPSignature,
	}
	for _, p := range c.ParentHashes {
		out.Parents = append(out.Parents, OID(p.String()))
	}
	return out
}

func fromSignature(s object.Signature) Person { return Person{s.Name, s.Email, s.When.UTC()} }

// FirstParents lists the commits from tip along first parents, newest first,
// until it has listed stop (exclusive) or reached the root. found is false
// when stop is not among them.
func (d *DB) FirstParents(tip, stop OID) (commits []Commit, found bool, err error) {
	for at := tip; at != ""; {
		if at == stop {
			return commits, true, nil
		}
		c, err := d.Commit(at)
		if err != nil {
			return nil, false, err
		}
		commits = append(commits, c)
		at = ""
		if len(c.Parents) > 0 {
			at = c.Parents[0]
		}
	}
	return commits, stop == "", nil
}

// MergeBase is the best common ancestor of two commits; ErrNotFound if their
// histories have nothing in common.
func (d *DB) MergeBase(a, b OID) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ca, err := d.commit(a)
	if err != nil {
		return "", err
	}
	cb, err := d.commit(b)
	if err != nil {
		return "", err
	}
	bases, err := ca.MergeBase(cb)
	if err != nil {
		return "", fmt.Errorf("find merge base: %w", err)
	}
	if len(bases) == 0 {
		return "", fmt.Errorf("find merge base of %s and %s: %w", short(a), short(b), ErrNotFound)
	}
	return OID(bases[0].Hash.String()), nil
}

// IsAncestor reports whether a is b or an ancestor of b.
func (d *DB) IsAncestor(a, b OID) (bool, error) {
	if a == b {
		return true, nil
	}
	base, err := d.MergeBase(a, b)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return base == a, err
}

// Sign makes an armoured signature of a commit's raw bytes.
type Sign func(payload []byte) ([]byte, error)

// WriteCommit stores a commit; c.OID and c.Signature are ignored. A nil sign
// leaves it unsigned.
func (d *DB) WriteCommit(c Commit, sign Sign) (OID, error) {
	if err := c.checkText(); err != nil {
		return "", err
	}
	out := &object.Commit{
		Author:    object.Signature{Name: c.Author.Name, Email: c.Author.Email, When: c.Author.When},
		Committer: object.Signature{Name: c.Committer.Name, Email: c.Committer.Email, When: c.Committer.When},
		Message:   c.Message,
		TreeHash:  plumbing.NewHash(string(c.Tree)),
	}
	for _, p := range c.Parents {
		out.ParentHashes = append(out.ParentHashes, plumbing.NewHash(string(p)))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if sign != nil {
		unsigned := d.store.NewEncodedObject()
		if err := out.EncodeWithoutSignature(unsigned); err != nil {
			return "", fmt.Errorf("write commit: %w", err)
		}
		payload, err := readAll(unsigned)
		if err != nil {
			return "", fmt.Errorf("write commit: %w", err)
		}
		sig, err := sign(payload)
		if err != nil {
			return "", fmt.Errorf("sign commit: %w", err)
		}
		out.PGPSignature = string(sig)
	}
	obj := d.store.NewEncodedObject()
	if err := out.Encode(obj); err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	id, err := d.put(obj)
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	return id, nil
}

// checkText refuses text that would become another header of the commit.
func (c Commit) checkText() error {
	for _, s := range []string{c.Author.Name, c.Author.Email, c.Committer.Name, c.Committer.Email} {
		if strings.ContainsAny(s, "\n<>\x00") {
			return fmt.Errorf("write commit: %q is not a name", s)
		}
	}
	if strings.Contains(c.Message, "\x00") {
		return errors.New("write commit: NUL in the message")
	}
	return nil
}
