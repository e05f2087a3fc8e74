package validate

import (
	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// identity: a repository says which one it is, and stays it: its id is part of
// everything that was ever signed.
func identity(c *check) {
	repo, ok := c.head.Repository()
	if !ok {
		return // told by the loader
	}
	if repo.Spec.MainBranch() == repo.Spec.LedgerBranch() {
		c.errorf(repo, at("spec", "ledger", "branch"), BranchClash, "the ledger cannot live on %q, the branch that it is about", repo.Spec.MainBranch()).
			WithHint("remove ledger.branch to use assent/ledger")
	}
	if f := repo.Spec.Forge; f == "github" && repo.Spec.GitHub == nil || f == "gitea" && repo.Spec.Gitea == nil {
		c.errorf(repo, at("spec", "forge"), ForgeUnnamed, "the forge is %s, and nothing says which repository there", f).
			WithHint("state spec.%s with the repository and its numeric id", f)
	}
	if c.base == nil {
		return
	}
	if was, ok := c.base.Repository(); ok && was.Spec.ID != repo.Spec.ID {
		c.errorf(repo, at("spec", "id"), IdentityChanged, "the id of a repository never changes, and this one was %q", was.Spec.ID).
			WithHint("write id: %s again", was.Spec.ID)
	}
}

// mixedChange: a request has its stewards and governance has its own quorum, so
// that one change is either the one or the other.
func mixedChange(c *check) {
	if c.base == nil || c.base == c.head {
		return
	}
	var request, other *resource.Change
	for _, change := range resource.Diff(c.base, c.head) {
		switch {
		case change.Ref.Kind == resource.KindAccessRequest && request == nil:
			request = &change
		case change.Ref.Kind != resource.KindAccessRequest && other == nil:
			other = &change
		}
	}
	if request == nil || other == nil {
		return
	}
	c.out.Errorf(place(*request), MixedChange, "this change is about a request and about governance at once").
		WithHint("put requests and everything else into pull requests of their own").
		WithRelated(place(*other), "%s is %s", name(other.Ref), other.Action)
}

func place(change resource.Change) diag.Pos {
	if change.New == nil {
		return diag.Pos{File: change.Old.Origin().File}
	}
	return change.New.At("metadata", "name")
}
