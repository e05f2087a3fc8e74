package mysql

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/plan"
)

// The goal of speed: table grants of ten roles against raw statements that
// name ten roles each, in turn, as medians. `make bench-platforms` runs it.
func TestBenchPlatforms(t *testing.T) {
	if os.Getenv("ASSENT_BENCH") == "" {
		t.Skip("make bench-platforms runs it")
	}
	const roles, limit = 10, 1.3
	tables := 1000
	if n, err := strconv.Atoi(os.Getenv("ASSENT_BENCH_DECLARATIONS")); err == nil {
		tables = n / roles
	}
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("ASSENT_BENCH_ROUNDS")); err == nil {
		rounds = n
	}
	var ours, raw []time.Duration
	for range rounds {
		f := newFixture(t)
		var names, grants []string
		for j := range roles {
			names = append(names, fmt.Sprintf("raw_%d", j))
		}
		for i := range tables {
			f.must(fmt.Sprintf("CREATE TABLE shop.t%d (id int, name varchar(20))", i))
			grants = append(grants, fmt.Sprintf("GRANT SELECT (id, name) ON shop.t%d TO %s", i, strings.Join(names, ", ")))
		}
		f.must("CREATE ROLE " + strings.Join(names, ", "))
		start := time.Now()
		f.must(strings.Join(grants, ";\n"))
		raw = append(raw, time.Since(start))
		f.must("DROP ROLE " + strings.Join(names, ", "))
		var batch []plan.Change
		for j := range roles {
			var objects []grant.Object
			for i := range tables {
				objects = append(objects, f.object(fmt.Sprintf("t%d", i), seen("id"), seen("name")))
			}
			slices.SortFunc(objects, grant.Object.Compare)
			batch = append(batch, provision(f.role(fmt.Sprintf("p%d", j), objects...)))
		}
		start = time.Now()
		f.ok(batch...)
		ours = append(ours, time.Since(start))
	}
	slices.Sort(ours)
	slices.Sort(raw)
	a, b := ours[len(ours)/2], raw[len(raw)/2]
	verdict := "ok"
	if float64(a) > limit*float64(b) {
		verdict = "MISSED"
		t.Fail()
	}
	t.Logf("%s: %d table grants: %v / %v = %.2fx <= %.1fx against raw statements of ten roles each, median of %d",
		verdict, roles*tables, a, b, float64(a)/float64(b), limit, rounds)
}
