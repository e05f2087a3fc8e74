package reconcile

import (
	"context"

	"github.com/assent-dev/assent/engine/platform"
)

// selfAudit is what a platform finds wrong with the engine's own account there,
// nothing for a platform that does not judge it.
func selfAudit(ctx context.Context, p platform.Platform) ([]platform.Finding, error) {
	a, ok := p.(platform.SelfAuditor)
	if !ok {
		return nil, nil
	}
	return a.SelfAudit(ctx)
}

// refuseAccount makes a target with an account that must not write there one
// that cannot be read: it gets nothing, and due expiries go on.
func (t *target) refuseAccount() {
	if t.err == nil {
		t.err = platform.Refusal(t.connection.Ref().Name, t.account)
	}
}
