package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
	"github.com/assent-dev/assent/engine/ledger"
	edge "github.com/assent-dev/assent/engine/server"
)

// agreed has a request asked for and approved on a world where webhooks arrive,
// and measures from the last approval.
func (w *serveWorld) agreed(s *served) (merged, granted time.Duration) {
	w.t.Helper()
	n := w.asksFor()
	s.within(time.Minute, "the engine says something", func() bool { return w.published(n) })
	if w.reads() {
		w.t.Fatal("Ana reads before anybody agreed")
	}
	time.Sleep(4 * time.Second) // nobody reviews within the second
	w.approve("kim", n)
	w.approve("lea", n)
	merged = s.within(40*time.Second, "it is merged", w.merged)
	return merged, merged + s.within(2*time.Minute, "Ana reads", w.reads)
}

func TestServeDecidesSoonAfterAWebhook(t *testing.T) {
	w := newServeWorld(t, time.Now().Add(-time.Minute))
	s := w.serve(w.repoDir, w.env(), "--sweep", "10m", "--full-sweep", "10m")
	w.hub.Hook(s.url+hookPath, hookSecret)
	merged, granted := w.agreed(s)
	t.Logf("merged after %v, granted after %v", merged, granted)
	// The engine's own time: GitHub answers at once here.
	const most = 2 * time.Second
	if merged > most || granted > 3*most {
		t.Errorf("merged %v after the last approval, and should be within %v; granted after %v", merged, most, granted)
	}
	if got := w.records(ledger.TypeDetermination); got != 1 {
		t.Errorf("%d determinations", got)
	}
	if code, body := s.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	_, figures := s.get("/metrics")
	for _, want := range []string{
		`assent_webhook_deliveries_total{event="pull_request",result="queued"}`, `assent_webhook_deliveries_total{event="pull_request_review",result="queued"}`,
		`assent_evaluations_total{outcome="temporarily-approved",trigger="`, `assent_rounds_total{result="ok"}`, "assent_queue_depth ", "assent_queue_up 1",
		`assent_forge_api_calls_total{endpoint="/repos/{owner}/{repo}/pulls/{n}",method="GET",status="200"}`, "assent_last_full_sweep_age_seconds",
		"assent_late_revocations_seconds 0", "assent_webhook_signature_failures_total 0", "assent_panics_total 0", "assent_forge_rate_budget_remaining",
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if t.Failed() {
		t.Log(figures)
	}
	s.stop()
	if log := s.log(); strings.Contains(log, hookSecret) || strings.Contains(log, demoToken("engine")) {
		t.Error("a secret is in the log")
	}
}

func TestServeDecidesWithoutAnyWebhook(t *testing.T) {
	const most, deciding = 90 * time.Second, 30 * time.Second
	if edge.DefaultInterval+deciding > most {
		t.Errorf("a sweep comes every %v: with every webhook lost a decision may take more than %v", edge.DefaultInterval, most)
	}
	w := newServeWorld(t, time.Now().Add(-time.Minute))
	s := w.serve(w.repoDir, w.env(), "--sweep", "1s", "--full-sweep", "10m")
	w.hub.Hook(s.url+hookPath, hookSecret)
	w.hub.Astray(githubtest.HookFaults{Lose: true})
	merged, granted := w.agreed(s)
	t.Logf("merged after %v, granted after %v", merged, granted)
	told := s.within(deciding, "the comment says that it is applied", func() bool {
		shown := w.hub.Published(1, "assent-engine")
		return len(shown) > 0 && strings.Contains(shown[len(shown)-1], "✅ **applied**")
	})
	t.Logf("told after %v", told)
	_, figures := s.get("/metrics")
	if found := regexp.MustCompile(`(?m)^assent_sweep_findings_total (\d+)`).FindStringSubmatch(figures); found == nil || found[1] == "0" {
		t.Errorf("sweeps found %v", found)
	}
	s.stop()
}

// Webhooks that are doubled, shuffled, forged, too large or of another repository
// change nothing but how soon; and the queue's file may go at any time.
func TestServeHoldsWhateverIsSent(t *testing.T) {
	w := newServeWorld(t, time.Now().Add(-time.Minute))
	s := w.serve(w.repoDir, w.env(), "--sweep", "2s")
	w.hub.Hook(s.url+hookPath, hookSecret)
	w.hub.Astray(githubtest.HookFaults{Double: true, Shuffle: true})
	const ours = `{"action":"opened","repository":{"id":4711},"pull_request":{"number":1}}`
	for name, c := range map[string]struct {
		body, secret string
		want         int
	}{
		"forged": {ours, strings.Repeat("x", 40), http.StatusUnauthorized}, "unsigned": {ours, "", http.StatusUnauthorized},
		"too large":     {ours + strings.Repeat(" ", edge.MaxPayload), hookSecret, http.StatusRequestEntityTooLarge},
		"of another":    {strings.Replace(ours, "4711", "1", 1), hookSecret, http.StatusAccepted},
		"of no number":  {`{"repository":{"id":4711}}`, hookSecret, http.StatusBadRequest},
		"of number 999": {strings.Replace(ours, `:1}}`, `:999}}`, 1), hookSecret, http.StatusAccepted},
	} {
		if got := s.send("pull_request", name, c.body, c.secret); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	files, err := filepath.Glob(w.path("queue.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no queue: %v %v", files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	w.agreed(s)
	if got := w.records(ledger.TypeDetermination); got != 1 {
		t.Errorf("%d determinations", got)
	}
	if got := w.hub.Comments(1); got != 1 {
		t.Errorf("%d comments", got)
	}
	s.stop()
	w.serve(w.repoDir, w.env()).stop() // the queue is made anew
}

// send posts a webhook and gives the status of the answer.
func (s *served) send(event, id, body, secret string) int {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.url+hookPath, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", event)
	req.Header.Set("X-GitHub-Delivery", strings.ReplaceAll(id, " ", "-"))
	if secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// What was missed while nothing ran is sent again after the start, and found by
// the sweep all the same.
func TestServeCatchesUpAfterItWasDown(t *testing.T) {
	w := newServeWorld(t, time.Now().Add(-time.Minute))
	s := w.serve(w.repoDir, w.env(), "--sweep", "10m", "--full-sweep", "10m")
	at := strings.TrimPrefix(s.url, "http://")
	w.hub.Hook(s.url+hookPath, hookSecret)
	s.kill()
	n := w.asksFor()
	for end := time.Now().Add(10 * time.Second); w.hub.Sent()[0] == 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if w.hub.Sent()[0] == 0 {
		t.Fatal("no webhook was missed")
	}
	s = w.serve(w.repoDir, w.env(), "--sweep", "10m", "--full-sweep", "10m", "--listen", at)
	s.within(time.Minute, "it says something", func() bool { return w.published(n) })
	s.within(time.Minute, "webhooks are sent again", func() bool { return w.hub.Sent()[http.StatusAccepted] > 0 })
	if log := s.log(); !strings.Contains(log, "missed webhooks are sent again") {
		t.Errorf("the log does not tell of it:\n%s", log)
	}
	s.stop()
}

// Killed at any moment and started again, it comes to the same end: one record,
// one comment, and Ana reads.
func TestKilledServeConverges(t *testing.T) {
	const kills = 6
	w := newServeWorld(t, time.Now().Add(-time.Minute))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	n := w.asksFor()
	for i := range kills {
		s := w.serve(w.repoDir, w.env(), "--sweep", "1s")
		if i == kills/2 {
			w.approve("kim", n)
			w.approve("lea", n)
		}
		time.Sleep(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
		s.kill()
	}
	s := w.serve(w.repoDir, w.env(), "--sweep", "1s")
	s.within(2*time.Minute, "it has said something", func() bool { return w.published(n) })
	time.Sleep(4 * time.Second)
	if !w.merged() { // a review before the head was first seen does not count, and is given again
		w.approve("kim", n)
		w.approve("lea", n)
	}
	s.within(40*time.Second, "it is merged", w.merged)
	s.within(2*time.Minute, "Ana reads", w.reads)
	if got := w.records(ledger.TypeDetermination); got != 1 {
		t.Errorf("%d determinations", got)
	}
	if got := w.hub.Comments(n); got != 1 {
		t.Errorf("%d comments", got)
	}
	s.stop()
}

// An expiry comes to the second, however much is queued.
func TestServeEndsAccessOnTimeWhateverIsQueued(t *testing.T) {
	const left = 25 * time.Second
	ends := time.Now().Add(left).Truncate(time.Second)
	w := newServeWorld(t, ends.AddDate(0, 0, -demoDays).Add(-time.Minute))
	n := w.asksFor()
	if _, err := w.determineAll(t.Context()); err != nil { // it sees the head
		t.Fatal(err)
	}
	if got, err := w.demoScript.review(t.Context(), "kim", "", "fine"); err != nil || got != "counts" {
		t.Fatalf("kim: %s %v", got, err)
	}
	if got, err := w.demoScript.review(t.Context(), "lea", demoDuration(), "fine"); err != nil || got != "counts" {
		t.Fatalf("lea: %s %v", got, err)
	}
	w.hub.Wait(ends.AddDate(0, 0, -demoDays))
	results, err := w.determineAll(t.Context())
	if err != nil || results[0].Merged == "" {
		t.Fatalf("%+v %v", results, err)
	}
	until := results[0].Judgement.Determinations[0].Until
	s := w.serve(w.repoDir, w.env(), "--sweep", "1s", "--workers", "2")
	s.within(time.Until(until), "Ana reads", w.reads)
	sent := 0
	for time.Now().Before(until.Add(-time.Second)) {
		body := fmt.Sprintf(`{"action":"edited","repository":{"id":4711},"pull_request":{"number":%d}}`, 1000+sent)
		if got := s.send("pull_request", fmt.Sprint("junk-", sent), body, hookSecret); got != http.StatusAccepted {
			t.Fatalf("junk %d: %d", sent, got)
		}
		sent++
	}
	if !w.reads() {
		t.Error("Ana does not read before the end")
	}
	_, figures := s.get("/metrics")
	depth := regexp.MustCompile(`(?m)^assent_queue_depth \S+`).FindString(figures)
	s.within(time.Minute, "Ana does not read", func() bool { return !w.reads() })
	late := time.Since(until)
	t.Logf("%d webhooks of junk, %s, pull request %d: ended %v after its end", sent, depth, n, late)
	if most := 3 * time.Second; late > most {
		t.Errorf("access ended %v late", late)
	}
	// It was merged before the server started, and nobody asks about it.
	s.within(time.Minute, "the comment says that it expired", func() bool {
		shown := w.hub.Published(n, "assent-engine")
		return strings.Contains(shown[len(shown)-1], "⚪ **expired**")
	})
	s.stop()
}

// Two processes share nothing but the repository on GitHub: each has its own
// clone, its own key, and none of what the other needs.
func TestServeInTwoRoles(t *testing.T) {
	w := newServeWorld(t, time.Now().Add(-time.Minute))
	dirD, envD := w.clone("determining")
	dirR, envR := w.clone("reconciling")
	// What the other role has would be refused if it were read: the keys are open
	// to others, the secret is too short.
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("no key"), 0o644); err != nil {
		t.Fatal(err)
	}
	envD = append(envD, "ASSENT_RECONCILING_KEY="+wrong, "ASSENT_WEBHOOK_SECRET=env://HOOK", "HOOK="+hookSecret)
	envR = append(envR, "ASSENT_DETERMINING_KEY="+wrong, "ASSENT_WEBHOOK_SECRET=env://HOOK", "HOOK=short")
	if err := os.MkdirAll(filepath.Join(dirR, "assent", "sandbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	// The platform is one that only the reconciling role reaches.
	if err := os.Symlink(w.path("sandbox", "warehouse.db"), filepath.Join(dirR, "assent", "sandbox", "warehouse.db")); err != nil {
		t.Fatal(err)
	}
	d := w.serve(dirD, envD, "--role", "determine", "--sweep", "1s")
	r := w.serve(dirR, envR, "--role", "reconcile")
	w.hub.Hook(d.url+hookPath, hookSecret)
	merged, granted := w.agreed(d)
	t.Logf("merged after %v, granted after %v", merged, granted)
	if _, err := os.Stat(filepath.Join(dirD, "assent", "sandbox")); err == nil {
		t.Error("the determining role opened the platform")
	}
	if got := r.send("pull_request", "d", "{}", "short"); got != http.StatusNotFound {
		t.Errorf("the reconciling role answers webhooks: %d", got)
	}
	for name, s := range map[string]*served{"determine": d, "reconcile": r} {
		s.within(time.Minute, name+" is ready", func() bool { code, _ := s.get("/readyz"); return code == http.StatusOK })
		s.stop()
	}
	// The wrong key alone is not enough.
	out, err := (&commandOf{w, dirD, append(envD, "ASSENT_DETERMINING_KEY="+wrong)}).run("serve", "--role", "determine")
	if err == nil || !strings.Contains(out, "determining key") {
		t.Errorf("with a wrong key of its own: %v\n%s", err, out)
	}
}

// On the local forge nothing sends webhooks: what moves is seen.
func TestServeOnTheLocalForge(t *testing.T) {
	w := newServeWorldOn(t, "local", time.Now().Add(-time.Minute))
	s := w.serve(w.repoDir, append(inherited(), "HOME="+t.TempDir()), "--sweep", "10m", "--full-sweep", "10m")
	if err := w.asks(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.within(time.Minute, "it is looked at", func() bool { return strings.Contains(s.log(), `"waits"`) })
	for _, who := range []string{"kim", "lea"} {
		if got, err := w.demoScript.review(t.Context(), who, demoDuration(), "fine"); err != nil || got != "counts" {
			t.Fatalf("%s: %s %v", who, got, err)
		}
	}
	took := s.within(time.Minute, "Ana reads", w.reads)
	t.Logf("granted after %v", took)
	if most := 5 * time.Second; took > most {
		t.Errorf("it took %v from the last review to the access, more than %v", took, most)
	}
	if code, body := s.get("/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if got := s.send("pull_request", "d", "{}", hookSecret); got != http.StatusNotFound {
		t.Errorf("webhooks are answered: %d", got)
	}
	s.stop()
}

func TestServeRefusesToStart(t *testing.T) {
	w := newServeWorld(t, time.Now())
	for name, c := range map[string]struct {
		env  []string
		args []string
		want string
	}{
		"without a secret":       {[]string{"ASSENT_WEBHOOK_SECRET="}, nil, "there is no webhook secret"},
		"with a short secret":    {[]string{"HOOK=only-this-much"}, nil, "at least 32"},
		"with the secret itself": {[]string{"ASSENT_WEBHOOK_SECRET=" + hookSecret}, nil, "refer to the secret"},
		"with a short old one":   {[]string{"ASSENT_WEBHOOK_SECRET_OLD=env://OLD", "OLD=short"}, nil, "at least 32"},
		"with an unknown role":   {nil, []string{"--role", "both"}, "no role"},
		"with a foreign queue":   {nil, []string{"--queue", filepath.Join(w.repoDir, "HEAD")}, "queue"},
		"on a bad address":       {nil, []string{"--listen", "256.0.0.1:1"}, "listen"},
	} {
		out, err := (&commandOf{w, w.repoDir, append(w.env(), c.env...)}).run(append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args...)...)
		if err == nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if strings.Contains(out, hookSecret) || strings.Contains(out, "only-this-much") {
			t.Errorf("%s: it tells the secret\n%s", name, out)
		}
	}
}

// commandOf runs the program with an environment of its own.
type commandOf struct {
	w   *serveWorld
	dir string
	env []string
}

func (c *commandOf) run(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd := newCommand(c.w.t.Context(), self, append([]string{"-C", c.dir}, args...), c.env)
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}
