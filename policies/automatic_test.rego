package assent.automatic_test

import data.assent.automatic
import data.assent.inputs

agreed(justification, duration, limit) if {
	automatic.agreed with input as inputs.automatic(justification, duration, limit)
}

test_agreed if agreed("public", "30d", "2026-12-24T12:00:00Z")

test_agreed_indefinitely if agreed("public", "indefinite", "")

test_no_justification if not agreed("", "30d", "2026-12-24T12:00:00Z")

test_blank_justification if not agreed(" \n", "30d", "2026-12-24T12:00:00Z")

test_no_duration if not agreed("public", "", "2026-12-24T12:00:00Z")

test_no_end if not agreed("public", "30d", "")

test_other_mode if {
	not automatic.agreed with input as object.union(
		inputs.automatic("public", "indefinite", ""),
		{"flow": {"mode": "stewards"}},
	)
}

test_other_kind if {
	not automatic.agreed with input as object.union(inputs.automatic("public", "indefinite", ""), {"kind": "governance"})
}

test_reason if {
	r := automatic.reason with input as inputs.automatic(" public ", "indefinite", "")
	r == "approved automatically: public"
}
