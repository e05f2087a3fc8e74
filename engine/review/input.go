package review

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// The question, as policies/quorum.rego documents it.
type (
	inputDoc struct {
		Kind        string          `json:"kind"`
		At          string          `json:"at"`
		NotBefore   string          `json:"notBefore"`
		Limit       string          `json:"limit"`
		Flow        inputFlow       `json:"flow"`
		Stages      []inputStage    `json:"stages"`
		Governance  []resource.Name `json:"governance"`
		Reviews     []inputReview   `json:"reviews"`
		Request     *inputRequest   `json:"request,omitempty"`
		Emergency   *inputEmergency `json:"emergency,omitempty"`
		PullRequest inputPull       `json:"pullRequest"`
		// Access is what each beneficiary holds besides; left out where it was not read.
		Access map[resource.Name]inputAccess `json:"access,omitempty"`
		// Of a governance pull request only.
		Changes     []inputChange                        `json:"changes,omitempty"`
		Domains     map[resource.Name]inputDomain        `json:"domains,omitempty"`
		Permissions map[resource.Permission]inputHolders `json:"permissions,omitempty"`
	}
	inputFlow struct {
		Mode          resource.ReviewMode `json:"mode"`
		Justification string              `json:"justification"`
		Duration      resource.Duration   `json:"duration"`
		From          string              `json:"from"`
	}
	inputStage struct {
		Mode     string        `json:"mode"`
		Count    int           `json:"count"`
		Distinct bool          `json:"distinct"`
		Sources  []inputSource `json:"sources"`
		at       string
		files    []string // that the stage is about, of a governance pull request
	}
	inputSource struct {
		Source string          `json:"source"`
		People []resource.Name `json:"people"`
		at     string
	}
	inputReview struct {
		ID      string        `json:"id"`
		Person  resource.Name `json:"person"`
		Verdict Verdict       `json:"verdict"`
		Until   string        `json:"until"`
		Reason  string        `json:"reason"`
		Valid   bool          `json:"valid"`
		Why     string        `json:"why"`
	}
	inputRequest struct {
		Name          resource.Name        `json:"name"`
		File          string               `json:"file"`
		Type          resource.RequestType `json:"type"`
		Target        string               `json:"target"`
		Product       resource.Name        `json:"product"`
		Domain        resource.Name        `json:"domain"`
		Tags          []string             `json:"tags"`
		Columns       []string             `json:"columns"`
		AccessLevel   resource.AccessLevel `json:"accessLevel"`
		Requester     resource.Name        `json:"requester"`
		Beneficiaries []resource.Name      `json:"beneficiaries"`
		Duration      resource.Duration    `json:"duration"`
		Until         resource.Instant     `json:"until"`
		Form          resource.Name        `json:"form"`
		Answers       map[string][]string  `json:"answers"`
		Labels        map[string]string    `json:"labels"`
	}
	inputPull struct {
		Repo   string        `json:"repo"`
		Forge  string        `json:"forge"`
		ID     string        `json:"id"`
		Base   string        `json:"base"`
		Head   string        `json:"head"`
		Author resource.Name `json:"author"`
	}
)

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

func inputReviews(verdicts []verdict) []inputReview {
	out := make([]inputReview, len(verdicts))
	for i, v := range verdicts {
		out[i] = inputReview{
			ID: v.ID, Person: v.Person, Verdict: v.Verdict, Until: stamp(v.Until),
			Reason: v.Reason, Valid: v.valid, Why: v.Why,
		}
	}
	return out
}

func inputOf(base *resource.Set, req *resource.AccessRequest) *inputRequest {
	domain, _ := resource.DomainOfTarget(base, req.Spec.Target)
	answers := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(req.Spec.Answers)) {
		answers[id] = list(resource.AnswerTexts(req.Spec.Answers[id]))
	}
	labels := req.Metadata.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return &inputRequest{
		Name: req.Ref().Name, File: req.Origin().File, Type: req.Spec.Type,
		Target: targetText(req.Spec.Target), Product: req.Spec.Target.Product, Domain: domain,
		Tags: list(resource.TagsOfTarget(base, req.Spec.Target)), Columns: list(req.Spec.Columns),
		AccessLevel: req.Spec.Level(), Requester: req.Spec.Requester,
		Beneficiaries: list(resource.People(base, req.Spec.Beneficiaries)),
		Duration:      req.Spec.Duration, Until: req.Spec.Until, Form: req.Spec.Form.Name,
		Answers: answers, Labels: labels,
	}
}

func targetText(t resource.Target) string {
	if ref, ok := t.Ref(); ok {
		return ref.String()
	}
	return "path/" + t.Path
}

// list makes "none" an empty list, so that rules see one shape.
func list[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

// canonical is the value as JSON with sorted keys, and as plain maps and lists.
func canonical(v any) (json.RawMessage, any, error) {
	first, err := json.Marshal(v)
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	plain, err := decodePlain(first)
	if err != nil {
		return nil, nil, err
	}
	out, err := json.Marshal(plain)
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	return out, plain, nil
}

// decodePlain decodes exactly one value; numbers keep their text.
func decodePlain(raw []byte) (any, error) {
	if !json.Valid(raw) {
		return nil, errors.New("decode: not one JSON value")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return plain, nil
}
