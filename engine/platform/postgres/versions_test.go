package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// majors are the versions of PostgreSQL that the engine is held to.
var majors = []int{15, 16, 17, 18}

// started are the servers of versions other than that of the shared server.
var started = map[int]*Private{}

func others() []*Private {
	var out []*Private
	for _, n := range keys(started) {
		out = append(out, started[n])
	}
	return out
}

// eachVersion runs a test on every version of PostgreSQL that is here: those in
// the folders of ASSENT_PG_BINDIRS, and what StartPrivate finds. In CI none of
// them may be missing. Each has one server for all tests.
func eachVersion(t *testing.T, run func(t *testing.T, s *Private)) {
	t.Helper()
	for _, n := range majors {
		t.Run(fmt.Sprintf("pg%d", n), func(t *testing.T) { run(t, versionServer(t, n)) })
	}
}

func versionServer(t *testing.T, n int) *Private {
	t.Helper()
	if server != nil && serverMajor(t, server) == n {
		return server
	}
	if s := started[n]; s != nil {
		return s
	}
	bin := binariesOf(t)[n]
	if bin == "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("PostgreSQL %d is missing: `make postgres`, or name its folder in ASSENT_PG_BINDIRS", n)
		}
		t.Skipf("PostgreSQL %d is not here: `make postgres`, or name its folder in ASSENT_PG_BINDIRS", n)
	}
	o := PrivateOptions{Bin: bin}
	if n >= 16 {
		o.Settings = map[string]string{"scram_iterations": "1"} // a login costs less
	}
	s, err := StartPrivateWith(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	started[n] = s
	if got := serverMajor(t, s); got != n {
		t.Fatalf("%s runs version %d, not %d", bin, got, n)
	}
	return s
}

func serverMajor(t *testing.T, s *Private) int {
	t.Helper()
	var num int
	if err := dial(t, s.AdminDSN("")).QueryRow(t.Context(), `SELECT current_setting('server_version_num')::int / 10000`).Scan(&num); err != nil {
		t.Fatal(err)
	}
	return num
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) ([0-9]+)`)

// binariesOf are the folders with initdb and postgres, by major version.
func binariesOf(t *testing.T) map[int]string {
	t.Helper()
	dirs := filepath.SplitList(os.Getenv("ASSENT_PG_BINDIRS"))
	if found, err := findBinaries(t.Context()); err == nil {
		dirs = append(dirs, found)
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	out := map[int]string{}
	for _, dir := range slices.Concat(dirs, debian) {
		if !hasBinaries(dir) {
			t.Errorf("ASSENT_PG_BINDIRS: %s holds no initdb and postgres", dir)
			continue
		}
		line, err := exec.CommandContext(t.Context(), filepath.Join(dir, "postgres"), "--version").Output()
		m := versionLine.FindSubmatch(line)
		if err != nil || m == nil {
			t.Errorf("%s says no version: %v %q", dir, err, line)
			continue
		}
		n, _ := strconv.Atoi(string(m[1]))
		if out[n] == "" {
			out[n] = dir
		}
	}
	return out
}
