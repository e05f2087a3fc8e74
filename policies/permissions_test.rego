package assent.permissions_test

import data.assent.inputs
import data.assent.quorum

held := {"GOVERNANCE": ["gov", "vic"], "USER_ADMIN": ["ada", "abe"]}

domains := {
	"sales": {"owner": ["olga"], "manageDataProducts": ["mia"], "managePolicies": ["pat"]},
	"people": {"owner": ["otto"], "manageDataProducts": ["max"], "managePolicies": ["pim"]},
	"bare": {"owner": [], "manageDataProducts": [], "managePolicies": []},
}

# agreed says whether the people together may agree to one change.
agreed(change, people) if {
	d := quorum.decision with input as inputs.governed([change], held, domains, inputs.approvals(people))
	d.outcome == "approved"
}

# each says whether every one of the people may agree alone, and none of the others.
only(change, people) if {
	every p in people {
		agreed(change, [p])
	}
	every p in {"gov", "vic", "ada", "abe", "olga", "mia", "pat", "otto", "max", "pim", "fay"} - people {
		not agreed(change, [p])
	}
}

with_facts(file, kind, facts) := object.union(inputs.change(file, kind), facts)

product(facts) := with_facts("products/x.yaml", "DataProduct", facts)

test_product if only(product({"domains": ["sales"]}), {"mia", "olga"})

test_product_that_moves_needs_both_domains if {
	moved := product({"domains": ["people", "sales"]})
	only(moved, set())
	agreed(moved, ["mia", "max"])
	agreed(moved, ["olga", "otto"])
	not agreed(moved, ["mia", "olga"])
}

test_product_that_takes_in_other_data_needs_those_who_answer_for_it if {
	wide := product({"domains": ["sales"], "reaches": ["people"]})
	not agreed(wide, ["mia"])
	agreed(wide, ["mia", "otto"])
}

test_product_with_nobodys_data_needs_governance_too if {
	wide := product({"domains": ["sales"], "unowned": true})
	not agreed(wide, ["mia"])
	not agreed(wide, ["gov"])
	agreed(wide, ["mia", "gov"])
}

test_product_of_a_domain_without_managers_is_for_governance if {
	only(product({"domains": ["bare"]}), {"gov", "vic"})
	only(product({"domains": ["bare"], "reaches": [], "unowned": true}), {"gov", "vic"})
}

test_product_without_a_domain_is_for_governance if only(product({}), {"gov", "vic"})

domain(facts) := with_facts("domains/sales.yaml", "Domain", object.union({"domains": ["sales"]}, facts))

test_domain if only(domain({}), {"olga", "gov", "vic"})

test_permissions_of_a_domain_are_for_governance if only(domain({"permissions": true}), {"gov", "vic"})

test_domain_that_takes_in_data_is_for_governance if {
	only(domain({"reaches": ["people"]}), {"gov", "vic"})
	only(domain({"unowned": true}), {"gov", "vic"})
}

test_domain_that_lets_data_go_needs_its_policies_managers if {
	loose := domain({"leaves": ["sales"]})
	only(loose, set())
	agreed(loose, ["olga", "pat"])
	agreed(loose, ["gov", "pat"])
}

mask(facts) := with_facts("masking/x.yaml", "MaskingPolicy", facts)

test_mask_of_a_domain if only(mask({"domains": ["sales"]}), {"pat"})

test_mask_that_moves if {
	agreed(mask({"domains": ["people", "sales"]}), ["pat", "pim"])
	not agreed(mask({"domains": ["people", "sales"]}), ["pat"])
}

test_mask_of_no_domain_is_for_governance if {
	only(mask({"unlimited": true, "domains": ["sales"]}), {"gov", "vic"})
	only(mask({}), {"gov", "vic"})
}

test_guardrail_is_for_governance if only(mask({"guardrail": true, "domains": ["sales"]}), {"gov", "vic"})

form(facts) := with_facts("forms/x.yaml", "RequestForm", facts)

test_form_that_nothing_uses_is_for_governance if only(form({}), {"gov", "vic"})

test_form_of_one_domain if only(form({"domains": ["sales"]}), {"gov", "vic", "mia"})

test_form_of_several_domains if only(form({"domains": ["people", "sales"]}), {"gov", "vic"})

test_form_that_more_than_products_use if only(form({"domains": ["sales"], "shared": true}), {"gov", "vic"})

