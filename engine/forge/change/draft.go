package change

import (
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

// Draft is a pull request to be opened. A nil file is deleted.
type Draft struct {
	Branch string
	Title  string
	Body   string
	Files  map[string][]byte
	Author gitdb.Person
}

// Commit writes the one commit of a draft on top of base, and no reference.
func (d Draft) Commit(db *gitdb.DB, base gitdb.OID) (gitdb.OID, error) {
	on, err := db.Commit(base)
	if err != nil {
		return "", err
	}
	var edits []gitdb.Edit
	for path, data := range d.Files {
		e := gitdb.Edit{Path: path}
		if data != nil {
			if e.OID, err = db.WriteBlob(data); err != nil {
				return "", err
			}
		}
		edits = append(edits, e)
	}
	tree, err := db.WriteTree(on.Tree, edits)
	if err != nil {
		return "", err
	}
	return db.WriteCommit(gitdb.Commit{
		Tree: tree, Parents: []gitdb.OID{base}, Author: d.Author, Committer: d.Author, Message: forge.OneLine(d.Title) + "\n",
	}, nil)
}
