package resource_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/resource"
)

func TestNewSetKeepsTheFirstOfTwins(t *testing.T) {
	const ana = "kind: User\nmetadata: {name: ana}\nspec: {}\n"
	s := setOf(t, "-- users/b.yaml --\n"+ana+"-- users/a.yaml --\n"+ana+"-- users/c.yaml --\n"+ana)
	if u, _ := resource.UserOf(s, "ana"); u.Source.File != "users/a.yaml" || s.Len() != 1 {
		t.Errorf("kept %s of %d", u.Source.File, s.Len())
	}
	var lost []string
	for _, pair := range s.Twins() {
		lost = append(lost, pair[0].Origin().File+" over "+pair[1].Origin().File)
	}
	if diff := cmp.Diff([]string{"users/a.yaml over users/b.yaml", "users/a.yaml over users/c.yaml"}, lost); diff != "" {
		t.Error(diff)
	}
}

func TestAllIsOrderedWhateverTheInput(t *testing.T) {
	one, two := setOf(t, people+sources), setOf(t, sources+people)
	list := func(s *resource.Set) (out []string) {
		for r := range s.All() {
			out = append(out, r.Ref().String())
		}
		return out
	}
	if diff := cmp.Diff(list(one), list(two)); diff != "" {
		t.Error(diff)
	}
	if len(list(one)) != one.Len() {
		t.Errorf("All yields %d of %d", len(list(one)), one.Len())
	}
}

func TestDiffNamesWhatWasAddedChangedMovedAndRemoved(t *testing.T) {
	base := setOf(t, "-- users/same.yaml --\nkind: User\nmetadata: {name: same}\n-- users/moved.yaml --\nkind: User\nmetadata: {name: moved}\n-- users/gone.yaml --\nkind: User\nmetadata: {name: gone}\n-- users/edited.yaml --\nkind: User\nmetadata: {name: edited}\n")
	head := setOf(t, "-- users/same.yaml --\nkind: User\nmetadata: {name: same}\n-- people/moved.yaml --\nkind: User\nmetadata: {name: moved}\n-- users/new.yaml --\nkind: User\nmetadata: {name: new}\n-- users/edited.yaml --\nkind: User\nmetadata: {name: edited} # comment\n")
	var got []string
	for _, c := range resource.Diff(base, head) {
		got = append(got, string(c.Action)+" "+string(c.Ref.Name))
		if (c.Old == nil) != (c.Action == resource.Added) || (c.New == nil) != (c.Action == resource.Removed) {
			t.Errorf("%s %s has old %v and new %v", c.Action, c.Ref, c.Old, c.New)
		}
	}
	if diff := cmp.Diff([]string{"changed edited", "removed gone", "changed moved", "added new"}, got); diff != "" {
		t.Error(diff)
	}
	if n := len(resource.Diff(head, head)); n != 0 {
		t.Errorf("a set differs from itself in %d places", n)
	}
}
