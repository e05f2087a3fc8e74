package loop_test

import (
	"errors"
	"testing"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// state is how a request stands, as `assent status` tells it.
func (w *world) state(name resource.Name) audit.State {
	w.t.Helper()
	list, err := w.auditor().Requests(w.t.Context(), w.set(), w.tip(mainRef), w.clock)
	must(w.t, err)
	for _, s := range list {
		if s.Request == name {
			return s.State
		}
	}
	return audit.StatePending // neither decided nor on main
}

func (w *world) is(name resource.Name, want audit.State) {
	w.t.Helper()
	if got := w.state(name); got != want {
		w.t.Errorf("%s is %s, want %s", name, got, want)
	}
}

// A pending request is approved, denied or canceled; an approved one expires or
// is revoked, and these two are not the same.
func TestSemantic27_StatesOfARequestAndTheirCauses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.ask("denied", "ana", pipeline, "30d")
	w.ask("canceled", "ana", pipeline, "30d")
	w.is("denied", audit.StatePending)
	w.review("denied", "kim", review.Deny, "not for this")
	must(t, w.forge.Cancel(t.Context(), w.keys["ana"], "canceled", "found it elsewhere"))
	w.determine()
	w.is("denied", audit.StateDenied)
	w.is("canceled", audit.StateCanceled)

	w.granted("expires", "ana", pipeline, "30d")
	w.granted("ends", "ben", pipeline, "90d")
	w.settled()
	w.is("expires", audit.StateApproved)
	w.clock = w.clock.AddDate(0, 0, 30)
	w.propose("done", "ben", map[string][]byte{requestFile("ends", pipeline): nil})
	w.determine()
	w.settled()
	w.is("expires", audit.StateExpired)
	w.is("ends", audit.StateRevoked)
	w.want("ana", pipeline, false)
	w.want("ben", pipeline, false)
}

// Canceling is for pending requests only, revoking for approved ones only.
func TestSemantic28_CancelIsOfPendingAndRevokeOfApprovedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.granted("approved", "ana", pipeline, "30d")
	w.settled()
	if err := w.forge.Cancel(t.Context(), w.keys["ana"], "approved", "too late"); err == nil {
		t.Error("a request that is merged was canceled")
	}
	w.determine()
	w.is("approved", audit.StateApproved)
	w.want("ana", pipeline, true)

	w.ask("pending", "ben", pipeline, "30d")
	_, err := w.forge.Observe(t.Context(), "pending")
	must(t, err)
	if _, ok := resource.Get[*resource.AccessRequest](w.set(), resource.KindAccessRequest, "pending"); ok {
		t.Error("a pending request is on main, where it could be revoked")
	}
	if _, err := w.forge.Observe(t.Context(), "nothing"); !errors.Is(err, forge.ErrGone) {
		t.Errorf("a request that does not exist: %v", err)
	}
}
