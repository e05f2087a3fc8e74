package loop_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge/github/githubtest"
)

// maybe is what the oracle knows of something that a fault may have stopped.
type maybe int

const (
	no maybe = iota
	perhaps
	yes
)

// opinion is a review as it really was.
type opinion struct {
	id       int64
	approves bool
	head     string // that the steward looked at
	turn     int    // of the head, when it was submitted
	proven   maybe  // whether the engine had put its status on the head by then
	sighted  maybe  // whether the engine has seen it
	void     maybe  // dismissed, or edited after it was seen
	forgot   bool   // it may have to be given again, because the memory was lost
}

// play is one pull request, with the truth about it. It knows nothing of how the
// engine finds out.
type play struct {
	*hub
	rng    *rand.Rand
	name   string
	n      int
	head   string
	heads  []string
	turn   int   // how often the head or its base has changed
	proven maybe // whether the engine has put its status on the head since the last change
	said   []*opinion
	raj    bool // raj denied it
	lost   *maybe
	trace  []string
	fault  githubtest.Faults
	over   bool

	granted []string
	mute    bool // a review that nobody but GitHub has seen names an old commit
}

func (p *play) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

// changed is what a push means for the truth.
func (p *play) changed(head string) {
	p.head, p.turn, p.proven = head, p.turn+1, no
	p.heads = append(p.heads, head)
}

var durations = []string{"7d", "14d", "30d", "60d", "90d"}

func (p *play) push() {
	d, force := durations[p.rng.IntN(len(durations))], p.rng.IntN(2) == 0
	files := p.files(p.name, pipeline, d)
	files["requests/"+pipeline+"/"+p.name+".yaml"] += "# " + strconv.Itoa(p.turn) + "\n"
	must(p.t, p.Push("ana", p.n, files, force))
	head, err := p.Head(p.n)
	must(p.t, err)
	p.changed(head)
	p.note("push %s %.7s force %v reanchor %v", d, head, force, p.fault.Reanchor)
}

// back puts an earlier head there, without force where that goes.
func (p *play) back() {
	head := p.heads[p.rng.IntN(len(p.heads))]
	if head == p.head {
		return
	}
	how := "forward"
	if p.Advance("ana", p.n, head) != nil {
		how = "by force"
		must(p.t, p.PutBack("ana", p.n, head))
	}
	p.changed(head)
	p.note("back to %.7s %s reanchor %v", head, how, p.fault.Reanchor)
}

// elsewhere lets the engine see a commit as the head of another pull request.
func (p *play) elsewhere() {
	files := p.files(p.name, pipeline, "90d")
	files[requestFile(p.name, pipeline)] += "# elsewhere " + strconv.Itoa(p.turn) + "\n"
	head, err := p.Stack(p.head, files)
	must(p.t, err)
	other, err := p.OpenAt("ana", p.name+"-"+strconv.Itoa(p.turn)+"-"+strconv.Itoa(len(p.trace)), "another", head)
	must(p.t, err)
	_, _ = p.det.One(p.t.Context(), strconv.Itoa(other))
	must(p.t, p.Shut("ana", other))
	p.heads = append(p.heads, head)
	p.note("elsewhere %.7s", head)
}

func (p *play) approve() {
	named := ""
	head := p.head
	if p.rng.IntN(4) == 0 { // her page is an old one
		head = p.heads[p.rng.IntN(len(p.heads))]
		named = head
	}
	id, err := p.Review("kim", p.n, "APPROVE", "fine", named)
	must(p.t, err)
	p.mute = p.mute || head != p.head
	p.said = append(p.said, &opinion{id: id, approves: true, head: head, turn: p.turn, proven: p.proven})
	p.note("kim approves %.7s", head)
}

func (p *play) deny() {
	if p.rng.IntN(3) > 0 {
		return // rarely, because it ends everything
	}
	p.raj = true
	p.says(p.n, "raj", "REQUEST_CHANGES", "no")
	p.note("raj denies")
}

func (p *play) some() *opinion {
	if len(p.said) == 0 {
		return nil
	}
	return p.said[p.rng.IntN(len(p.said))]
}

func (p *play) dismiss() {
	if o := p.some(); o != nil && o.void != yes && p.rng.IntN(2) == 0 {
		must(p.t, p.Dismiss("omar", p.n, o.id))
		o.void = yes
		p.note("review %d dismissed", o.id)
	}
}

func (p *play) edit() {
	if o := p.some(); o != nil && p.rng.IntN(2) == 0 {
		p.EditReview(p.n, o.id, "fine "+strconv.Itoa(len(p.trace)))
		o.void = max(o.void, o.sighted)
		p.note("review %d edited", o.id)
	}
}

// moves is GitHub's own doing. A review that the engine has not seen yet could
// have named anything, so that would prove nothing about the engine.
func (p *play) moves() {
	if !p.mute {
		p.Move(p.n)
		p.note("moved")
	}
}

func (p *play) forget() {
	must(p.t, p.PutRef("refs/assent/seen", "", ""))
	*p.lost = yes
	p.note("memory lost")
}

func (p *play) retarget() {
	must(p.t, p.Retarget("ana", p.n, "playground"))
	must(p.t, p.Retarget("ana", p.n, "main"))
	p.changed(p.head)
	p.note("retargeted there and back")
}

