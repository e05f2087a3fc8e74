package connectortest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assent-dev/assent/engine/platform/connector"
	"github.com/assent-dev/assent/engine/platform/platformtest"
)

// example is the connector of examples/connector.
func example(t *testing.T) connector.Config {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the example connector needs python3: ", err)
	}
	path, err := filepath.Abs("../../../../examples/connector/shelf")
	if err != nil {
		t.Fatal(err)
	}
	return connector.Config{Connection: "shelf", Path: path, Dir: t.TempDir()}
}

// The example passes the suite that the built-in platforms pass, through the
// protocol alone.
func TestTheExampleKeepsTheContract(t *testing.T) {
	cfg := example(t)
	kit, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kit.Close(); err != nil {
			t.Error(err)
		}
	})
	platformtest.Run(t, func(t *testing.T) platformtest.Harness { return kit.Place(t.Context(), t) })
}

func TestAConnectorSaysWhatItCannotPlay(t *testing.T) {
	h := &harness{kit: &Kit{session: new(connector.Session)}}
	if h.Offers("Changer") || h.Offers("Mortal") {
		t.Error("offers what no connector announced")
	}
	for name, methods := range offers() {
		if len(methods) == 0 || slices.Contains(required(), methods[0]) {
			t.Errorf("%s: %v", name, methods)
		}
	}
}
