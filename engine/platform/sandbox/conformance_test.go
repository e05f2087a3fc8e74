package sandbox_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/resource"
)

func TestSandboxKeepsTheContract(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platformtest.Harness { return newHarness(t, nil) })
}

func TestAGrantEndsByItselfWhereThereIsAClock(t *testing.T) {
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	now := end.Add(-time.Second)
	h := newHarness(t, func() time.Time { return now })
	if !h.owner.Capabilities().NativeExpiry {
		t.Fatal("native expiry is not claimed")
	}
	for _, err := range []error{
		h.CreateAccount(t.Context(), "ann"),
		h.CreateTable(t.Context(), platformtest.Table{Name: "people", Columns: []string{"id", "iban"}, Rows: [][]string{{"1", "x"}}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	role := &grant.Role{
		RoleKey: grant.RoleKey{
			Connection: "box", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: "sales"},
			Access: resource.Read, Profile: grant.DefaultProfile,
		},
		Objects: []grant.Object{{Path: h.path("people"), Kind: "table", Columns: []grant.Column{
			{Name: "id"}, {Name: "iban", Mask: &resource.Mask{Type: resource.MaskNull}},
		}}},
	}
	ann := &grant.Grant{RoleKey: role.RoleKey, Principal: "ann", NotAfter: end}
	_, err := h.owner.Apply(t.Context(), platform.Batch{Changes: []plan.Change{
		{Action: plan.Provision, Role: role}, {Action: plan.Allow, Grant: ann},
	}})
	if err != nil {
		t.Fatal(err)
	}
	address := h.owner.Address(role.RoleKey, role.Objects[0])
	if _, err := h.Select(t.Context(), "ann", address, "id"); err != nil {
		t.Fatalf("before the end: %v", err)
	}
	now = end
	if _, err := h.Select(t.Context(), "ann", address, "id"); !h.Denied(err) {
		t.Fatalf("at the end: %v", err)
	}
	st, err := h.owner.Observe(t.Context())
	if err != nil || len(st.Ours.Grants) != 1 {
		t.Fatalf("an ended grant is seen until it is revoked: %+v, %v", st.Ours.Grants, err)
	}
}

// harness is a file of its own, and a sandbox on it that plays the owner.
type harness struct {
	cfg   sandbox.Config
	owner *sandbox.Sandbox
}

var (
	_ platformtest.Filterer       = (*harness)(nil)
	_ platformtest.ColumnDropper  = (*harness)(nil)
	_ platformtest.MemberAdder    = (*harness)(nil)
	_ platformtest.RoleTaker      = (*harness)(nil)
	_ platformtest.ColumnAdder    = (*harness)(nil)
	_ platformtest.Changer        = (*harness)(nil)
	_ platformtest.Distinguisher  = (*harness)(nil)
	_ platformtest.AccountDropper = (*harness)(nil)
	_ platformtest.TableRenamer   = (*harness)(nil)
	_ platformtest.Mortal         = (*harness)(nil)
)

func newHarness(t *testing.T, now func() time.Time) *harness {
	t.Helper()
	cfg := sandbox.Config{Connection: "box", Path: filepath.Join(t.TempDir(), "data.db"), Now: now}
	owner, err := sandbox.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := owner.Close(); err != nil {
			t.Error(err)
		}
	})
	return &harness{cfg: cfg, owner: owner}
}

func (h *harness) Connection() resource.Name { return h.cfg.Connection }
func (h *harness) Database() string          { return "shop" }
func (h *harness) Schema() string            { return "public" }

func (h *harness) path(table string) []string { return []string{h.Database(), h.Schema(), table} }

func (h *harness) Platform(ctx context.Context) (platform.Platform, error) {
	return sandbox.Open(ctx, h.cfg)
}

func (h *harness) CreateAccount(ctx context.Context, account string) error {
	return h.owner.CreateAccount(ctx, account)
}

