# METADATA
# title: Governance
# description: Who agrees to a change of the rules, of people or of what can be asked for.
package assent.governance

import data.assent.permissions

# METADATA
# title: Groups
# description: Each kind of need with all its files, so that what needs the same is one stage.
groups contains {"files": files, "need": kind} if {
	some kind in {[need.count, need.sources] | some need in permissions.needs}
	files := sort({file | some need in permissions.needs; [need.count, need.sources] == kind; some file in need.files})
}

# METADATA
# title: Stages
# description: |
#   One stage for each kind of need, by their first files: all of them must be met,
#   in any order, and one person may meet several.
stages := [{
	"mode": "any",
	"count": group.need[0],
	"distinct": true,
	"sources": group.need[1],
	"files": group.files,
} |
	some group in sort(groups)
]
