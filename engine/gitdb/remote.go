package gitdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage"
)

// Sentinels of remotes.
var (
	ErrRefused     = errors.New("the remote refused the credentials or the change")
	ErrUnreachable = errors.New("the remote cannot be reached")
)

// Remote is another repository. Only references that are named are fetched or
// pushed, never tags or all of it.
type Remote struct {
	URL string // of http or https, or a path; without credentials
	// Token gives what to present as a password, asked for at every connection
	// because it may be short-lived; nil for none.
	Token func(ctx context.Context) (string, error)
}

// Fetch brings the remote's references among want, by name, to local ones of
// the names given, wherever those were before, and tells where they are now.
// One that the remote does not have is left out of the answer and removed here.
func (d *DB) Fetch(ctx context.Context, from Remote, want map[string]string) (map[string]OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, err := d.where(ctx, from, want)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, there := at[name]; !there {
			if err := d.store.RemoveReference(plumbing.ReferenceName(want[name])); err != nil {
				return nil, fmt.Errorf("forget %s: %w", want[name], err)
			}
		}
	}
	if have, err := d.have(at, want); have || err != nil {
		return at, err
	}
	// What is missing is what is fetched: packs are listed anew once, and not for
	// each object that is not there.
	if err := d.store.Close(); err != nil {
		return nil, fmt.Errorf("close packs: %w", err)
	}
	d.store.Reindex()
	remote, auth, err := remoteOver(ctx, d.store.Storage, from)
	if err != nil {
		return nil, err
	}
	var specs []config.RefSpec
	for _, name := range slices.Sorted(maps.Keys(at)) {
		specs = append(specs, config.RefSpec("+"+name+":"+want[name]))
	}
	err = remote.FetchContext(ctx, &git.FetchOptions{RefSpecs: specs, Auth: auth, Tags: git.NoTags, Force: true})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return nil, remoteErr("fetch", err)
	}
	for name := range at { // what the fetch saw may be newer than what the list said
		hash, err := d.reference(want[name])
		if err != nil {
			return nil, err
		}
		if hash.IsZero() {
			return nil, fmt.Errorf("fetch %s: %w", name, ErrNotFound)
		}
		at[name] = OID(hash.String())
	}
	return at, nil
}

// List names the references of a remote below a prefix that ends in a slash, and
// fetches nothing.
func (d *DB) List(ctx context.Context, from Remote, prefix string) (map[string]OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listed(ctx, from, func(name string) bool { return strings.HasPrefix(name, prefix) })
}

// listed are those of all the references that a remote tells of.
func (d *DB) listed(ctx context.Context, from Remote, wanted func(name string) bool) (map[string]OID, error) {
	remote, auth, err := d.remote(ctx, from)
	if err != nil {
		return nil, err
	}
	listed, err := remote.ListContext(ctx, &git.ListOptions{Auth: auth})
	if err != nil {
		return nil, remoteErr("list references", err)
	}
	at := map[string]OID{}
	for _, r := range listed {
		if name := string(r.Name()); wanted(name) && r.Type() == plumbing.HashReference {
			at[name] = OID(r.Hash().String())
		}
	}
	return at, nil
}

// have reports whether our references are where the remote has its own.
func (d *DB) have(at map[string]OID, want map[string]string) (bool, error) {
	for name, oid := range at {
		hash, err := d.reference(want[name])
		if err != nil {
			return false, err
		}
		if hash.String() != string(oid) {
			return false, nil
		}
	}
	return true, nil
}

