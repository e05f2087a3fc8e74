package postgres

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A peer grants what a load declares with a tool of its own.
type peer struct {
	name string
	// absent says why it cannot be run here.
	absent string
	// by which we have to be faster, in applying and in finding nothing to do
	times, planTimes float64
	// run applies everything. Where it extrapolates from a part, note says so.
	run  func(l *load) (took time.Duration, note string, err error)
	plan func(l *load) (took time.Duration, note string, err error)
}

// peers compares a load of ours, already measured, with the tools that are here.
// Where they give less than our roles usually do, wide is what we need for that,
// and told beside it.
func (b *bench) peers(l *load, ours measured, wide *measured, peers ...peer) {
	n := l.schemas * loadRoles
	for _, p := range peers {
		what := fmt.Sprintf("%d declarations", n)
		if p.absent != "" {
			b.add(benchRow{what: what, against: p.name, absent: p.absent})
			continue
		}
		l.reset()
		for _, step := range []struct {
			what  string
			of    func(measured) time.Duration
			times float64
			run   func(l *load) (time.Duration, string, error)
		}{
			{"apply of ", func(m measured) time.Duration { return m.apply }, p.times, p.run},
			{"no-op of ", func(m measured) time.Duration { return m.noop }, p.planTimes, p.plan},
		} {
			took, note, err := step.run(l)
			l.given = true
			if err != nil {
				b.add(benchRow{what: step.what + what, against: p.name, absent: "it failed: " + err.Error()})
				break
			}
			if wide != nil {
				note += fmt.Sprintf("; as many items; with four columns a table, four times as many, %.0fx", float64(took)/float64(step.of(*wide)))
			}
			b.add(benchRow{what: step.what + what, against: p.name, ours: step.of(ours), theirs: took, limit: -step.times, cost: note})
		}
	}
}

// binary is a peer's program: the one that the variable names.
func binary(variable string) (path, absent string) {
	path = os.Getenv(variable)
	if path == "" {
		return "", variable + " names no binary"
	}
	return path, ""
}

// tool runs a program as the engine's account; the error has its last words.
func (l *load) tool(dir, name string, args ...string) (time.Duration, error) {
	l.t.Helper()
	u, err := url.Parse(l.engine)
	if err != nil {
		return 0, err
	}
	password, _ := u.User.Password()
	cmd := exec.CommandContext(l.t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGDATABASE="+l.db, "PGUSER="+u.User.Username(),
		"PGPASSWORD="+password, "PGSSLMODE=disable", "ANSIBLE_PIPELINING=1", "ANSIBLE_NOCOLOR=1", "ANSIBLE_LOCALHOST_WARNING=false", "LC_ALL=C.UTF-8")
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		out = bytes.TrimSpace(out)
		return took, fmt.Errorf("%w: %s", err, out[max(0, len(out)-300):])
	}
	return took, nil
}

func (l *load) file(name, text string) string {
	l.t.Helper()
	dir := l.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return dir
}

func rawRoles() []string {
	var out []string
	for j := range loadRoles {
		out = append(out, rawRole(j))
	}
	return out
}

// ansible calls community.postgresql.postgresql_privs once for each schema, with
// its ten roles and ten tables. It knows no privileges on columns, so it grants
// whole tables. Pipelining spares it files on the way. A few calls are run, the rest is
// reckoned from what one more call costs.
func ansible() peer {
	p := peer{name: "Ansible, 10 roles a call", times: 100, planTimes: 100}
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		p.absent = "no ansible-playbook on PATH (Debian: ansible, python3-psycopg2)"
		return p
	}
	if err := exec.Command(python, "-c", "import psycopg2").Run(); err != nil {
		p.absent = python + " has no psycopg2 (Debian: python3-psycopg2)"
		return p
	}
	const few, more = 1, 13
	run := func(l *load) (time.Duration, string, error) {
		start, err := l.playbook(0, few)
		if err != nil {
			return 0, "", err
		}
		longer, err := l.playbook(few, few+more)
		if err != nil {
			return 0, "", err
		}
		each := (longer - start) / (more - few)
		return start + each*time.Duration(l.schemas-few), fmt.Sprintf("reckoned from %d of %d calls, %s each", few+more, l.schemas, each.Round(time.Millisecond)), nil
	}
	p.run, p.plan = run, run
	return p
}

// python is the system's own, for which Debian packages modules.
const python = "/usr/bin/python3"

func (l *load) playbook(from, to int) (time.Duration, error) {
	l.t.Helper()
	u, err := url.Parse(l.engine)
	if err != nil {
		return 0, err
	}
	password, _ := u.User.Password()
	var b strings.Builder
	b.WriteString("- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n")
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "  - community.postgresql.postgresql_privs:\n      login_host: %s\n      port: %s\n      login_user: %s\n      login_password: %s\n"+
			"      database: %s\n      schema: %s\n      type: table\n      objs: t0,t1,t2,t3,t4,t5,t6,t7,t8,t9\n      privs: SELECT\n      roles: %s\n",
			u.Hostname(), u.Port(), u.User.Username(), password, l.db, loadSchema(i), strings.Join(rawRoles(), ","))
	}
	dir := l.file("play.yml", b.String())
	return l.tool(dir, "ansible-playbook", "-i", "localhost,", "-e", "ansible_python_interpreter="+python, "play.yml")
}

