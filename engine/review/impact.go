package review

import (
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// Impact is which past determinations a change of governance would have made
// come out otherwise.
type Impact struct {
	Checked     int                `json:"checked"`
	Differences []ImpactDifference `json:"differences"`
	Err         string             `json:"error,omitempty"` // why it is not known
}

// ImpactDifference is one of them.
type ImpactDifference struct {
	Request     resource.Name `json:"request"`
	PullRequest string        `json:"pullRequest"`
	Record      uint64        `json:"record"`
	Old         Outcome       `json:"old"`
	New         Outcome       `json:"new"`
	OldUntil    time.Time     `json:"oldUntil,omitzero"`
	NewUntil    time.Time     `json:"newUntil,omitzero"`
	OldReason   string        `json:"oldReason"`
	NewReason   string        `json:"newReason"`
	// OnMain says that it comes out like this on main as it is, too: the change
	// is not why.
	OnMain bool `json:"onMain,omitempty"`
}

// Caused are the differences that the change itself makes.
func (i Impact) Caused() []ImpactDifference {
	var out []ImpactDifference
	for _, d := range i.Differences {
		if !d.OnMain {
			out = append(out, d)
		}
	}
	return out
}