func (h *harness) CreateTable(ctx context.Context, table platformtest.Table) error {
	var cols []resource.Column
	for _, c := range table.Columns {
		cols = append(cols, resource.Column{Name: c, Type: "text"})
	}
	return h.owner.CreateTable(ctx, h.path(table.Name), cols, table.Rows)
}

func (h *harness) DropTable(ctx context.Context, name string) error {
	return h.owner.DropTable(ctx, h.path(name))
}

func (h *harness) GrantByHand(ctx context.Context, account, table string) error {
	return h.owner.GrantByHand(ctx, account, h.path(table))
}

func (h *harness) RevokeByHand(ctx context.Context, account, role string) error {
	return h.owner.RevokeByHand(ctx, account, role)
}

func (h *harness) AddByHand(ctx context.Context, account, role string) error {
	return h.owner.AddByHand(ctx, account, role)
}

func (h *harness) TakeRoleName(ctx context.Context, role string) error {
	return h.owner.CreateRoleByHand(ctx, role)
}

func (h *harness) AddColumn(ctx context.Context, table, column, value string) error {
	return h.owner.AddColumn(ctx, h.path(table), column, value)
}

func (h *harness) DropColumn(ctx context.Context, table, column string) error {
	return h.owner.DropColumn(ctx, h.path(table), column)
}

func (h *harness) DropAccount(ctx context.Context, account string) error {
	return h.owner.DropAccount(ctx, account)
}

func (h *harness) RenameTable(ctx context.Context, from, to string) error {
	return h.owner.RenameTable(ctx, h.path(from), to)
}

func (h *harness) Dying(ctx context.Context, step int) (platform.Platform, func() bool, error) {
	s, err := sandbox.Open(ctx, h.cfg)
	if err != nil {
		return nil, nil, err
	}
	return s, s.DieAt(step), nil
}

func (h *harness) BaseAddress(table string) string { return quote(h.Schema() + "." + escape(table)) }

// escape is what the package does to a dot within a name.
func escape(name string) string {
	return strings.NewReplacer("%", "%25", ".", "%2E").Replace(name)
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func quoteAll(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, quote(n))
	}
	return strings.Join(out, ", ")
}

func (h *harness) Select(ctx context.Context, account, address string, columns ...string) ([][]string, error) {
	res, err := h.owner.Query(ctx, account, "SELECT "+quoteAll(columns)+" FROM "+address+" ORDER BY 1")
	return res.Rows, err
}

func (h *harness) SelectWhere(ctx context.Context, account, address, column, value string, columns ...string) ([][]string, error) {
	res, err := h.owner.Query(ctx, account, "SELECT "+quoteAll(columns)+" FROM "+address+" WHERE "+quote(column)+" = ? ORDER BY 1", value)
	return res.Rows, err
}

func (h *harness) Insert(ctx context.Context, account, address string, columns, values []string) error {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
	_, err := h.owner.Query(ctx, account, "INSERT INTO "+address+" ("+quoteAll(columns)+") VALUES ("+marks+")", args...)
	return err
}

func (h *harness) Update(ctx context.Context, account, address, key, keyValue, column, value string) error {
	_, err := h.owner.Query(ctx, account, "UPDATE "+address+" SET "+quote(column)+" = ? WHERE "+quote(key)+" = ?", value, keyValue)
	return err
}

func (h *harness) Delete(ctx context.Context, account, address, key, keyValue string) error {
	_, err := h.owner.Query(ctx, account, "DELETE FROM "+address+" WHERE "+quote(key)+" = ?", keyValue)
	return err
}

// TellsApart: SQLite folds the case of ASCII letters in the names of tables and
// columns; accounts are the sandbox's own.
func (h *harness) TellsApart(kind, a, b string) bool {
	return kind == "account" || asciiLower(a) != asciiLower(b)
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func (h *harness) Denied(err error) bool { return errors.Is(err, sandbox.ErrDenied) }
