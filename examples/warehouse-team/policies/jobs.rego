# METADATA
# title: Jobs
# description: |
#   Only jobs write, and only what dbt builds. These rules hold a request and say
#   why; they never approve one.
package assent.custom.jobs

# METADATA
# title: People do not write
deny contains msg if {
	input.request.accessLevel == "write"
	some who in input.request.beneficiaries
	not startswith(who, "svc-")
	msg := sprintf("%s is a person: only jobs write to the warehouse", [who])
}

# METADATA
# title: Jobs write what dbt builds
deny contains "jobs write to what dbt builds in staging, and nowhere else" if {
	input.request.accessLevel == "write"
	not "dbt.staging" in input.request.tags
}
