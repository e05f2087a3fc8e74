package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// decision is the answer, as policies/quorum.rego gives it.
type decision struct {
	Outcome     Outcome         `json:"outcome"`
	Reason      string          `json:"reason"`
	Stages      []decisionStage `json:"stages"`
	Counted     []string        `json:"counted"`
	Until       string          `json:"until"`
	Missing     []decisionNeed  `json:"missing"`
	Constraints []string        `json:"constraints"`
	Asked       []decisionAsk   `json:"asked"` // the stages of a governance pull request; none for a request

	end time.Time // Until, read
}

type decisionStage struct {
	State   StageState       `json:"state"`
	Sources []decisionSource `json:"sources"`
}

type decisionAsk struct {
	Mode     string   `json:"mode"`
	Count    int      `json:"count"`
	Distinct bool     `json:"distinct"`
	Files    []string `json:"files"`
	Sources  []struct {
		Source string          `json:"source"`
		People []resource.Name `json:"people"`
		At     string          `json:"at"`
	} `json:"sources"`
}

type decisionSource struct {
	Answered []resource.Name `json:"answered"`
}

type decisionNeed struct {
	What   string `json:"what"`
	Stage  *int   `json:"stage,omitempty"`
	Source *int   `json:"source,omitempty"`
}

// readDecision decodes an answer strictly: exactly the known fields, spelt
// exactly so, one value. Decoding alone would take "OUTCOME" for "outcome".
func readDecision(raw json.RawMessage) (decision, json.RawMessage, error) {
	plain, err := decodePlain(raw)
	if err != nil {
		return decision{}, nil, err
	}
	object, ok := plain.(map[string]any)
	if !ok {
		return decision{}, nil, errors.New("decode: the answer is no object")
	}
	fields := []string{"outcome", "reason", "stages", "counted", "until", "missing", "constraints", "asked"}
	for _, f := range fields {
		if v, ok := object[f]; !ok || v == nil {
			return decision{}, nil, fmt.Errorf("decode: %s is missing", f)
		}
	}
	if len(object) != len(fields) {
		return decision{}, nil, errors.New("decode: the answer has unknown fields")
	}
	canon, err := json.Marshal(plain)
	if err != nil {
		return decision{}, nil, fmt.Errorf("encode: %w", err)
	}
	var d decision
	dec := json.NewDecoder(bytes.NewReader(canon))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return decision{}, nil, fmt.Errorf("decode: %w", err)
	}
	if d.Until != "" {
		if d.end, err = time.Parse(time.RFC3339, d.Until); err != nil || stamp(d.end) != d.Until {
			return decision{}, nil, fmt.Errorf("decode: until %q is no whole second in UTC", d.Until)
		}
	}
	return d, canon, nil
}

// check refuses an answer that no rule may give, whatever it says: it is the
// floor below the rules, and repeats none of them.
func (d decision) check(in inputDoc, stages []inputStage) error {
	if d.Reason == "" {
		return errors.New("check decision: it has no reason")
	}
	if err := d.checkAsked(in); err != nil {
		return err
	}
	if err := d.checkShape(stages); err != nil {
		return err
	}
	valid := map[string]inputReview{}
	denied := false
	for _, r := range in.Reviews {
		if r.Valid {
			valid[r.ID] = r
			denied = denied || r.Verdict == Deny && in.heard(r.Person, stages)
		}
	}
	switch d.Outcome {
	case Pending:
		if denied {
			return errors.New("check decision: pending in spite of a denial")
		}
		return nil
	case Denied:
		return d.checkCounted(valid, Deny)
	case Approved, TemporarilyApproved:
		if denied || len(d.Constraints) > 0 || len(d.Missing) > 0 {
			return errors.New("check decision: approved in spite of a denial, a constraint or a gap")
		}
		return d.checkApproval(in, stages, valid)
	default:
		return fmt.Errorf("check decision: outcome %q", d.Outcome)
	}
}

func (d decision) checkShape(stages []inputStage) error {
	if len(d.Stages) != len(stages) {
		return fmt.Errorf("check decision: %d stages for %d", len(d.Stages), len(stages))
	}
	for i, s := range d.Stages {
		if len(s.Sources) != len(stages[i].Sources) {
			return fmt.Errorf("check decision: stage %d has %d sources for %d", i, len(s.Sources), len(stages[i].Sources))
		}
		if !slices.Contains([]StageState{StageApproved, StageWaiting, StageBlocked}, s.State) {
			return fmt.Errorf("check decision: stage %d is %q", i, s.State)
		}
	}
	for _, m := range d.Missing {
		switch {
		case m.Stage == nil && m.Source != nil, m.Stage != nil && (*m.Stage < 0 || *m.Stage >= len(stages)):
			return errors.New("check decision: a gap in no stage")
		case m.Source != nil && (*m.Source < 0 || *m.Source >= len(stages[*m.Stage].Sources)):
			return errors.New("check decision: a gap in no source")
		}
	}
	return nil
}

func (d decision) checkCounted(valid map[string]inputReview, v Verdict) error {
	if len(d.Counted) == 0 {
		return fmt.Errorf("check decision: %s without a review", d.Outcome)
	}
	for _, id := range d.Counted {
		if r, ok := valid[id]; !ok || r.Verdict != v {
			return fmt.Errorf("check decision: %s counts review %q, which is no valid one of that kind", d.Outcome, id)
		}
	}
	return nil
}

func (d decision) checkApproval(in inputDoc, stages []inputStage, valid map[string]inputReview) error {
	if in.Flow.Mode != resource.ReviewAutomatic {
		if len(stages) == 0 {
			return errors.New("check decision: approved without a stage")
		}
		if err := d.checkCounted(valid, Approve); err != nil {
			return err
		}
	}
	for _, s := range d.Stages {
		if s.State != StageApproved {
			return fmt.Errorf("check decision: approved with a stage %s", s.State)
		}
	}
	ends := []string{in.Limit}
	for _, id := range d.Counted {
		ends = append(ends, valid[id].Until)
	}
	for _, end := range ends { // all of one form and in UTC, so that texts compare as instants do
		if end != "" && (d.Until == "" || d.Until > end) {
			return fmt.Errorf("check decision: approved beyond %s", end)
		}
	}
	if (d.Outcome == TemporarilyApproved) != (d.Until != "") || d.Until != "" && d.Until <= in.At {
		return fmt.Errorf("check decision: %s until %q", d.Outcome, d.Until)
	}
	return nil
}
