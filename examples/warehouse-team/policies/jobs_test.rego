package assent.custom.jobs_test

import data.assent.custom.jobs

asked(who, level, tags) := {"kind": "request", "request": {"beneficiaries": who, "accessLevel": level, "tags": tags}}

test_a_job_writes_to_staging if {
	jobs.deny == set() with input as asked(["svc-dbt"], "write", ["dbt.staging"])
}

test_a_person_does_not if {
	jobs.deny == {"sam is a person: only jobs write to the warehouse"} with input as asked(["svc-dbt", "sam"], "write", ["dbt.staging"])
}

test_a_person_reads if {
	jobs.deny == set() with input as asked(["sam"], "read", ["dbt.mart"])
}

test_a_job_does_not_write_to_marts if {
	jobs.deny == {"jobs write to what dbt builds in staging, and nowhere else"} with input as asked(["svc-dbt"], "write", ["dbt.mart"])
}
