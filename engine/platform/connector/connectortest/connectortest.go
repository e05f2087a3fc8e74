// Package connectortest runs the conformance suite of platforms on any
// connector: it asks the connector, by its methods test/*, to play the owner of
// the data and the people around it.
package connectortest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/platform/connector"
	"github.com/assent-dev/assent/engine/platform/platformtest"
	"github.com/assent-dev/assent/engine/resource"
)

// denied is the code of an answer to test/select or test/insert that means that
// the account has no right to it.
const denied platform.Code = "denied"

// required are the test methods without which nothing can be tested.
func required() []string {
	return []string{
		"test/place", "test/account", "test/table", "test/drop-table", "test/grant-by-hand", "test/revoke-by-hand",
		"test/select", "test/insert", "test/base-address",
	}
}

// offers are the test methods that stand for the optional interfaces of the suite.
func offers() map[string][]string {
	return map[string][]string{
		"Filterer":       {"test/select-where"},
		"MemberAdder":    {"test/add-by-hand"},
		"RoleTaker":      {"test/take-role"},
		"ColumnAdder":    {"test/add-column"},
		"ColumnDropper":  {"test/drop-column"},
		"Namer":          {"test/can-name"},
		"Distinguisher":  {"test/tells-apart"},
		"Changer":        {"test/update", "test/delete"},
		"AccountDropper": {"test/drop-account"},
		"TableRenamer":   {"test/rename-table"},
		"Withholder":     {"test/withheld-table"},
		"Hider":          {"test/hide-table", "test/show-table"},
		"Locker":         {"test/lock-table", "test/unlock-table"},
	}
}

// Kit is a connector under test.
type Kit struct {
	cfg     connector.Config
	session *connector.Session
}

// Start runs the connector in test mode. The error names the methods that it
// lacks.
func Start(ctx context.Context, cfg connector.Config) (*Kit, error) {
	cfg.Test = true
	s, err := connector.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, m := range required() {
		if !slices.Contains(s.Hello().Test, m) {
			err = errors.Join(err, errors.New("the connector does not announce "+m))
		}
	}
	if err != nil {
		_ = s.Close()
		return nil, &platform.Error{
			Connection: cfg.Connection, Code: platform.BadConnector, Err: err, Hint: "answer hello with the list of test methods it has, in test",
		}
	}
	return &Kit{cfg: cfg, session: s}, nil
}

// Hello is what the connector says of itself.
func (k *Kit) Hello() connector.Hello { return k.session.Hello() }

// Close ends the connector.
func (k *Kit) Close() error { return k.session.Close() }

// Place makes a fresh place and ends t where the connector cannot.
func (k *Kit) Place(ctx context.Context, t platformtest.T) platformtest.Harness {
	t.Helper()
	h := &harness{kit: k}
	if err := k.session.Call(ctx, "test/place", struct{}{}, &h.place); err != nil {
		t.Fatalf("make a place: %v", err)
	}
	return h
}

// place is a fresh, empty place, and how the engine gets there.
type place struct {
	Endpoint   connector.Endpoint `json:"endpoint"`
	Credential string             `json:"credential,omitempty"`
	Database   string             `json:"database"`
	Schema     string             `json:"schema"`
}

type harness struct {
	kit   *Kit
	place place
	bases sync.Map // base addresses, by table
}

var (
	_ platformtest.Harness        = (*harness)(nil)
	_ platformtest.Limited        = (*harness)(nil)
	_ platformtest.Filterer       = (*harness)(nil)
	_ platformtest.MemberAdder    = (*harness)(nil)
	_ platformtest.RoleTaker      = (*harness)(nil)
	_ platformtest.ColumnAdder    = (*harness)(nil)
	_ platformtest.ColumnDropper  = (*harness)(nil)
	_ platformtest.Namer          = (*harness)(nil)
	_ platformtest.Distinguisher  = (*harness)(nil)
	_ platformtest.Changer        = (*harness)(nil)
	_ platformtest.AccountDropper = (*harness)(nil)
	_ platformtest.TableRenamer   = (*harness)(nil)
	_ platformtest.Withholder     = (*harness)(nil)
	_ platformtest.Hider          = (*harness)(nil)
	_ platformtest.Locker         = (*harness)(nil)
)

