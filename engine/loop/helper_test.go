package loop_test

import (
	"io/fs"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/examples"
)

func wanted(f review.Facts) forge.Want {
	return forge.Want{Base: f.Base, Head: f.Head, Tree: f.ResultTree}
}

// observed are the grants that stand on the warehouse.
func (w *world) observed() []grant.Grant {
	w.t.Helper()
	st, err := w.boxes["warehouse"].Observe(w.t.Context())
	must(w.t, err)
	return st.Ours.Grants
}

// quickFile is a file as the quickstart has it.
func (w *world) quickFile(name string) []byte {
	w.t.Helper()
	root, err := examples.Quickstart()
	must(w.t, err)
	raw, err := fs.ReadFile(root, name)
	must(w.t, err)
	return raw
}
