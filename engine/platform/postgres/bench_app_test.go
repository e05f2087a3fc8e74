package postgres

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// appEnv makes the test binary the application of the benchmark: the DSN.
const appEnv = "ASSENT_BENCH_APP"

// application is a session of somebody else that joins three tables all the
// time: a process of its own, so that it waits for the server and not for the
// engine's garbage collector.
type application struct {
	l    *load
	in   io.WriteCloser
	out  *bufio.Scanner
	wait func() error
}

func (l *load) startApplication() *application {
	l.t.Helper()
	cmd := exec.CommandContext(l.t.Context(), os.Args[0], "-test.run", "^TestBenchApplication$")
	cmd.Env = append(os.Environ(), appEnv+"="+l.admin.Config().ConnString(), victimEnv+"=application")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	return &application{l, in, bufio.NewScanner(out), cmd.Wait}
}

// p99 is that of the time since it was last asked.
func (a *application) p99() time.Duration {
	a.l.t.Helper()
	if _, err := fmt.Fprintln(a.in); err != nil {
		a.l.t.Fatal(err)
	}
	if !a.out.Scan() {
		a.l.t.Fatal("the application ended: ", a.out.Err())
	}
	d, err := time.ParseDuration(a.out.Text())
	if err != nil {
		a.l.t.Fatal(err)
	}
	return d
}

func (a *application) stop() {
	_ = a.in.Close()
	_ = a.wait()
}

// TestBenchApplication is the application, in its own process. It answers each
// line with the p99 since the last one.
func TestBenchApplication(t *testing.T) {
	dsn := os.Getenv(appEnv)
	if dsn == "" {
		t.Skip("TestBenchPlatforms starts it")
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	asked := make(chan bool)
	go func() {
		defer close(asked)
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			asked <- true
		}
	}()
	sql := fmt.Sprintf("SELECT count(*) FROM %[1]s.t0 a JOIN %[1]s.t1 b USING (id) JOIN %[1]s.t2 c USING (id)", loadSchema(0))
	var took []time.Duration
	for {
		select {
		case _, more := <-asked:
			if !more {
				return
			}
			median(took) // sorts
			fmt.Fprintln(os.Stdout, took[len(took)*99/100])
			took = nil
		default:
		}
		start := time.Now()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
		time.Sleep(500 * time.Microsecond)
	}
}
