package loop_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

// blind is a platform that cannot be searched.
type blind struct{ platform.Platform }

func (blind) Discover(context.Context) iter.Seq2[platform.Source, error] {
	return func(yield func(platform.Source, error) bool) {
		yield(platform.Source{}, errors.New("catalog is locked"))
	}
}

// grantedLevel has a request for a schema approved.
func (w *world) grantedLevel(name, who, path string) {
	w.t.Helper()
	raw := w.request(name, who, pipeline, "30d", func(r *resource.AccessRequest) {
		r.Spec.Target = resource.Target{Path: path}
	})
	w.propose(name, who, map[string][]byte{requestFile(name, "public"): raw})
	w.approve(name, "kim", "lea")
	w.determine()
	if _, ok := w.custody().Approvals[resource.Name(name)]; !ok {
		w.t.Fatalf("%s was not approved: %s", name, w.judgement(name).Reason)
	}
}

// A table that appears below an approved schema is opened in the next round where
// the level says so, behind its masks; what cannot be searched changes nothing;
// and its file takes over when it comes.
func TestATableThatAppearsIsOpenedInOneRound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	discovered := strings.Replace(string(w.file(warehouse)), "mode: enforce", "mode: enforce\n  levels: [{path: shop/public, future: discovered}]", 1)
	w.byHand(map[string][]byte{warehouse: []byte(discovered), "masking/seen.yaml": []byte("apiVersion: assent.dev/v1\nkind: MaskingPolicy\nmetadata: {name: seen}\nspec: {match: {tags: [pii.phone]}, mask: {type: \"null\"}}\n")})
	w.grantedLevel("ana-all", "ana", "warehouse/shop/public")
	w.settled()
	box := w.boxes["warehouse"]
	later := []string{"shop", "public", "later"}
	role := grant.RoleKey{Connection: "warehouse", Scope: resource.LevelRef("warehouse/shop/public"), Access: resource.Read, Profile: grant.DefaultProfile}
	rows := func() [][]string {
		hidden := grant.Object{Path: later, Columns: []grant.Column{{Name: "id"}, {Name: "phone", Mask: &resource.Mask{Type: resource.MaskNull}}}}
		res, err := box.Query(t.Context(), "ana", "SELECT id, coalesce(phone, 'hidden') FROM "+box.Address(role, hidden))
		if err != nil {
			return nil
		}
		var out [][]string
		for _, r := range res.Rows {
			out = append(out, slices.Clone(r))
		}
		return out
	}
	must(t, box.CreateTable(t.Context(), later, []resource.Column{{Name: "id"}, {Name: "phone", Tags: []string{"pii.phone"}}}, [][]string{{"1", "+47"}}))
	w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
		p, err := w.openBox(ctx, c)
		return blind{p}, err
	}
	if rep := w.reconcile(); rep.Settled() || only(t, rep).Unknown == "" || len(only(t, rep).Steps) != 0 {
		t.Errorf("a search that failed: %+v", only(t, rep))
	}
	w.open = w.openBox
	c := only(t, w.settled())
	if len(c.Discovered) != 1 || !slices.Equal(c.Discovered[0], later) {
		t.Errorf("discovered: %v", c.Discovered)
	}
	if got := rows(); len(got) != 1 || got[0][0] != "1" || got[0][1] != "hidden" {
		t.Errorf("ana reads %v", got)
	}
	w.open = func(ctx context.Context, c *resource.Connection) (platform.Platform, error) {
		p, err := w.openBox(ctx, c)
		return blind{p}, err
	}
	w.reconcile()
	if len(rows()) != 1 {
		t.Error("a search that failed closed a table")
	}
	w.open = w.openBox
	c = only(t, w.settled())
	if len(c.Steps) != 0 {
		t.Errorf("the second round still changes: %+v", c.Steps)
	}
	d := &resource.DataSource{Header: resource.Header{APIVersion: resource.APIVersion, Kind: resource.KindDataSource}}
	d.Metadata.Name = "later"
	d.Spec = resource.DataSourceSpec{Connection: "warehouse", Path: later, Kind: "table", Columns: []resource.Column{{Name: "id"}}}
	raw, err := repo.Encode(d)
	must(t, err)
	w.byHand(map[string][]byte{"sources/warehouse/shop/public/later.yaml": raw})
	if c = only(t, w.settled()); len(c.Discovered) != 0 {
		t.Errorf("declared and still discovered: %v", c.Discovered)
	}
	w.truth()
}