// ldap2pg grants per schema. This was written from its documentation and has
// not been run here.
func ldap2pg() peer {
	p := peer{name: "ldap2pg (glue never run)", times: 40, planTimes: 2}
	var bin string
	if bin, p.absent = binary("ASSENT_BENCH_LDAP2PG"); p.absent != "" {
		return p
	}
	run := func(l *load) (time.Duration, string, error) {
		var schemas []string
		for i := range l.schemas {
			schemas = append(schemas, loadSchema(i))
		}
		dir := l.file("ldap2pg.yml", fmt.Sprintf(`version: 6
postgres:
  databases_query: [%[1]s]
  schemas_query: [%[2]s]
  managed_roles_query: [%[3]s]
privileges:
  ro:
  - type: USAGE
    on: SCHEMA
  - type: SELECT
    on: ALL TABLES IN SCHEMA
rules:
- roles: [%[3]s]
- grants:
  - privilege: ro
    databases: [%[1]s]
    schemas: [%[2]s]
    roles: [%[3]s]
`, l.db, strings.Join(schemas, ", "), strings.Join(rawRoles(), ", ")))
		took, err := l.tool(dir, bin, "--config", "ldap2pg.yml", "--real")
		return took, "", err
	}
	p.run, p.plan = run, run
	return p
}

// terraform has one resource for each role and schema. The provider
// cyrilgdn/postgresql has to be where `terraform init` finds it. This was
// written from its documentation and has not been run here.
func terraform() peer {
	p := peer{name: "Terraform (glue never run)", times: 200, planTimes: 300}
	var bin string
	if bin, p.absent = binary("ASSENT_BENCH_TERRAFORM"); p.absent != "" {
		return p
	}
	dir := ""
	p.run = func(l *load) (time.Duration, string, error) {
		var b strings.Builder
		b.WriteString("terraform {\n  required_providers {\n    postgresql = { source = \"cyrilgdn/postgresql\" }\n  }\n}\n" +
			"provider \"postgresql\" {\n  superuser = false\n}\n")
		for i := range l.schemas {
			for _, r := range rawRoles() {
				fmt.Fprintf(&b, "resource \"postgresql_grant\" \"%[1]s_%[2]s\" {\n  database = %[3]q\n  schema = %[1]q\n  role = %[2]q\n"+
					"  object_type = \"table\"\n  privileges = [\"SELECT\"]\n}\n", loadSchema(i), r, l.db)
			}
		}
		dir = l.file("main.tf", b.String())
		if _, err := l.tool(dir, bin, "init", "-input=false"); err != nil {
			return 0, "", err
		}
		took, err := l.tool(dir, bin, "apply", "-auto-approve", "-input=false", "-parallelism=10")
		return took, "parallelism 10", err
	}
	p.plan = func(l *load) (time.Duration, string, error) {
		took, err := l.tool(dir, bin, "plan", "-input=false", "-parallelism=10")
		return took, "parallelism 10", err
	}
	return p
}

// pgbedrock refuses to run while any role of the cluster is missing from its
// file, so it needs a file of its own making first. This was written from its
// documentation and has not been run here.
func pgbedrock() peer {
	p := peer{name: "pgbedrock (glue never run)", times: 4, planTimes: 15}
	var bin string
	if bin, p.absent = binary("ASSENT_BENCH_PGBEDROCK"); p.absent != "" {
		return p
	}
	run := func(l *load) (time.Duration, string, error) {
		c := l.admin.Config()
		where := []string{"-h", c.Host, "-p", fmt.Sprint(c.Port), "-d", l.db, "-U", c.User, "-w", c.Password}
		out, err := exec.CommandContext(l.t.Context(), bin, append([]string{"generate"}, where...)...).Output()
		if err != nil {
			return 0, "", err
		}
		var b strings.Builder
		b.Write(out)
		for _, r := range rawRoles() {
			fmt.Fprintf(&b, "\n%s:\n  privileges:\n    schemas:\n      read:\n", r)
			for i := range l.schemas {
				fmt.Fprintf(&b, "        - %s\n", loadSchema(i))
			}
			b.WriteString("    tables:\n      read:\n")
			for i := range l.schemas {
				fmt.Fprintf(&b, "        - %s.*\n", loadSchema(i))
			}
		}
		dir := l.file("spec.yml", b.String())
		took, err := l.tool(dir, bin, append([]string{"configure", "spec.yml", "--live"}, where...)...)
		return took, "", err
	}
	p.run, p.plan = run, run
	return p
}
