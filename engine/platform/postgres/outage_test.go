package postgres

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
	"github.com/assent-dev/assent/engine/platform"
)

// wire is a connection to the server that can be cut at a COMMIT.
type wire struct {
	port    int
	commits atomic.Int64 // that were seen
	cutAt   atomic.Int64 // the one to cut at; zero for none
	heard   bool         // the server hears the COMMIT, and its answer is lost
}

// newWire listens on loopback and passes on to a server until the test ends.
func newWire(t *testing.T, to int, heard bool) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	w := &wire{port: l.Addr().(*net.TCPAddr).Port, heard: heard}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to)))
			if err != nil {
				_ = client.Close()
				continue
			}
			go w.pass(client, server)
		}
	}()
	return w
}

func (w *wire) pass(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	var deaf atomic.Bool
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		defer client.Close()
		buf := make([]byte, 1<<16)
		for {
			n, err := server.Read(buf)
			if err != nil || deaf.Load() {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit")) && w.commits.Add(1) == w.cutAt.Load() {
			if w.heard {
				deaf.Store(true)
				_, _ = server.Write(buf[:n])
				<-answered
			}
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// The line that breaks at a COMMIT, whether the server heard it or not: the
// round says that nothing is known to be done, and the next one finds out what
// is so and comes to the same end.
func TestLineThatBreaksAtCommit(t *testing.T) {
	for _, heard := range []bool{false, true} {
		name := "before the server hears it"
		if heard {
			name = "before its answer comes"
		}
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "bob")
			clear, masked := f.clearRole(), f.maskedRole()
			batch := []plan.Change{revoke(clear, "ann"), provision(masked), allow(masked, "ann"), allow(masked, "bob")}
			w := newWire(t, f.server.Port(), heard)
			direct := f.engine
			for at := int64(1); ; at++ {
				f.ok(provision(clear), allow(clear, "ann"), retire(masked))
				f.engine = strings.Replace(direct, ":"+strconv.Itoa(f.server.Port())+"/", ":"+strconv.Itoa(w.port)+"/", 1)
				f.reopen()
				w.commits.Store(0)
				w.cutAt.Store(at)
				out, err := f.try(t.Context(), batch...)
				cut := w.commits.Load() >= at
				w.cutAt.Store(0)
				if cut {
					if platform.CodeOf(err) != platform.Unreachable {
						t.Fatalf("cut at commit %d: %v", at, err)
					}
					for _, o := range out {
						if o.Status == platform.Applied || o.Status == platform.Done {
							t.Errorf("cut at commit %d: %s says %s", at, o.Change.Action, o.Status)
						}
					}
				} else if err != nil {
					t.Fatal(err)
				}
				f.engine = direct
				f.reopen()
				f.ok(batch...)
				if d := f.diff([]*grant.Role{clear, masked}, []*grant.Grant{member(masked, "ann"), member(masked, "bob")}); d != "" {
					t.Fatalf("cut at commit %d (-want +got):\n%s", at, d)
				}
				f.refused("ann", "shop.people", "id")
				if !cut {
					if at < 3 {
						t.Errorf("only %d commits were cut", at-1)
					}
					return
				}
			}
		})
	}
}

