# METADATA
# title: Governance
# description: Who agrees to a change of the rules, of people or of what can be asked for.
package assent.governance

import data.assent.permissions

# METADATA
# title: Groups
# description: The files by what they need, so that alike files are one stage.
groups[[need.count, need.sources]] contains need.file if some need in permissions.needs

# METADATA
# title: Stages
# description: |
#   One stage for each kind of need, by their first files: all of them must be met,
#   in any order, and one person may meet several.
stages := [{
	"mode": "any",
	"count": need[0],
	"distinct": true,
	"sources": need[1],
	"files": sort(groups[need]),
} |
	some [_, need] in sort([[min(files), need] | some need, files in groups])
]
