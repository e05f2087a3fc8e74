# METADATA
# title: Governance
# description: Who agrees to a change of the rules, of people or of what can be asked for.
package assent.governance

# METADATA
# title: Stages
# description: Anyone with GOVERNANCE who has no part in the change; its author's reviews are never valid.
stages := [{
	"mode": "any",
	"count": 1,
	"distinct": true,
	"sources": [{"source": "permission GOVERNANCE", "people": input.governance}],
}]
