package audit

import (
	"encoding/json"
	"fmt"

	"github.com/assent-dev/assent/engine/review"
	"github.com/assent-dev/assent/engine/signature"
)

// statement is what a signed review says of itself, whoever wrote it.
type statement struct {
	Repo         string `json:"repo"`
	PullRequest  string `json:"pullRequest"`
	ChangeDigest string `json:"changeDigest"`
	Verdict      string `json:"verdict"`
	Body         string `json:"body"`
}

// checkReviews checks every review that is a signed statement: its signature
// holds, its key is the reviewer's, and it says what the facts say it says.
func checkReviews(facts review.Facts) *Finding {
	for _, r := range facts.Reviews {
		if r.Signed == nil {
			continue
		}
		if err := checkSigned(facts, r); err != nil {
			return &Finding{Code: CodeSignature, Detail: fmt.Sprintf("review %s: %v", r.ID, err)}
		}
	}
	return nil
}

func checkSigned(facts review.Facts, r review.Review) error {
	key, err := signature.Verify(r.Signed.Namespace, []byte(r.Signed.Payload), []byte(r.Signed.Signature))
	if err != nil {
		return err
	}
	if key.Fingerprint() != r.Actor.ID {
		return fmt.Errorf("signed by %s, not by %s", key.Fingerprint(), r.Actor.ID)
	}
	var s statement
	if err := json.Unmarshal([]byte(r.Signed.Payload), &s); err != nil {
		return fmt.Errorf("read statement: %w", err)
	}
	if s.Repo != facts.Repo || s.PullRequest != facts.PullRequest || s.ChangeDigest != r.Signed.ChangeDigest ||
		s.Verdict != string(r.Verdict) || s.Body != r.Body {
		return fmt.Errorf("the statement says something else than the facts")
	}
	return nil
}
