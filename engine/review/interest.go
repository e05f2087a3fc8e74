package review

import (
	"github.com/assent-dev/assent/engine/resource"
)

// interests says who may not decide on a change, and why: whoever asks for it,
// gains by it or had a hand in making it. Identities are used here to keep
// people out only, so doubtful ones are kept out too.
type interests map[resource.Name]string

func (in interests) add(name resource.Name, why string) {
	if name == "" {
		return
	}
	if _, known := in[name]; !known {
		in[name] = why
	}
}

// interestsIn collects the interests in a change; reqs are the versions of the
// request that it touches, none for governance.
func interestsIn(d directory, f Facts, reqs ...*resource.AccessRequest) interests {
	in := interests{}
	for _, req := range reqs {
		in.add(req.Spec.Requester, "is the requester")
		for _, sub := range req.Spec.Beneficiaries {
			in.add(sub.User, "is a beneficiary")
			in.add(sub.ServiceAccount, "is a beneficiary")
			for _, name := range resource.People(d.base, []resource.Subject{sub}) {
				why := "is a beneficiary"
				if sub.Group != "" {
					why += " through group " + string(sub.Group)
				}
				in.add(name, why)
			}
		}
	}
	in.actors(d, "opened the pull request", f.Author)
	in.actors(d, "pushed to the pull request", f.Pushers...)
	in.actors(d, "is an author of its commits", f.CoAuthors...)
	in.owners(d.base)
	return in
}

// Interested are the people who may not decide on some requests of a pull request,
// each with why: "is the requester". People are those of base.
func Interested(base *resource.Set, f Facts, reqs ...*resource.AccessRequest) map[resource.Name]string {
	return interestsIn(newDirectory(base), f, reqs...)
}

func (in interests) actors(d directory, why string, actors ...Actor) {
	for _, a := range actors {
		for _, name := range d.suspects(a) {
			in.add(name, why)
		}
	}
}

// owners adds the people behind service accounts: an account does as its owner says.
func (in interests) owners(base *resource.Set) {
	owned := map[resource.Name]resource.Name{}
	for name := range in {
		if u, ok := resource.UserOf(base, name); ok && u.IsService() && u.Spec.Owner != "" {
			owner := u.Spec.Owner
			if first, ok := owned[owner]; !ok || name < first {
				owned[owner] = name
			}
		}
	}
	for owner, account := range owned {
		in.add(owner, "owns service account "+string(account)+", which "+in[account])
	}
}