test_stewards_named_in_a_form if only(form({"stewards": inputs.holders(["fay"])}), {"gov", "vic", "fay"})

test_agreement if {
	only(with_facts("agreements/x.yaml", "DataUseAgreement", {"domains": ["sales"]}), {"gov", "vic", "mia"})
	only(with_facts("agreements/x.yaml", "DataUseAgreement", {}), {"gov", "vic"})
}

source(facts) := with_facts("sources/a/b/c/d.yaml", "DataSource", facts)

test_source_of_a_domain if only(source({"domains": ["sales"]}), {"mia", "gov", "vic"})

test_source_of_several_domains if only(source({"domains": ["people", "sales"]}), {"mia", "max", "gov", "vic"})

test_source_of_no_domain_is_for_governance if only(source({}), {"gov", "vic"})

test_source_that_leaves_a_domain_needs_its_policies_managers if {
	loose := source({"domains": ["sales"], "leaves": ["sales"]})
	only(loose, set())
	agreed(loose, ["mia", "pat"])
	not agreed(loose, ["mia", "pim"])
}

user(facts) := with_facts("directory/users/x.yaml", "User", facts)

test_user if only(user({}), {"ada", "abe"})

test_nobody_changes_what_they_hold_themselves if {
	only(user({"concerns": ["ada"]}), {"abe"})
	only(user({"concerns": ["ada", "abe"]}), {"gov", "vic"})
	only(user({"concerns": ["ada", "abe", "gov"]}), {"vic"})
}

test_a_title_is_not_held if only(user({"concerns": ["ada"], "spec": false}), {"ada", "abe"})

test_giving_governance_takes_two if {
	gives := user({"governs": true})
	only(gives, set())
	agreed(gives, ["gov", "vic"])
	not agreed(gives, ["gov", "ada"])
	not agreed(user({"governs": true, "concerns": ["vic"]}), ["gov", "vic"])
}

test_group if {
	group := with_facts("directory/groups/x.yaml", "Group", {"concerns": ["ada"]})
	only(group, {"abe"})
}

test_everything_else_is_for_governance if {
	every kind in {"Connection", "NotificationRoute", "AccessReview", "Repository", "", "Surprise"} {
		only(inputs.change("x", kind), {"gov", "vic"})
	}
	only(inputs.change(".github/CODEOWNERS", ""), {"gov", "vic"})
	only(inputs.change(".gitattributes", ""), {"gov", "vic"})
}

test_what_cannot_be_read_is_for_governance if {
	only(product({"readable": false, "domains": ["sales"]}), {"gov", "vic"})
	only(object.remove(product({"domains": ["sales"]}), ["readable"]), {"gov", "vic"})
}

test_what_all_rests_on_takes_two if {
	every file in {"assent.yaml", "policies/limits.rego", "policies/scenarios/x.yaml"} {
		change := inputs.change(file, "")
		only(change, set())
		agreed(change, ["gov", "vic"])
		not agreed(change, ["gov", "gov"])
		not agreed(change, ["gov", "ada"])
	}
	only(inputs.change("policies.yaml", ""), {"gov", "vic"})
}

test_a_denial_by_anybody_who_may_agree_ends_it if {
	reviews := array.concat(inputs.approvals(["gov", "vic"]), [inputs.review("d", "pat", "deny")])
	d := quorum.decision with input as inputs.governed([source({"domains": ["sales"], "leaves": ["sales"]})], held, domains, reviews)
	d.outcome == "denied"
}

test_reason_says_who_is_lacking if {
	d := quorum.decision with input as inputs.governed([product({"domains": ["sales"]})], held, domains, [])
	d.reason == "waiting for products/x.yaml: an approval for domain permission manageDataProducts in sales or owner of domain sales"
}

test_reason_says_when_there_is_nobody if {
	d := quorum.decision with input as inputs.governed([inputs.change("assent.yaml", "Repository")], {"GOVERNANCE": ["gov"], "USER_ADMIN": []}, {}, [])
	contains(d.reason, "approvals for permission GOVERNANCE by 2 distinct people")
	contains(d.reason, "there are 1 such people")
}

test_reason_of_many_files_is_short if {
	many := [inputs.change(sprintf("f%d", [i]), "") | some i in [1, 2, 3, 4, 5]]
	d := quorum.decision with input as inputs.governed(many, held, {}, [])
	startswith(d.reason, "waiting for f1, f2, f3 and 2 more: ")
}
