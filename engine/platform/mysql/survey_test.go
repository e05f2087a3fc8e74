package mysql

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/platform"
)

// The members of roles of others are told, also through other roles; who made a
// role on MariaDB is in it. What is told to take a foreign access back does so.
func TestSurveyAndUndoOfWhatOthersGranted(t *testing.T) {
	f := newFixture(t)
	f.people("ann", "bob")
	f.must("CREATE ROLE team; CREATE ROLE `all`; GRANT team TO `all`; GRANT `all` TO ann; GRANT team TO bob; " +
		"GRANT SELECT ON shop.people TO team; GRANT SELECT (id), UPDATE (id, name) ON shop.people TO bob")
	got, err := f.p.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]string{"team": {"admin", "ann", "bob"}, "all": {"admin", "ann"}}, got.Members); d != "" {
		t.Errorf("members (-want +got):\n%s", d)
	}
	st, err := f.p.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	undone := 0
	for _, x := range st.Foreign {
		if slices.Equal(x.Path, []string{"shop", "people"}) {
			f.must(f.p.Undo(x))
			undone++
		}
	}
	if undone != 3 {
		t.Errorf("undid %d of 3: %+v", undone, st.Foreign)
	}
	if st, err = f.p.Observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(st.Foreign, func(x platform.Foreign) bool { return len(x.Path) == 2 }) {
		t.Errorf("still there: %+v", st.Foreign)
	}
}
