package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// childFile names the file on which a copy of this test binary is to work.
const childFile = "ASSENT_SANDBOX_TEST_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := churn(context.Background(), path, "child"); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *Sandbox {
	t.Helper()
	s, err := Open(t.Context(), Config{Connection: "box", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func seed(t *testing.T, s *Sandbox, accounts ...string) {
	t.Helper()
	for _, table := range []string{"people", "wages"} {
		err := s.CreateTable(t.Context(), []string{"d", "s", table}, []resource.Column{{Name: "id"}, {Name: "iban"}}, [][]string{{"1", "clear"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range accounts {
		if err := s.CreateAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func testRole(product string, m *resource.Mask) *grant.Role {
	r := &grant.Role{RoleKey: grant.RoleKey{
		Connection: "box", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(product)},
		Access: resource.Read, Profile: grant.DefaultProfile,
	}}
	for _, table := range []string{"people", "wages"} {
		r.Objects = append(r.Objects, grant.Object{
			Path: []string{"d", "s", table}, Kind: "table", Columns: []grant.Column{{Name: "id"}, {Name: "iban", Mask: m}},
		})
	}
	return r
}

func testGrant(r *grant.Role, account string) *grant.Grant {
	return &grant.Grant{
		RoleKey: r.RoleKey, Principal: account, NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		Requests: []resource.Ref{{Kind: resource.KindAccessRequest, Name: "r"}},
	}
}

// upheaval masks a clear role with a member, retires another, and lets one
// more member in.
func upheaval() (before, after []plan.Change, want grant.State) {
	null := &resource.Mask{Type: resource.MaskNull}
	clear, hide, old := testRole("sales", nil), testRole("sales", null), testRole("old", nil)
	ann, bob, cid := testGrant(clear, "ann"), testGrant(old, "bob"), testGrant(hide, "cid")
	before = []plan.Change{
		{Action: plan.Provision, Role: clear}, {Action: plan.Provision, Role: old},
		{Action: plan.Allow, Grant: ann}, {Action: plan.Allow, Grant: bob},
	}
	after = []plan.Change{
		{Action: plan.Revoke, Grant: bob}, {Action: plan.Retire, Role: old},
		{Action: plan.Provision, Role: hide, PriorRole: clear}, {Action: plan.Allow, Grant: cid},
	}
	return before, after, grant.State{Roles: []grant.Role{*hide}, Grants: []grant.Grant{*ann, *cid}}
}

func mustApply(t *testing.T, s *Sandbox, changes []plan.Change) {
	t.Helper()
	out, err := s.Apply(t.Context(), platform.Batch{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Status != platform.Applied && o.Status != platform.Done {
			t.Fatalf("%s ended %s %s: %s", o.Change.Action, o.Status, o.Code, o.Detail)
		}
	}
}

func mustHold(t *testing.T, s *Sandbox, want grant.State) {
	t.Helper()
	st, err := s.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, st.Ours, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-want +observed):\n%s", diff)
	}
}

func TestDeathAfterAnyStatementConverges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	s := open(t, path)
	seed(t, s, "ann", "bob", "cid")
	before, after, want := upheaval()
	mustApply(t, s, before)

	var copies []string
	s.afterStatement = func(string) error {
		copies = append(copies, copyFile(t, path))
		return nil
	}
	mustApply(t, s, after)
	if len(copies) < 8 {
		t.Fatalf("only %d statements ran", len(copies))
	}
	for i, c := range copies {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			dead := open(t, c)
			// cid was never let into a role that shows iban.
			if res, err := dead.Query(t.Context(), "cid", `SELECT iban FROM "s.people"`); err == nil {
				t.Fatalf("cid reads %v", res.Rows)
			}
			mustApply(t, dead, after)
			mustHold(t, dead, want)
			if res, err := dead.Query(t.Context(), "ann", `SELECT iban FROM "s.people"`); !errors.Is(err, ErrDenied) {
				t.Fatalf("ann reads %v, %v", res.Rows, err)
			}
			if res, err := dead.Query(t.Context(), "bob", `SELECT id FROM "s.people"`); !errors.Is(err, ErrDenied) {
				t.Fatalf("bob reads %v, %v", res.Rows, err)
			}
		})
	}
}

// copyFile takes the file and its journal as they are on disk now.
func copyFile(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data.db")
	for _, suffix := range []string{"", "-journal"} {
		raw, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestPreviewIsWhatApplyRuns(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "data.db"))
	seed(t, s, "ann", "bob", "cid")
	before, after, _ := upheaval()
	for _, batch := range [][]plan.Change{before, after, before, after, after} {
		shown, err := s.Preview(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, st := range shown {
			want = append(want, st.Text)
		}
		s.afterStatement = func(text string) error {
			got = append(got, text)
			return nil
		}
		mustApply(t, s, batch)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-preview +apply):\n%s", diff)
		}
	}
	mask, err := s.Preview(t.Context(), []plan.Change{{Action: plan.Provision, Role: testRole("other", &resource.Mask{Type: resource.MaskPartial, KeepLast: 2})}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`CREATE ROLE "assent_other_read" FOR DataProduct 'other' ACCESS read PROFILE 'default'`,
		`CREATE VIEW "assent_other.s.people" FOR ROLE "assent_other_read" AS SELECT "id", assent_partial("iban", 0, 2) AS "iban" FROM "s.people"`,
		`CREATE VIEW "assent_other.s.wages" FOR ROLE "assent_other_read" AS SELECT "id", assent_partial("iban", 0, 2) AS "iban" FROM "s.wages"`,
	}
	for i := range want {
		if mask[i].Text != want[i] {
			t.Errorf("statement %d is\n%s, want\n%s", i, mask[i].Text, want[i])
		}
	}
}

func TestAllowIsRefusedWhereItsRoleFailed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "data.db"))
	seed(t, s, "ann")
	bad := testRole("sales", &resource.Mask{Type: "blur"})
	out, err := s.Apply(t.Context(), platform.Batch{Changes: []plan.Change{
		{Action: plan.Provision, Role: bad}, {Action: plan.Allow, Grant: testGrant(bad, "ann")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		if o.Status != platform.Failed || o.Code != platform.Unsupported {
			t.Errorf("%s ended %s %s", o.Change.Action, o.Status, o.Code)
		}
	}
}

// churn lets its own twenty members in and half of them out again.
func churn(ctx context.Context, path, who string) error {
	s, err := Open(ctx, Config{Connection: "box", Path: path})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	r := testRole("sales", nil)
	for i := range 20 {
		g := testGrant(r, who+strconv.Itoa(i))
		changes := []plan.Change{{Action: plan.Provision, Role: r}, {Action: plan.Allow, Grant: g}}
		if i%2 == 1 {
			changes = append(changes, plan.Change{Action: plan.Revoke, Grant: g})
		}
		for _, c := range changes {
			out, err := s.Apply(ctx, platform.Batch{Changes: []plan.Change{c}, Mark: platform.Mark{Seq: 1}})
			if err != nil {
				return err
			}
			if out[0].Status != platform.Applied && out[0].Status != platform.Done {
				return errors.New(string(c.Action) + " ended " + string(out[0].Status) + " " + out[0].Detail)
			}
		}
	}
	return nil
}

func child(t *testing.T, path string) (*osexec.Cmd, *strings.Builder) {
	t.Helper()
	cmd := osexec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &stderr
}

func churned(whos ...string) (accounts []string, want grant.State) {
	r := testRole("sales", nil)
	want.Roles = []grant.Role{*r}
	for _, who := range whos {
		for i := range 20 {
			name := who + strconv.Itoa(i)
			accounts = append(accounts, name)
			if i%2 == 0 {
				want.Grants = append(want.Grants, *testGrant(r, name))
			}
		}
	}
	return accounts, want
}

func TestTwoProcessesLoseNoUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	s := open(t, path)
	accounts, want := churned("child", "parent")
	seed(t, s, accounts...)
	cmd, stderr := child(t, path)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 20 {
			if _, err := s.Observe(t.Context()); err != nil {
				t.Errorf("observe meanwhile: %v", err)
			}
			if _, err := s.Query(t.Context(), "parent0", `SELECT 1`); err != nil {
				t.Errorf("query meanwhile: %v", err)
			}
		}
	})
	if err := churn(t.Context(), path, "parent"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("child: %v: %s", err, stderr)
	}
	slices.SortFunc(want.Grants, grant.Grant.Compare)
	mustHold(t, s, want)
}

func TestAKilledProcessLeavesAFileThatConverges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	s := open(t, path)
	accounts, want := churned("child")
	seed(t, s, accounts...)
	for i := range 5 {
		cmd, _ := child(t, path)
		time.Sleep(time.Duration(20+15*i) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if _, err := s.Observe(t.Context()); err != nil {
			t.Fatalf("after kill %d: %v", i, err)
		}
	}
	if err := churn(t.Context(), path, "child"); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want.Grants, grant.Grant.Compare)
	mustHold(t, s, want)
}
