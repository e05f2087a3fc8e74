package connector

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/platform"
)

// A copy of this test binary plays the connector: "fake" and a manner.
func TestMain(m *testing.M) {
	if n := len(os.Args); n > 2 && os.Args[n-2] == "fake" {
		play(os.Args[n-1])
		return
	}
	os.Exit(m.Run())
}

const (
	secret    = "engine:pa\"ss word"
	goodHello = `{"protocol":1,"name":"fake","version":"1","capabilities":{"masks":["null"],"accessLevels":["read"],"nativeExpiry":false,"endSessions":false},"offers":["effective","release"]}`
	goodState = `{"ours":{"roles":[],"grants":[]},"serverId":"s","mark":{"seq":0,"digest":""}}`
)

type fake struct {
	manner string
	out    *bufio.Writer
}

func (f *fake) say(format string, args ...any) {
	fmt.Fprintf(f.out, format+"\n", args...)
	_ = f.out.Flush()
}

func play(manner string) {
	f := &fake{manner, bufio.NewWriter(os.Stdout)}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, MaxAnswer)
	for in.Scan() {
		var q struct {
			ID     int64
			Method string
			Params json.RawMessage
		}
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		f.answer(q.ID, q.Method, q.Params)
	}
}

func (f *fake) answer(id int64, method string, params json.RawMessage) {
	on, what, _ := strings.Cut(f.manner, "=")
	if on == method || on == "hello" && method == "hello" {
		f.misbehave(id, what)
		return
	}
	switch method {
	case "hello":
		f.say(`{"id":%d,"result":%s}`, id, goodHello)
	case "observe":
		f.say(`{"id":%d,"result":%s}`, id, goodState)
	case "close":
		f.say(`{"id":%d,"result":{}}`, id)
	case "preview":
		text, _ := json.Marshal(string(params) + " " + secret)
		f.say(`{"id":%d,"result":{"statements":[{"text":%s}]}}`, id, text)
	default:
		f.say(`{"id":%d,"error":{"code":"unsupported","message":"no method %s"}}`, id, method)
	}
}

// misbehave answers in the way that is named; anything else is the answer itself.
func (f *fake) misbehave(id int64, what string) {
	switch what {
	case "hang":
		time.Sleep(time.Minute)
	case "orphan": // ends, and leaves a child that holds its output
		p, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
		if err != nil {
			panic(err)
		}
		_ = p.Release()
		os.Exit(1)
	case "die":
		fmt.Fprintln(os.Stderr, "out of memory")
		os.Exit(3)
	case "flood":
		for {
			if _, err := f.out.WriteString(strings.Repeat("x", 1<<16)); err != nil {
				os.Exit(0)
			}
		}
	case "chatter":
		for {
			fmt.Fprintln(os.Stderr, "still alive", secret)
			time.Sleep(time.Millisecond)
		}
	case "late":
		f.say(`{"id":%d,"result":%s}`, id-1, goodState)
	case "twice": // the second line would be taken for the next answer
		f.say(`{"id":%d,"result":%s}`, id, goodState)
		f.say(`{"id":%d,"result":%s}`, id, goodState)
	case "env":
		text, _ := json.Marshal(strings.Join(append(os.Environ(), os.Args...), "\n"))
		f.say(`{"id":%d,"error":{"code":"busy","message":%s}}`, id, text)
	default:
		f.say("%s", strings.ReplaceAll(what, "ID", fmt.Sprint(id)))
	}
}

// script is a connector that is this test binary, in a manner.
func script(t *testing.T, manner string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	file := filepath.Join(t.TempDir(), "fake")
	text := "#!/bin/sh\nexec " + quote(self) + " fake " + quote(manner) + "\n"
	// A child that another test starts meanwhile would hold the file open, and then
	// nobody may run it.
	syscall.ForkLock.RLock()
	err = os.WriteFile(file, []byte(text), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func config(t *testing.T, manner string) Config {
	t.Helper()
	limit := 4 * time.Second
	if strings.Contains(manner, "flood") {
		limit = time.Minute
	}
	return Config{
		Connection: "shop", Path: script(t, manner), Dir: t.TempDir(), Credential: secret, Limit: limit,
		Endpoint: Endpoint{Database: "d"},
	}
}

func open(t *testing.T, manner string) platform.Platform {
	t.Helper()
	p, err := Open(t.Context(), config(t, manner))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}
