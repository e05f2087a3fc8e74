package forgetest

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/review"
)

// The interfaces below are what can happen on some forges and not on others. A
// harness has each of them, or its Cannot says why not.

// Retargeter is a forge that lets people change the base branch of a pull
// request.
type Retargeter interface {
	// Retarget makes another branch at the base branch's tip, and it the base.
	Retarget(ctx context.Context, by, id string) error
}

// Replacer is a forge that lets people put other commits in the place of those of
// a pull request by force.
type Replacer interface {
	// Replace leaves one commit with the files on the tip of the base branch.
	Replace(ctx context.Context, by, id string, files map[string]string) error
}

// Backdater is a forge where a commit may bear any date.
type Backdater interface {
	// PushDated is Push of a commit that says it was made at another time.
	PushDated(ctx context.Context, by, id string, files map[string]string, at time.Time) error
}

// Reanchorer is a forge that may make a review name another commit than the one
// that it was given for, or where somebody may.
type Reanchorer interface {
	// Reanchor makes the reviews of a pull request name its head.
	Reanchor(ctx context.Context, id string) error
}

// LateReviewer is a forge that takes reviews of a commit which is no longer the head.
type LateReviewer interface {
	ReviewOf(ctx context.Context, by, id, head string, verdict review.Verdict, body string) error
}

// Dismisser is a forge where somebody may take a review of somebody else away.
type Dismisser interface {
	// Dismiss takes away what a review says, with the rights of an administrator.
	Dismiss(ctx context.Context, by, id, review string) error
}

// Editor is a forge where the words of a review may be changed afterwards.
type Editor interface {
	EditReview(ctx context.Context, by, id, review, body string) error
}

// StatusForger is a forge where others than the engine may set its status.
type StatusForger interface {
	// ForgeStatus has somebody set the engine's status on the head to success.
	ForgeStatus(ctx context.Context, by, id string) error
	// Status is what people are shown as the engine's status on the head.
	Status(id string) string
}

// Renamer is a forge whose accounts have names that somebody else may take later.
type Renamer interface {
	// GiveAway renames somebody's account and has a stranger, who is called by
	// another name in what follows, take the name that is free then. It comes
	// before that person did anything.
	GiveAway(ctx context.Context, name, stranger string) error
}

// Laggard is a forge that may show what happened later than it happened.
type Laggard interface {
	// Lag makes what happens from now on show only after so many readings.
	Lag(reads int)
}

// Throttler is a forge that may refuse to answer because it was asked too much.
type Throttler interface{ Throttle(on bool) }

// Methodical is a forge that merges in several ways.
type Methodical interface {
	Methods() []string
	// ForgeBy is Forge with one of them.
	ForgeBy(method string) forge.Forge
}

// ability is one of the interfaces above.
type ability struct {
	name string
	has  func(Harness) bool
}

func of[T any]() *ability {
	return &ability{reflect.TypeFor[T]().Name(), func(h Harness) bool { _, ok := h.(T); return ok }}
}

// Whole holds a harness to playing each scenario of the contract, or to a
// sentence that says why it cannot happen on its forge. It runs nothing, so that
// the harness may be nil inside, and needs no forge.
func Whole(t *testing.T, h Harness) {
	t.Helper()
	left := h.Cannot()
	for _, a := range needed() {
		why, said := left[a.name]
		delete(left, a.name)
		const words = 4
		switch {
		case a.has(h) && said:
			t.Errorf("the forge has %s, and its harness says that it cannot happen: %s", a.name, why)
		case !a.has(h) && !said:
			t.Errorf("the harness has no %s and does not say why: %s are not played", a.name, strings.Join(a.scenarios(), ", "))
		case said && len(strings.Fields(why)) < words:
			t.Errorf("why there is no %s is not said: %q", a.name, why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("no scenario needs a %s", name)
	}
}

// needed are the abilities that scenarios ask for, each once.
func needed() []*ability {
	var out []*ability
	for _, s := range scenarios() {
		if s.needs != nil && !slices.ContainsFunc(out, func(a *ability) bool { return a.name == s.needs.name }) {
			out = append(out, s.needs)
		}
	}
	return out
}

// scenarios are the names of those that need an ability.
func (a *ability) scenarios() []string {
	var out []string
	for _, s := range scenarios() {
		if s.needs != nil && s.needs.name == a.name {
			out = append(out, s.name)
		}
	}
	return out
}
