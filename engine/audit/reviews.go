package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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

// Where reviewers sign, and how they are known there: an identity that is a key
// says something only with that key's signature.
const (
	localForge      = "local"
	keyPrefix       = "SHA256:"
	reviewNamespace = "assent.review.v1"
)

// checkReviews checks every review: it was given on the forge of the pull
// request, and one that is or must be a signed statement verifies, is of its
// key's owner, and says what the facts say it says.
func checkReviews(facts review.Facts) *Finding {
	for _, r := range facts.Reviews {
		var err error
		switch {
		case r.Actor.Forge != facts.Forge:
			err = fmt.Errorf("it was given on forge %q", r.Actor.Forge)
		case r.Signed != nil:
			err = checkSigned(facts, r)
		case facts.Forge == localForge, strings.HasPrefix(r.Actor.ID, keyPrefix):
			err = errors.New("it is not signed")
		}
		if err != nil {
			return finding(CodeSignature, "review %s: %v", r.ID, err)
		}
	}
	return nil
}

func checkSigned(facts review.Facts, r review.Review) error {
	if r.Signed.Namespace != reviewNamespace {
		return fmt.Errorf("signed as %q", r.Signed.Namespace)
	}
	key, err := signature.Verify(reviewNamespace, []byte(r.Signed.Payload), []byte(r.Signed.Signature))
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
	body, _ := review.Said(s.Body)
	if s.Repo != facts.Repo || s.PullRequest != facts.PullRequest || s.ChangeDigest != r.Signed.ChangeDigest ||
		s.Verdict != string(r.Verdict) || body != r.Body {
		return errors.New("the statement says something else than the facts")
	}
	return nil
}
