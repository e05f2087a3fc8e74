package determine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/assent-dev/assent/engine/policy"
	"github.com/assent-dev/assent/engine/review"
)

// Traced is a determination with every rule that had a part in it.
type Traced struct {
	review.Determination
	Rules []policy.Fired `json:"rules"`
}

// Trace judges the facts again and tells for each determination which rules
// fired. One that never came to the rules has none.
func (j *Judge) Trace(ctx context.Context, facts review.Facts) ([]Traced, error) {
	judged, err := j.Judge(ctx, facts)
	if err != nil {
		return nil, err
	}
	engine, err := j.engine(ctx, judged.Base.Policies)
	if err != nil {
		return nil, fmt.Errorf("trace %s: %w", facts.PullRequest, err)
	}
	var out []Traced
	for _, d := range judged.Determinations {
		t := Traced{Determination: d, Rules: []policy.Fired{}}
		if d.Input != nil {
			input, err := plain(d.Input)
			if err != nil {
				return nil, fmt.Errorf("trace %s: %w", facts.PullRequest, err)
			}
			if _, t.Rules, err = engine.Trace(ctx, input, d.DecidedAt); err != nil {
				return nil, fmt.Errorf("trace %s: %w", facts.PullRequest, err)
			}
		}
		out = append(out, t)
	}
	return out, nil
}

func plain(raw json.RawMessage) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	err := dec.Decode(&out)
	return out, err
}
