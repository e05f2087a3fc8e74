package github

import (
	"encoding/json"
	"fmt"
	"slices"
)

type object = map[string]any

// RulesetNames are the rulesets that RulesetFor makes.
func RulesetNames() []string { return []string{"main", "ledger", "ledger-writer"} }

// RulesetFor is a ruleset as GitHub imports it, with which Check has nothing to
// say of that branch. The count of approvals in it is zero: who has to agree, the
// engine's check says.
//
//	main            pull requests only, the engine's check, no force push, no deletion
//	ledger          no force push, no deletion
//	ledger-writer   only the engine's App pushes; who may go around a ruleset may
//	                go around all of it, so that this is one of its own
func RulesetFor(which string, e Expected) ([]byte, error) {
	app := int64(0)
	if e.Account != nil {
		app = e.Account.App
	}
	check := object{"context": "assent: " + e.Branch}
	if app != 0 {
		check["integration_id"] = app
	}
	branch, rules, bypass := e.Ledger, []object{{"type": "deletion"}, {"type": "non_fast_forward"}}, []object{}
	switch {
	case !slices.Contains(RulesetNames(), which):
		return nil, fmt.Errorf("make ruleset: no ruleset %q", which)
	case which == "main":
		branch = e.Branch
		rules = append(rules,
			object{"type": "pull_request", "parameters": object{
				"required_approving_review_count": 0, "dismiss_stale_reviews_on_push": true, "require_code_owner_review": false,
				"require_last_push_approval": false, "required_review_thread_resolution": false,
			}},
			object{"type": "required_status_checks", "parameters": object{
				"strict_required_status_checks_policy": false, "required_status_checks": []object{check},
			}})
	case which == "ledger-writer" && app == 0:
		return nil, fmt.Errorf("make ruleset: only an App can be the one that pushes to %s, and the engine is none", branch)
	case which == "ledger-writer":
		rules = []object{{"type": "update", "parameters": object{"update_allows_fetch_and_merge": false}}}
		bypass = []object{{"actor_id": app, "actor_type": "Integration", "bypass_mode": "always"}}
	}
	out, err := json.MarshalIndent(object{
		"name": "assent " + which, "target": "branch", "enforcement": "active", "bypass_actors": bypass, "rules": rules,
		"conditions": object{"ref_name": object{"include": []string{"refs/heads/" + branch}, "exclude": []string{}}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("make ruleset: %w", err)
	}
	return append(out, '\n'), nil
}
