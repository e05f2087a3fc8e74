package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/platform/postgres"
	"github.com/assent-dev/assent/engine/platform/sandbox"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/signature"
	"github.com/assent-dev/assent/examples"
)

// demoWorld is the place where the demo happens: the repository of
// examples/quickstart with keys made now, and a platform with data in it.
type demoWorld struct {
	*workspace
	repoDir string
	keyDir  string
	keys    map[string]signature.Signer // by person
	people  consumers
	clock   time.Time
	request string
	pull    string // id of its pull request
}

// consumers are the people who ask the platform, and its owner.
type consumers interface {
	// query asks as an account. denied is true where the platform refused.
	query(ctx context.Context, account, sql string) (rows [][]string, denied bool, err error)
	close() error
}

// demoDays is for how long the demo's steward approves.
const demoDays = 30

func newDemoWorld(ctx context.Context, dir string, o demoOptions) (*demoWorld, error) {
	w := &demoWorld{
		repoDir: filepath.Join(dir, "governance.git"), keyDir: filepath.Join(dir, "keys"), keys: map[string]signature.Signer{},
		// The story ends at the present, so that what is left behind is over.
		clock: time.Now().UTC().AddDate(0, 0, -demoDays).Add(-time.Hour).Truncate(time.Second),
	}
	if !o.at.IsZero() {
		w.clock = o.at.UTC().Truncate(time.Second)
	}
	files, err := w.governanceFiles()
	if err != nil {
		return nil, err
	}
	state := filepath.Join(w.repoDir, "assent")
	switch o.platform {
	case "sandbox":
		w.people, err = newSandboxPeople(ctx, filepath.Join(state, "sandbox", "warehouse.db"))
	case "postgres":
		var p *postgresPeople
		if p, err = newPostgresPeople(ctx, o.server); err == nil {
			w.people = p
			files["connections/warehouse.yaml"], err = p.connection(files["connections/warehouse.yaml"], dir)
		}
	case "mysql":
		var p *mysqlPeople
		if p, err = newMySQLPeople(ctx); err == nil {
			// Its own events end access too, by a clock that nobody moves: this
			// story begins at the present.
			w.people, files, w.clock = p, p.files(files), time.Now().UTC().Truncate(time.Second)
			files["connections/warehouse.yaml"], err = p.connection(files["connections/warehouse.yaml"], dir)
		}
	default:
		return nil, usageErrorf("choose sandbox, postgres or mysql", "no platform %q in the demo", o.platform)
	}
	if err == nil && o.forge == forgeGitHubFake {
		onGitHub(files)
	}
	if err == nil {
		err = w.found(ctx, state, files)
	}
	if err == nil && o.forge == forgeGitHubFake {
		err = w.pushToGitHub(ctx, dir)
	}
	if err != nil && w.people != nil {
		err = errors.Join(err, w.people.close())
	}
	return w, err
}

func (w *demoWorld) found(ctx context.Context, state string, files map[string][]byte) error {
	db, err := gitdb.Init(w.repoDir, "main", true)
	if err != nil {
		return err
	}
	r, problems, err := repo.Decode("assent.yaml", "", files["assent.yaml"])
	if err != nil || problems.HasErrors() {
		return fmt.Errorf("read assent.yaml: %v %w", problems, err)
	}
	settings, ok := r.(*resource.Repository)
	if !ok {
		return errors.New("read assent.yaml: not a repository")
	}
	who := gitdb.Person{Name: "omar", Email: "omar@example.com", When: w.clock}
	if err := foundRepository(ctx, db, state, settings.Spec.ID, files, who); err != nil {
		return err
	}
	w.workspace, err = openWorkspace(ctx, w.repoDir, state, w.time)
	return err
}

// time is the demo's clock, or GitHub's where that is ahead of it.
func (w *demoWorld) time() time.Time {
	if w.workspace != nil && w.hub != nil {
		w.hub.Wait(w.clock)
		return w.hub.Now()
	}
	return w.clock
}

