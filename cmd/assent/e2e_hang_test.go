package main

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/gitdb"
)

// hangingServer takes every connection and never answers.
func hangingServer(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}

// A platform that takes connections and never answers delays no end on another,
// and grants there come as soon as ever.
func TestServeEndsAccessOnTimeWhileAPlatformHangs(t *testing.T) {
	const left = 25 * time.Second
	ends := time.Now().Add(left).Truncate(time.Second)
	w := newServeWorldOn(t, "local", ends.AddDate(0, 0, -demoDays))
	files := map[string][]byte{}
	for _, kind := range []string{"postgres", "mysql"} {
		host, port, _ := net.SplitHostPort(hangingServer(t))
		files["connections/hangs-"+kind+".yaml"] = []byte("apiVersion: assent.dev/v1\nkind: Connection\nmetadata:\n  name: hangs-" + kind + "\n  title: Hangs\n  description: Answers nobody.\n" +
			"spec:\n  platform: " + kind + "\n  endpoint: {host: " + host + ", port: " + port + ", database: shop, tls: disable}\n  credentialsFrom: env://" + strings.ToUpper(kind) + "\n  mode: enforce\n")
	}
	const main = "refs/heads/main"
	tip, err := w.db.Resolve(main)
	if err != nil {
		t.Fatal(err)
	}
	on, err := change.Draft{Title: "two more", Files: files, Author: gitdb.Person{Name: "G", Email: "g@example.com", When: time.Now()}}.Commit(w.db, tip)
	if err == nil {
		err = w.db.MoveRef(main, tip, on)
	}
	if err == nil {
		err = w.asks(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"kim", "lea"} {
		if got, err := w.demoScript.review(t.Context(), who, demoDuration(), "fine"); err != nil || got != "counts" {
			t.Fatalf("%s: %s %v", who, got, err)
		}
	}
	results, err := w.determineAll(t.Context())
	if err != nil || results[0].Merged == "" {
		t.Fatalf("%+v %v", results, err)
	}
	until := results[0].Judgement.Determinations[0].Until
	s := w.serve(w.repoDir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, "POSTGRES=u:p", "MYSQL=u:p"), "--sweep", "1s")
	took := s.within(time.Until(until), "Ana reads", w.reads)
	time.Sleep(time.Until(until.Add(-time.Second)))
	if !w.reads() {
		t.Error("Ana does not read before the end")
	}
	s.within(time.Minute, "Ana does not read", func() bool { return !w.reads() })
	late := time.Since(until)
	t.Logf("granted after %v, ended %v after its end", took, late)
	if most := 3 * time.Second; late > most || took > 10*time.Second {
		t.Errorf("access was granted after %v and ended %v late", took, late)
	}
	s.stop()
}