// Offers implements platformtest.Limited.
func (h *harness) Offers(name string) bool {
	methods, known := offers()[name]
	return known && !slices.ContainsFunc(methods, func(m string) bool { return !slices.Contains(h.kit.Hello().Test, m) })
}

type params map[string]any

// do asks for something that has no answer.
func (h *harness) do(ctx context.Context, method string, p params) error {
	return h.kit.session.Call(ctx, "test/"+method, p, &struct{}{})
}

func (h *harness) yes(method string, p params) bool {
	var out struct {
		Yes bool `json:"yes"`
	}
	err := h.kit.session.Call(context.Background(), "test/"+method, p, &out)
	return err != nil || out.Yes
}

func (h *harness) rows(ctx context.Context, method string, p params) ([][]string, error) {
	var out struct {
		Rows [][]*string `json:"rows"`
	}
	if err := h.kit.session.Call(ctx, "test/"+method, p, &out); err != nil {
		return nil, err
	}
	var rows [][]string
	for _, r := range out.Rows {
		var row []string
		for _, v := range r {
			if v == nil {
				row = append(row, "<null>")
			} else {
				row = append(row, *v)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Connection implements platformtest.Harness.
func (h *harness) Connection() resource.Name { return h.kit.cfg.Connection }

// Database implements platformtest.Harness.
func (h *harness) Database() string { return h.place.Database }

// Schema implements platformtest.Harness.
func (h *harness) Schema() string { return h.place.Schema }

// Platform implements platformtest.Harness.
func (h *harness) Platform(ctx context.Context) (platform.Platform, error) {
	cfg := h.kit.cfg
	cfg.Test, cfg.Endpoint = false, h.place.Endpoint
	if h.place.Credential != "" {
		cfg.Credential = h.place.Credential
	}
	return connector.Open(ctx, cfg)
}

// CreateAccount implements platformtest.Harness.
func (h *harness) CreateAccount(ctx context.Context, account string) error {
	return h.do(ctx, "account", params{"account": account})
}

// DropAccount implements platformtest.AccountDropper.
func (h *harness) DropAccount(ctx context.Context, account string) error {
	return h.do(ctx, "drop-account", params{"account": account})
}

func tableParams(t platformtest.Table) params {
	if t.Rows == nil {
		t.Rows = [][]string{}
	}
	return params{"table": t.Name, "columns": t.Columns, "rows": t.Rows}
}

// CreateTable implements platformtest.Harness.
func (h *harness) CreateTable(ctx context.Context, t platformtest.Table) error {
	return h.do(ctx, "table", tableParams(t))
}

// CreateWithheld implements platformtest.Withholder.
func (h *harness) CreateWithheld(ctx context.Context, t platformtest.Table) error {
	return h.do(ctx, "withheld-table", tableParams(t))
}

// DropTable implements platformtest.Harness.
func (h *harness) DropTable(ctx context.Context, name string) error {
	return h.do(ctx, "drop-table", params{"table": name})
}

// HideTable implements platformtest.Hider.
func (h *harness) HideTable(ctx context.Context, table string) error {
	return h.do(ctx, "hide-table", params{"table": table})
}

// ShowTable implements platformtest.Hider.
func (h *harness) ShowTable(ctx context.Context, table string) error {
	return h.do(ctx, "show-table", params{"table": table})
}

// LockTable implements platformtest.Locker.
func (h *harness) LockTable(ctx context.Context, table string) error {
	return h.do(ctx, "lock-table", params{"table": table})
}

// UnlockTable implements platformtest.Locker.
func (h *harness) UnlockTable(ctx context.Context, table string) error {
	return h.do(ctx, "unlock-table", params{"table": table})
}

// RenameTable implements platformtest.TableRenamer.
func (h *harness) RenameTable(ctx context.Context, from, to string) error {
	return h.do(ctx, "rename-table", params{"table": from, "to": to})
}

// AddColumn implements platformtest.ColumnAdder.
func (h *harness) AddColumn(ctx context.Context, table, column, value string) error {
	return h.do(ctx, "add-column", params{"table": table, "column": column, "value": value})
}

// DropColumn implements platformtest.ColumnDropper.
func (h *harness) DropColumn(ctx context.Context, table, column string) error {
	return h.do(ctx, "drop-column", params{"table": table, "column": column})
}

// GrantByHand implements platformtest.Harness.
func (h *harness) GrantByHand(ctx context.Context, account, table string) error {
	return h.do(ctx, "grant-by-hand", params{"account": account, "table": table})
}

// RevokeByHand implements platformtest.Harness.
func (h *harness) RevokeByHand(ctx context.Context, account, role string) error {
	return h.do(ctx, "revoke-by-hand", params{"account": account, "role": role})
}

// AddByHand implements platformtest.MemberAdder.
func (h *harness) AddByHand(ctx context.Context, account, role string) error {
	return h.do(ctx, "add-by-hand", params{"account": account, "role": role})
}

// TakeRoleName implements platformtest.RoleTaker.
func (h *harness) TakeRoleName(ctx context.Context, role string) error {
	return h.do(ctx, "take-role", params{"role": role})
}

// Select implements platformtest.Harness.
func (h *harness) Select(ctx context.Context, account, address string, columns ...string) ([][]string, error) {
	return h.rows(ctx, "select", params{"account": account, "address": address, "columns": columns})
}

// SelectWhere implements platformtest.Filterer.
func (h *harness) SelectWhere(ctx context.Context, account, address, column, value string, columns ...string) ([][]string, error) {
	return h.rows(ctx, "select-where", params{
		"account": account, "address": address, "columns": columns, "column": column, "value": value,
	})
}

// Insert implements platformtest.Harness.
func (h *harness) Insert(ctx context.Context, account, address string, columns, values []string) error {
	return h.do(ctx, "insert", params{"account": account, "address": address, "columns": columns, "values": values})
}

// Update implements platformtest.Changer.
func (h *harness) Update(ctx context.Context, account, address, key, keyValue, column, value string) error {
	return h.do(ctx, "update", params{
		"account": account, "address": address, "key": key, "keyValue": keyValue, "column": column, "value": value,
	})
}

// Delete implements platformtest.Changer.
func (h *harness) Delete(ctx context.Context, account, address, key, keyValue string) error {
	return h.do(ctx, "delete", params{"account": account, "address": address, "key": key, "keyValue": keyValue})
}

// BaseAddress implements platformtest.Harness.
func (h *harness) BaseAddress(table string) string {
	if known, ok := h.bases.Load(table); ok {
		return known.(string)
	}
	var out struct {
		Address string `json:"address"`
	}
	if err := h.kit.session.Call(context.Background(), "test/base-address", params{"table": table}, &out); err != nil {
		return ""
	}
	h.bases.Store(table, out.Address)
	return out.Address
}

// CanName implements platformtest.Namer.
func (h *harness) CanName(kind, name string) bool {
	return h.yes("can-name", params{"kind": kind, "name": name})
}

// TellsApart implements platformtest.Distinguisher.
func (h *harness) TellsApart(kind, a, b string) bool {
	return h.yes("tells-apart", params{"kind": kind, "a": a, "b": b})
}

// Denied implements platformtest.Harness.
func (h *harness) Denied(err error) bool {
	var pe *platform.Error
	return errors.As(err, &pe) && pe.Code == denied
}
