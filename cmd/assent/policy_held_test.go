package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge/local"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

const salaries = `apiVersion: assent.dev/v1
kind: AccessRequest
metadata:
  name: %s-salaries
spec:
  type: data-access
  target:
    product: salaries
  requester: %[1]s
  beneficiaries:
    - user: %[1]s
  duration: 20d
  form:
    name: delegated
    digest: %s
  answers: {}
`

// What ana holds by her first request keeps her from the second; ben, who holds
// nothing, is not kept from the same.
func TestRulesSeeWhatWasApprovedBefore(t *testing.T) {
	s := played(t)
	form, _ := resource.FormOf(s.snapshot.Set, "delegated")
	f, err := s.openLocal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for person, kept := range map[string]bool{"ana": true, "ben": false} {
		id := person + "-salaries"
		_, err := f.Open(t.Context(), s.keys[person], local.Draft{ID: id, Title: id, Author: gitdb.Person{Name: person, Email: person + "@example.com", When: s.clock}, Files: map[string][]byte{
			"requests/salaries/" + id + ".yaml": fmt.Appendf(nil, salaries, person, form.Digest()),
		}})
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.pending(t.Context(), f, id)
		if err != nil || len(list) != 1 || list[0].Judgement == nil {
			t.Fatalf("%+v %v", list, err)
		}
		got := list[0].Judgement.Determinations[0].Constraints
		if slices.Contains(got, person+" holds sales data, which must never come together with people data") != kept {
			t.Errorf("%s is held by %q, want %v", person, got, kept)
		}
		facts := list[0].Facts
		if facts == nil || facts.Held[resource.Name(person)] == nil {
			t.Fatalf("%s: nothing was read: %+v", person, facts)
		}
	}
}

// A rule that asks what people hold, and is not told, would object to nothing.
func TestWhatWasNotReadHoldsARequest(t *testing.T) {
	s := played(t)
	l, err := s.openLedger()
	if err != nil {
		t.Fatal(err)
	}
	past, err := determine.PastOf(t.Context(), l, 10)
	if err != nil || len(past) != 1 {
		t.Fatalf("%v %v", past, err)
	}
	facts := past[0].Facts
	if facts.Held == nil {
		t.Fatal("what ana held is not in the record")
	}
	for _, tc := range []struct {
		held map[resource.Name][]review.HeldAccess
		want review.Outcome
	}{{facts.Held, review.TemporarilyApproved}, {nil, review.Pending}} {
		facts.Held = tc.held
		j, err := s.rules.Judge(t.Context(), facts)
		if err != nil || j.Outcome != tc.want {
			raw, _ := json.Marshal(j.Judgement) // for the message only
			t.Errorf("want %s, got %v %s", tc.want, err, raw)
		}
	}
}
