package gitdb

import (
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// WriteBlob stores bytes and returns their id.
func (d *DB) WriteBlob(data []byte) (OID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	obj := d.repo.Storer.NewEncodedObject()
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
	hash, err := d.repo.Storer.SetEncodedObject(obj)
	if err != nil {
		return "", fmt.Errorf("write blob: %w", err)
	}
	return OID(hash.String()), nil
}

// Sign makes an armoured signature of a commit's raw bytes.
type Sign func(payload []byte) ([]byte, error)

// WriteCommit stores a commit; c.OID and c.Signature are ignored. A nil sign
// leaves it unsigned.
func (d *DB) WriteCommit(c Commit, sign Sign) (OID, error) {
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
		unsigned := d.repo.Storer.NewEncodedObject()
		if err := out.EncodeWithoutSignature(unsigned); err != nil {
			return "", fmt.Errorf("write commit: %w", err)
		}
		r, err := unsigned.Reader()
		if err != nil {
			return "", fmt.Errorf("write commit: %w", err)
		}
		payload, err := io.ReadAll(r)
		if err != nil {
			return "", fmt.Errorf("write commit: %w", err)
		}
		sig, err := sign(payload)
		if err != nil {
			return "", fmt.Errorf("sign commit: %w", err)
		}
		out.PGPSignature = string(sig)
	}
	obj := d.repo.Storer.NewEncodedObject()
	if err := out.Encode(obj); err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	hash, err := d.repo.Storer.SetEncodedObject(obj)
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	return OID(hash.String()), nil
}
