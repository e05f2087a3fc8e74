package gitdb

import (
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// RawCommit reads the bytes of a commit object, which are what its signature
// covers once the signature's own header is taken out. A commit of more than
// 1 MiB is ErrTooLarge.
func (d *DB) RawCommit(oid OID) ([]byte, error) {
	const limit = 1 << 20
	d.mu.Lock()
	defer d.mu.Unlock()
	obj, err := d.object(plumbing.CommitObject, plumbing.NewHash(string(oid)))
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", short(oid), mapErr(err))
	}
	if obj.Size() > limit {
		return nil, fmt.Errorf("read commit %s: %d bytes: %w", short(oid), obj.Size(), ErrTooLarge)
	}
	data, err := readAll(obj)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", short(oid), err)
	}
	return data, nil
}
