package ledger_test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/assent-dev/assent/engine/ledger"
)

const benchRecords = 5000

func benchWorld(b *testing.B) *world {
	w := newWorld(b)
	for i := 0; i < benchRecords; i += 500 {
		var drafts []ledger.Draft
		for j := range 500 {
			drafts = append(drafts, determination(fmt.Sprintf("sales-%06d", i+j)))
		}
		w.append(w.determining, drafts...)
		w.now = w.now.AddDate(0, 1, 0)
	}
	if out, err := exec.Command("git", "-C", w.dir, "gc", "-q").CombinedOutput(); err != nil {
		b.Fatalf("git gc: %v: %s", err, out)
	}
	return w
}

// BenchmarkReplay verifies a packed ledger from nothing.
func BenchmarkReplay(b *testing.B) {
	w := benchWorld(b)
	for b.Loop() {
		if _, err := w.open().Head(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*benchRecords)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkFollow reads one more record of a ledger that was verified before.
func BenchmarkFollow(b *testing.B) {
	w := benchWorld(b)
	head, err := w.ledger.Head(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w.append(w.determining, determination("one-more"))
		for v, err := range w.ledger.Since(b.Context(), head.Seq) {
			if err != nil {
				b.Fatal(err)
			}
			head = ledger.Mark{Seq: v.Seq, Digest: v.Digest}
		}
	}
}
