package mysql

import (
	"testing"

	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// TestPlaceIsWhatTheSuiteExpects holds the harness itself to its words.
func TestPlaceIsWhatTheSuiteExpects(t *testing.T) {
	h := newPlace(t)
	ctx := t.Context()
	name := "a`b'c\\d é"
	for _, err := range []error{
		h.CreateAccount(ctx, name), h.CreateAccount(ctx, "ann"),
		h.CreateTable(ctx, platformtest.Table{Name: name, Columns: []string{"id", name}, Rows: [][]string{{"1", `x'\y`}, {"2", "z"}}}),
		h.AddColumn(ctx, name, "more", "m"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Select(ctx, name, h.BaseAddress(name), "id"); !h.Denied(err) {
		t.Fatalf("before the grant: %v", err)
	}
	if err := h.GrantByHand(ctx, name, name); err != nil {
		t.Fatal(err)
	}
	rows, err := h.SelectWhere(ctx, name, h.BaseAddress(name), name, `x'\y`, "id", "more")
	if err != nil || len(rows) != 1 || rows[0][0] != "1" || rows[0][1] != "m" {
		t.Fatalf("%v %v", rows, err)
	}
	if err := h.Insert(ctx, name, h.BaseAddress(name), []string{"id"}, []string{"9"}); !h.Denied(err) {
		t.Fatalf("a reader inserts: %v", err)
	}
	for _, err := range []error{h.TakeRoleName(ctx, "assent_r"), h.AddByHand(ctx, "ann", "assent_r"), h.RevokeByHand(ctx, "ann", "assent_r"), h.DropAccount(ctx, name)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := h.RevokeByHand(ctx, "ann", "assent_r"); err == nil {
		t.Error("who is not in a role is taken out of it")
	}
	if h.TellsApart("column", "É", "e") || !h.TellsApart("account", "É", "é") || h.CanName("table", "a ") || h.CanName("column", "😀") {
		t.Error("the harness knows the names of another platform")
	}
	if left := newPlace(t).ask("SELECT COUNT(*) FROM mysql.user WHERE user NOT IN ('admin', 'owner', 'engine', 'mariadb.sys', 'PUBLIC')"); left[0][0] != "0" {
		t.Errorf("%s accounts are left", left[0][0])
	}
}