// governanceFiles are those of examples/quickstart, with every person's key
// replaced by one made now.
func (w *demoWorld) governanceFiles() (map[string][]byte, error) {
	root, err := examples.Quickstart()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "README.md" {
			return err
		}
		raw, err := fs.ReadFile(root, name)
		if err == nil && strings.HasPrefix(name, "directory/users/") {
			raw, err = w.newKey(name, raw)
		}
		files[name] = raw
		return err
	})
	return files, err
}

func (w *demoWorld) newKey(file string, raw []byte) ([]byte, error) {
	r, problems, err := repo.Decode(file, "", raw)
	if err != nil || problems.HasErrors() {
		return nil, fmt.Errorf("read %s: %v %w", file, problems, err)
	}
	user, ok := r.(*resource.User)
	if !ok || len(user.Spec.Forge.SSH) == 0 {
		return raw, nil
	}
	key, pem, err := signature.Generate(user.Spec.Email)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(w.keyDir, 0o700); err != nil {
		return nil, fmt.Errorf("keep keys: %w", err)
	}
	if err := os.WriteFile(filepath.Join(w.keyDir, user.Metadata.Name), pem, 0o600); err != nil {
		return nil, fmt.Errorf("keep keys: %w", err)
	}
	w.keys[user.Metadata.Name] = key
	return bytes.Replace(raw, []byte(user.Spec.Forge.SSH[0]), []byte(key.Public().String()+" "+user.Spec.Email), 1), nil
}

// demoTable is a table of the demo's data.
type demoTable struct {
	path    []string
	columns [][2]string // name, type
	rows    [][]string
}

// demoTables are the tables that examples/quickstart describes.
func demoTables() []demoTable {
	return []demoTable{
		{[]string{"shop", "public", "customers"}, [][2]string{{"id", "integer"}, {"name", "text"}, {"email", "text"}, {"phone", "text"}, {"country", "text"}}, [][]string{
			{"1", "Mara Voss", "mara.voss@example.com", "+49 30 5550101", "DE"},
			{"2", "Jonas Lind", "jonas.lind@example.com", "+46 8 5550102", "SE"},
		}},
		{[]string{"shop", "public", "orders"}, [][2]string{{"id", "integer"}, {"customer_id", "integer"}, {"amount", "numeric"}, {"ordered_at", "timestamp"}}, [][]string{
			{"10", "1", "129.90", "2026-09-30 10:00:00"}, {"11", "2", "18.00", "2026-10-02 17:30:00"},
		}},
		{[]string{"shop", "public", "opportunities"}, [][2]string{{"id", "integer"}, {"customer_id", "integer"}, {"stage", "text"}, {"value", "numeric"}}, [][]string{
			{"7", "1", "open", "5000"},
		}},
		{[]string{"shop", "people", "salaries"}, [][2]string{{"employee_id", "integer"}, {"name", "text"}, {"national_id", "text"}, {"salary", "numeric"}}, [][]string{
			{"1", "Kim Tanaka", "000-00-0001", "70000"},
		}},
	}
}

func demoAccounts() []string { return []string{"ana", "ben", "kim", "lea", "omar", "raj"} }

type sandboxPeople struct{ s *sandbox.Sandbox }

func newSandboxPeople(ctx context.Context, file string) (*sandboxPeople, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make sandbox: %w", err)
	}
	s, err := sandbox.Open(ctx, sandbox.Config{Connection: "warehouse", Path: file})
	if err != nil {
		return nil, err
	}
	for _, a := range demoAccounts() {
		if err := s.CreateAccount(ctx, a); err != nil {
			return nil, err
		}
	}
	for _, t := range demoTables() {
		var columns []resource.Column
		for _, c := range t.columns {
			columns = append(columns, resource.Column{Name: c[0], Type: c[1]})
		}
		if err := s.CreateTable(ctx, t.path, columns, t.rows); err != nil {
			return nil, err
		}
	}
	return &sandboxPeople{s}, nil
}

