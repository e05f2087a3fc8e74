package review

import (
	"fmt"

	"github.com/assent-dev/assent/engine/resource"
)

// Sets are the states of the repository that a judgement reads.
type Sets struct {
	Base *resource.Set // at Facts.Base
	Head *resource.Set // at Facts.Head
	// Opened is the repository at Facts.OpenedBase. Forms and agreements that a
	// request pinned then still count; people, stewards and the flows of
	// products never come from it. Nil where it is not known, and NotOpened says
	// why where that is worth saying.
	Opened    *resource.Set
	NotOpened string
}

// former is the request as it is on the base branch, whatever its path.
func (c *court) former(req *resource.AccessRequest) *resource.AccessRequest {
	old, _ := resource.Get[*resource.AccessRequest](c.base, resource.KindAccessRequest, req.Ref().Name)
	return old
}

// barred says why no approval can help a request as it stands, and what would.
func (c *court) barred(req *resource.AccessRequest, pin resource.Pin) (why string, need Need) {
	if why := c.notAsked(req); why != "" {
		return why, Need{
			What: "a pull request opened by " + string(req.Spec.Requester), People: []resource.Name{req.Spec.Requester},
			At: req.At("spec", "requester").String(),
		}
	}
	problem, hint := pin.Problem()
	if problem == "" {
		return "", Need{}
	}
	if c.notOpened != "" {
		problem += " (" + c.notOpened + ")"
	}
	return problem, Need{What: hint, People: []resource.Name{req.Spec.Requester}, At: req.At("spec", "form", "digest").String()}
}

// notAsked says why nothing shows that the requester asks for this: whoever
// asks opens the pull request, as a person, and for others by naming them as
// beneficiaries. What a commit says of its author counts for nothing.
//
//	author            requester        asked
//	a bot             anybody          no: anybody's bot may say who asks; where the
//	                                   engine opens it for an issue, the author in the
//	                                   facts is that of the issue
//	nobody known      anybody          no
//	one person        that person      yes
//	one person        somebody else    no
//	anybody           another before   no: a request stays with who asked for it
func (c *court) notAsked(req *resource.AccessRequest) string {
	if old := c.former(req); old != nil && old.Spec.Requester != req.Spec.Requester {
		return fmt.Sprintf("%s asked for this, and a request stays with who asked for it; open a request of your own", old.Spec.Requester)
	}
	if c.facts.Author.Bot {
		return fmt.Sprintf("a bot opened the pull request, and nothing shows that %s asks", req.Spec.Requester)
	}
	author, why := c.dir.person(c.facts.Author)
	switch {
	case why != "":
		return "it is not known who asks: " + why
	case author != req.Spec.Requester:
		return fmt.Sprintf("%s opened the pull request, but the requester is %s; whoever asks opens it, and names others as beneficiaries", author, req.Spec.Requester)
	default:
		return ""
	}
}
