package gitdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// store is go-git's storage, except that it lists the packs anew when an object
// is not there or a pack cannot be read: git may have repacked, or fetched,
// since they were listed.
type store struct{ *filesystem.Storage }

// EncodedObject reads an object.
func (s store) EncodedObject(kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	obj, err := s.Storage.EncodedObject(kind, hash)
	if err == nil {
		return obj, nil
	}
	if err := s.Close(); err != nil {
		return nil, fmt.Errorf("close packs: %w", err)
	}
	s.Reindex()
	return s.Storage.EncodedObject(kind, hash)
}

// object reads an object of a kind. The lock is held.
func (d *DB) object(kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	return d.store.EncodedObject(kind, hash)
}

// Blob reads a blob of at most limit bytes; a larger one is ErrTooLarge and is
// not held in memory where it exceeds 4 MiB.
func (d *DB) Blob(oid OID, limit int64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	obj, err := d.object(plumbing.BlobObject, plumbing.NewHash(string(oid)))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", short(oid), mapErr(err))
	}
	if obj.Size() > limit {
		return nil, fmt.Errorf("read blob %s: %d bytes: %w", short(oid), obj.Size(), ErrTooLarge)
	}
	data, err := readAll(obj)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", short(oid), err)
	}
	return data, nil
}

// readAll copies an object's bytes, which the cache keeps.
func readAll(obj plumbing.EncodedObject) ([]byte, error) {
	r, err := obj.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, obj.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	return data, nil
}

func mapErr(err error) error {
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return ErrNotFound
	}
	return err
}

// WriteBlob stores bytes and returns their id.
func (d *DB) WriteBlob(data []byte) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	obj := d.store.NewEncodedObject()
	obj.SetType(plumbing.BlobObject)
	obj.SetSize(int64(len(data)))
	w, err := obj.Writer()
	if err != nil {
		return "", fmt.Errorf("write blob: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return "", fmt.Errorf("write blob: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("write blob: %w", err)
	}
	id, err := d.put(obj)
	if err != nil {
		return "", fmt.Errorf("write blob: %w", err)
	}
	return id, nil
}

// put stores an object. The lock is held.
func (d *DB) put(obj plumbing.EncodedObject) (OID, error) {
	hash, err := d.store.SetEncodedObject(obj)
	if err != nil {
		return "", err
	}
	d.written = append(d.written, hash)
	return OID(hash.String()), nil
}

// sync puts the objects that were written on disk, so that no reference ever
// names an object that a power failure can take away.
func (d *DB) sync() error {
	objects := filepath.Join(d.gitDir, "objects")
	files := make([]string, 0, len(d.written))
	for _, hash := range d.written {
		name := hash.String()
		files = append(files, filepath.Join(objects, name[:2], name[2:]))
	}
	if err := syncFiles(objects, files); err != nil {
		return err
	}
	d.written = nil
	return nil
}

func syncEach(files []string) error {
	for _, file := range files {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // git has packed it
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