func (p *sandboxPeople) query(ctx context.Context, account, sql string) ([][]string, bool, error) {
	r, err := p.s.Query(ctx, account, sql)
	return r.Rows, errors.Is(err, sandbox.ErrDenied), err
}

func (p *sandboxPeople) close() error { return p.s.Close() }

type postgresPeople struct {
	private  *postgres.Private // nil where a server was given
	admin    *postgres.Admin
	password string // of the engine's role
}

const demoEngineRole = "assent_engine"

func newPostgresPeople(ctx context.Context, server string) (*postgresPeople, error) {
	p := &postgresPeople{}
	if server == "" {
		private, err := postgres.StartPrivate(ctx, "")
		if err != nil {
			return nil, err
		}
		p.private, server = private, private.AdminDSN("")
	}
	p.admin = postgres.NewAdmin(server)
	if err := p.fill(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *postgresPeople) fill(ctx context.Context) error {
	if err := p.admin.CreateDatabase(ctx, "shop"); err != nil {
		return err
	}
	var sql strings.Builder
	sql.WriteString("CREATE SCHEMA people;\n")
	for _, t := range demoTables() {
		writeTable(&sql, t.path[1]+"."+t.path[2], t)
	}
	if err := p.admin.Exec(ctx, sql.String()); err != nil {
		return fmt.Errorf("make the demo's tables: %w", err)
	}
	for _, a := range demoAccounts() {
		if err := p.admin.CreateLogin(ctx, a); err != nil {
			return err
		}
	}
	var err error
	p.password, err = p.admin.CreateEngine(ctx, demoEngineRole, "shop", "public", "people")
	return err
}

// writeTable writes the statements that make a table and fill it.
func writeTable(sql *strings.Builder, name string, t demoTable) {
	var columns, rows []string
	for _, c := range t.columns {
		columns = append(columns, c[0]+" "+c[1])
	}
	for _, r := range t.rows {
		rows = append(rows, "('"+strings.Join(r, "', '")+"')")
	}
	fmt.Fprintf(sql, "CREATE TABLE %s (%s);\nINSERT INTO %s VALUES %s;\n", name, strings.Join(columns, ", "), name, strings.Join(rows, ", "))
}

func (p *postgresPeople) connection(raw []byte, dir string) ([]byte, error) {
	host, port, database, err := p.admin.Where()
	if err != nil {
		return nil, err
	}
	return demoConnection(raw, dir, "postgres", "a PostgreSQL database", p.password, resource.Endpoint{Host: host, Port: port, Database: database, TLS: "disable"})
}

// demoConnection points the example's connection at a server; its credential is
// a file that only its owner can read.
func demoConnection(raw []byte, dir, kind, what, password string, endpoint resource.Endpoint) ([]byte, error) {
	r, problems, err := repo.Decode("connections/warehouse.yaml", "", raw)
	if err != nil || problems.HasErrors() {
		return nil, fmt.Errorf("read the example's connection: %v %w", problems, err)
	}
	c, ok := r.(*resource.Connection)
	if !ok {
		return nil, errors.New("read the example's connection: not a connection")
	}
	secret := filepath.Join(dir, "warehouse.credential")
	if err := os.WriteFile(secret, []byte(demoEngineRole+":"+password+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write credential: %w", err)
	}
	c.Metadata.Description = "The warehouse, " + what + "."
	c.Spec.Platform, c.Spec.CredentialsFrom, c.Spec.Endpoint = kind, "file://"+secret, endpoint
	return repo.Encode(c)
}

func (p *postgresPeople) query(ctx context.Context, account, sql string) ([][]string, bool, error) {
	rows, err := p.admin.Query(ctx, account, sql)
	return rows, postgres.Denied(err), err
}

func (p *postgresPeople) close() error {
	if p.private == nil {
		return nil
	}
	return p.private.Stop()
}