// faults changes how GitHub misbehaves.
func (p *play) faults() {
	p.fault = githubtest.Faults{Reanchor: p.rng.IntN(3) > 0, NoActivity: p.rng.IntN(2) == 0}
	if p.rng.IntN(3) == 0 {
		p.fault.PageSize = 2
	}
	if p.rng.IntN(3) == 0 {
		code, in := []int{500, 403, 429, 404}[p.rng.IntN(4)], uint64(3+p.rng.IntN(9))
		var count atomic.Uint64
		p.fault.Fail = func(*http.Request) int {
			if count.Add(1)%in == 0 {
				return code
			}
			return 0
		}
	}
	p.Misbehave(p.fault)
	p.note("faults %v, pages of %d, activity hidden %v", p.fault.Fail != nil, p.fault.PageSize, p.fault.NoActivity)
}

// may says whether the pull request may be granted now, and whether it has to be.
func (p *play) may() (may, must bool) {
	if p.raj || len(p.said) == 0 {
		return false, false
	}
	o := p.said[len(p.said)-1] // her newest opinion
	may = o.head == p.head && o.turn == p.turn && o.proven != no && o.void != yes
	return may, may && o.proven == yes && o.void == no && *p.lost == no && !o.forgot
}

// look lets the engine determine, and compares what it did with the truth.
func (p *play) look(counts *tally) {
	if p.rng.IntN(4) == 0 {
		p.start()
	}
	may, must := p.may()
	r, err := p.det.One(p.t.Context(), strconv.Itoa(p.n))
	got := len(r.Records) > 0 && r.Judgement.Outcome.Grants()
	p.note("look: %s %v, granted %v, may %v must %v", r.Judgement.Outcome, err, got, may, must)
	switch {
	case got && !may:
		p.fail("granted, and nobody approved it")
	case err != nil && p.fault.Fail == nil:
		p.fail("%v", err)
	case !got && must && err == nil:
		var why []string
		for _, d := range r.Judgement.Determinations {
			for _, v := range d.Reviews {
				why = append(why, v.ID+" "+v.Why)
			}
		}
		p.fail("approved as it should be, and not granted: %s: %q", r.Judgement.Reason, why)
	case got:
		counts.granted.Add(1)
		p.granted = append(p.granted, p.name)
	case may:
		counts.held.Add(1)
	default:
		counts.refused.Add(1)
	}
	p.over = p.over || got || p.raj && err == nil
	known := yes
	if err != nil {
		known = perhaps
	}
	p.proven = max(p.proven, known)
	for _, o := range p.said {
		o.forgot = o.forgot || *p.lost != no
		o.sighted = max(o.sighted, known)
	}
	if err == nil {
		*p.lost = no
	} else if *p.lost == yes {
		*p.lost = perhaps
	}
	p.mute = p.mute && err != nil
}

func (p *play) fail(format string, args ...any) {
	p.t.Errorf(p.name+": "+format+"\n  "+strings.Join(p.trace, "\n  "), args...)
	p.over = true
}

type tally struct{ granted, refused, held atomic.Int64 }

func (p *play) run(counts *tally) {
	steps := []func(){p.push, p.push, p.back, p.back, p.approve, p.approve, p.approve, p.deny, p.dismiss, p.edit, p.moves, p.forget, p.retarget, p.elsewhere, p.faults, p.faults}
	for range 14 {
		if p.over {
			return
		}
		if p.rng.IntN(5) < 2 {
			p.look(counts)
			continue
		}
		steps[p.rng.IntN(len(steps))]()
	}
	p.Misbehave(githubtest.Faults{})
	p.fault = githubtest.Faults{}
	for range 2 {
		if !p.over {
			p.look(counts)
		}
	}
}

// TestInterleavingsGrantWhatWasApprovedOnly plays pushes, approvals, re-anchoring
// and faults in random order, and asks an oracle that knows what people really
// looked at. It fails both ways.
func TestInterleavingsGrantWhatWasApprovedOnly(t *testing.T) {
	shards, each := uint64(4), 50
	if testing.Short() {
		each = 5
	}
	var counts tally
	seed := rand.Uint64()
	if again := os.Getenv("ASSENT_TEST_SEED"); again != "" {
		var err error
		seed, err = strconv.ParseUint(again, 10, 64)
		must(t, err)
	}
	t.Run("shards", func(t *testing.T) {
		for shard := range shards {
			t.Run(strconv.FormatUint(shard, 10), func(t *testing.T) {
				t.Parallel()
				h := newHub(t)
				h.skew = time.Duration(int(shard%3)-1) * 90 * time.Second
				lost := yes // it has not begun
				var granted []string
				rng := rand.New(rand.NewPCG(seed, shard))
				for i := range each {
					name := fmt.Sprintf("r%d", i)
					n := h.asks(name, pipeline, "30d")
					head, err := h.Head(n)
					must(t, err)
					p := &play{hub: h, rng: rng, name: name, n: n, head: head, heads: []string{head}, lost: &lost}
					p.run(&counts)
					granted = append(granted, p.granted...)
					h.Misbehave(githubtest.Faults{})
					must(t, h.Shut("omar", n)) // what is left open is asked of by those that come
				}
				h.admitted(granted...)
			})
		}
	})
	all := int64(shards) * int64(each)
	t.Logf("%d interleavings: %d grants, %d looks that had to grant nothing, %d that might have", all, counts.granted.Load(), counts.refused.Load(), counts.held.Load())
	if t.Failed() {
		t.Logf("play it again with ASSENT_TEST_SEED=%d", seed)
	}
	if counts.granted.Load() < all/10 || counts.refused.Load() < all {
		t.Errorf("too little happened to mean anything: %d granted, %d refused", counts.granted.Load(), counts.refused.Load())
	}
}
