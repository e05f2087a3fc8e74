package audit

import (
	"slices"

	"github.com/assent-dev/assent/engine/gitdb"
)

// requestsDir is the folder of all request files.
const requestsDir = "requests"

// mainline is main along first parents.
type mainline struct {
	tip     gitdb.OID
	commits map[gitdb.OID]gitdb.Commit
	place   map[gitdb.OID]int    // of each commit, from the root
	removed map[string]gitdb.OID // the last commit that removed each request file
	files   map[string]gitdb.OID // the request files at the tip
}

// follow brings the line to a tip; one that does not descend from the last is
// read from its root.
func (m *mainline) follow(db *gitdb.DB, tip gitdb.OID) error {
	if tip == m.tip {
		return nil
	}
	added, found, err := db.FirstParents(tip, m.tip)
	if err != nil {
		return err
	}
	next := mainline{tip, m.commits, m.place, m.removed, m.files}
	if m.tip == "" || !found {
		next = mainline{tip, map[gitdb.OID]gitdb.Commit{}, map[gitdb.OID]int{}, map[string]gitdb.OID{}, map[string]gitdb.OID{}}
	}
	*m = mainline{} // after an error, everything is read again
	for _, c := range slices.Backward(added) {
		if err := next.add(db, c); err != nil {
			return err
		}
	}
	*m = next
	return nil
}

func (m *mainline) add(db *gitdb.DB, c gitdb.Commit) error {
	before := gitdb.EmptyTree
	if len(c.Parents) > 0 {
		parent, err := db.Commit(c.Parents[0])
		if err != nil {
			return err
		}
		if before, err = requestsOf(db, parent.Tree); err != nil {
			return err
		}
	}
	after, err := requestsOf(db, c.Tree)
	if err != nil {
		return err
	}
	changes, err := db.Diff(before, after)
	if err != nil {
		return err
	}
	for _, f := range changes {
		at := requestsDir + "/" + f.Path
		if f.NewOID == "" {
			m.removed[at] = c.OID
			delete(m.files, at)
		} else {
			m.files[at] = f.NewOID
		}
	}
	m.commits[c.OID], m.place[c.OID] = c, len(m.place)
	return nil
}

// requestsOf is the tree of all request files; the empty tree where there is none.
func requestsOf(db *gitdb.DB, tree gitdb.OID) (gitdb.OID, error) {
	e, ok, err := db.Find(tree, requestsDir)
	if err != nil || !ok || e.Mode != gitdb.ModeDir {
		return gitdb.EmptyTree, err
	}
	return e.OID, nil
}

// removedAfter finds the commit that last removed a file, if that was after
// another commit of the line.
func (m *mainline) removedAfter(file string, after gitdb.OID) (by gitdb.OID, ok bool) {
	by, ok = m.removed[file]
	return by, ok && m.place[by] > m.place[after]
}

// there is the blob of a request file at the tip.
func (m *mainline) there(file string) (oid gitdb.OID, ok bool) {
	oid, ok = m.files[file]
	return oid, ok
}