// Somebody who ends the engine's session, or takes its rights, in the middle of
// a batch: the round fails with the reason, and the next one converges.
func TestEngineThatIsDisturbed(t *testing.T) {
	for _, c := range []struct {
		name, disturb, undo string
		code                platform.Code // of the whole; empty where only changes fail
	}{
		{"its session is ended", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'assent' AND datname = current_database()`, ``, platform.Unreachable},
		{"it may make no roles any more", `ALTER ROLE engine%s NOCREATEROLE`, `ALTER ROLE engine%s CREATEROLE`, ""},
		{"it may make no schemas any more", `REVOKE CREATE ON DATABASE db%s FROM engine%s`, `GRANT CREATE ON DATABASE db%s TO engine%s`, ""},
		{"it may open nothing any more", `REVOKE ALL ON shop.people FROM engine%s CASCADE`, `GRANT SELECT ON shop.people TO engine%s WITH GRANT OPTION`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.people("ann", "bob")
			clear, masked := f.clearRole(), f.maskedRole()
			f.ok(provision(clear), allow(clear, "ann"))
			n := strings.NewReplacer("%s", f.db[2:])
			ran := f.meanwhile(f.admin, "CREATE ROLE", n.Replace(c.disturb))
			batch := []plan.Change{revoke(clear, "ann"), provision(masked), allow(masked, "bob")}
			out, err := f.try(t.Context(), batch...)
			f.p.before = nil
			if !*ran {
				t.Fatal("nothing was disturbed")
			}
			if c.code != "" && platform.CodeOf(err) != c.code || c.code == "" && err != nil {
				t.Errorf("whole: %v", err)
			}
			if c.code == "" && (out[1].Status != platform.Failed || out[1].Code != platform.NoRight || out[1].Detail == "") {
				t.Errorf("provision: %+v", out[1])
			}
			f.refused("ann", "shop.people", "id")
			if c.undo != "" {
				mustExec(t, f.admin, n.Replace(c.undo))
			}
			f.reopen()
			f.ok(append(batch, provision(clear))...)
			if d := f.diff([]*grant.Role{clear, masked}, []*grant.Grant{member(masked, "bob")}); d != "" {
				t.Error(d)
			}
		})
	}
}

// A server of the test's own that is restarted in the middle of a batch, then
// restored from a backup, then run as a standby.
//
// Restarted: the round fails, the next one converges. Restored: the ledger
// position that the server holds is older than the engine's, which freezes
// nothing; what was revoked since is open again until the next round, which
// sees it. A standby can be read; nothing is done there, and it is said why.
func TestServerThatIsRestartedRestoredAndStandby(t *testing.T) {
	newPlace(t) // skips where there is no server
	s, err := StartPrivate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	f := newFixtureOn(t, s)
	f.people("ann", "bob")
	clear, masked := f.clearRole(), f.maskedRole()
	restart := func() {
		t.Helper()
		if err := s.server.Restart(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	// again reconnects whoever had a connection.
	again := func() {
		t.Helper()
		f.admin, f.owner = dial(t, s.AdminDSN(f.db)), dial(t, s.DSN("owner"+f.db[2:], "owner", f.db))
		f.reopen()
	}
	f.ok(provision(clear), allow(clear, "ann"))

	ran := false
	f.p.before = func(_ context.Context, sql string) error {
		if !ran && strings.HasPrefix(sql, "CREATE SCHEMA") {
			ran = true
			restart()
		}
		return nil
	}
	batch := []plan.Change{provision(masked), allow(masked, "bob")}
	if _, err := f.try(t.Context(), batch...); platform.CodeOf(err) != platform.Unreachable || !ran {
		t.Fatalf("restarted: %v", err)
	}
	again()
	f.ok(batch...)

	s.server.Halt()
	backup := s.server.Path("backup")
	copied := func(from, to string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", `rm -rf "$2" && cp -a "$1" "$2"`, "sh", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	copied(s.server.Path("data"), backup)
	restart()
	again()
	before := f.observe().Mark
	f.ok(revoke(clear, "ann"))
	s.server.Halt()
	copied(backup, s.server.Path("data"))
	restart()
	again()
	st := f.observe()
	if d := cmp.Diff(before, st.Mark); d != "" || len(st.Ours.Grants) != 2 {
		t.Errorf("restored: %v\n%s", st.Ours.Grants, d)
	}
	f.ok(revoke(clear, "ann"))
	f.refused("ann", "shop.people", "id")

	s.server.Halt()
	if err := s.server.WriteFile("data/standby.signal", nil); err != nil {
		t.Fatal(err)
	}
	restart()
	f.reopen()
	if n := len(f.observe().Ours.Grants); n != 1 {
		t.Errorf("standby: %d grants", n)
	}
	if got := strings.Join(f.audit(f.p), " "); got != "standby" {
		t.Errorf("standby: found %q", got)
	}
	out, err := f.try(t.Context(), revoke(masked, "bob"))
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Code != platform.NoRight || !strings.Contains(pe.Hint, "primary") {
		t.Errorf("standby: %v, %v", statuses(out), err)
	}
	s.server.Halt()
	if out, err := exec.CommandContext(t.Context(), "rm", s.server.Path("data/standby.signal")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	restart()
	again()
	f.ok(revoke(masked, "bob"))
}

// Two engines: the second waits for the first, then says that it is busy; it
// never writes beside it.
func TestSecondEngineWaits(t *testing.T) {
	f := newFixture(t)
	f.people("ann")
	f.ok(provision(f.clearRole()))
	other := dial(t, f.engine)
	mustExec(t, other, `SELECT pg_advisory_lock(`+strconv.Itoa(lockKey)+`)`)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	out, err := f.try(ctx, allow(f.clearRole(), "ann"))
	if err == nil || out[0].Status != platform.Failed {
		t.Errorf("%v, %v", statuses(out), err)
	}
	f.refused("ann", "shop.people", "id")
	mustExec(t, other, `SELECT pg_advisory_unlock_all()`)
	f.reopen()
	f.ok(allow(f.clearRole(), "ann"))
}