// Push moves a reference of the remote from old to a descendant of it, and fails
// with ErrMoved where it is not at old any more. An empty old means that it must
// not exist. The commit need not be referenced here.
func (d *DB) Push(ctx context.Context, at Remote, name string, old, to OID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	remote, auth, err := d.remote(ctx, at)
	if err != nil {
		return err
	}
	if err := d.sync(); err != nil {
		return fmt.Errorf("push %s: %w", name, err)
	}
	o := &git.PushOptions{
		RemoteName: remoteName, RefSpecs: []config.RefSpec{config.RefSpec(string(to) + ":" + name)}, Auth: auth,
	}
	if old != "" {
		o.RequireRemoteRefs = []config.RefSpec{config.RefSpec(string(old) + ":" + name)}
	} else if err := absent(ctx, remote, auth, name); err != nil {
		return err
	}
	err = remote.PushContext(ctx, o)
	switch {
	case err == nil, errors.Is(err, git.NoErrAlreadyUpToDate):
		return nil
	case movedAway(err):
		return fmt.Errorf("push %s: %w: %w", name, ErrMoved, err)
	default:
		return remoteErr("push "+name, err)
	}
}

func absent(ctx context.Context, remote *git.Remote, auth transport.AuthMethod, name string) error {
	listed, err := remote.ListContext(ctx, &git.ListOptions{Auth: auth})
	if err != nil && !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return remoteErr("list references", err)
	}
	if slices.ContainsFunc(listed, func(r *plumbing.Reference) bool { return string(r.Name()) == name }) {
		return fmt.Errorf("push %s: it exists: %w", name, ErrMoved)
	}
	return nil
}

// movedAway reports whether a push failed because somebody else was faster. The
// library has no error of its own for most of it.
func movedAway(err error) bool {
	if errors.Is(err, git.ErrNonFastForwardUpdate) {
		return true
	}
	text := err.Error()
	for _, part := range []string{
		"non-fast-forward", "required to be", "not present", "fetch first", "cannot lock ref", "reference already exists",
		"failed to update ref", "incorrect old value", "stale info", "remote ref",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

const (
	remoteName = "forge"
	tokenUser  = "x-access-token"
)

// remote is a remote that is in no configuration file.
func (d *DB) remote(ctx context.Context, r Remote) (*git.Remote, transport.AuthMethod, error) {
	return remoteOver(ctx, d.store, r)
}

func remoteOver(ctx context.Context, s storage.Storer, r Remote) (*git.Remote, transport.AuthMethod, error) {
	var auth transport.AuthMethod
	if r.Token != nil {
		token, err := r.Token(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("get token: %w", err)
		}
		auth = &http.BasicAuth{Username: tokenUser, Password: token}
	}
	return git.NewRemote(s, &config.RemoteConfig{Name: remoteName, URLs: []string{r.URL}}), auth, nil
}

func remoteErr(doing string, err error) error {
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed), errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%s: %w: %w", doing, ErrRefused, err)
	case errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "dial tcp"), strings.Contains(err.Error(), "connection re"):
		return fmt.Errorf("%s: %w: %w", doing, ErrUnreachable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// ErrRewound says that a branch of the remote does not descend from ours.
var ErrRewound = errors.New("the remote branch went back or was rewritten")

// Follow moves our branches forward to those of the remote, by full name, and
// leaves alone what the remote does not have. A remote branch that does not
// descend from ours is ErrRewound and moves nothing.
func (d *DB) Follow(ctx context.Context, from Remote, branches ...string) (map[string]OID, error) {
	want := map[string]string{}
	for _, b := range branches {
		want[b] = followed(b)
	}
	at, err := d.Fetch(ctx, from, want)
	if err != nil {
		return nil, err
	}
	for _, b := range branches {
		to, there := at[b]
		if !there {
			continue
		}
		was, err := d.Resolve(b)
		if errors.Is(err, ErrNotFound) {
			was, err = "", nil
		}
		if err != nil {
			return nil, err
		}
		if was == to {
			continue
		}
		if was != "" {
			if ok, err := d.IsAncestor(was, to); err != nil || !ok {
				return nil, errors.Join(fmt.Errorf("follow %s: at %s, and the remote at %s: %w", b, short(was), short(to), ErrRewound), err)
			}
		}
		if err := d.MoveRef(b, was, to); err != nil {
			return nil, err
		}
	}
	return at, nil
}

// followed is where the last seen tip of a remote branch is kept.
func followed(branch string) string {
	return "refs/forge/" + strings.TrimPrefix(branch, "refs/")
}
