package resource

import (
	"fmt"
	"slices"
)

// PinState says what the form that a request pins is.
type PinState string

// The states of a pin.
const (
	PinNow       PinState = "now"        // the form as it is on the base branch
	PinOpened    PinState = "opened"     // the form as it was when the pull request was first seen
	PinKept      PinState = "kept"       // an edited request keeps the pin it was approved with
	PinWrongForm PinState = "wrong-form" // the target asks for another form
	PinUnknown   PinState = "unknown"    // the right form, but as it never counted for this request
	PinNoForm    PinState = "no-form"    // the form that is asked for does not exist
)

// Holds reports whether a request with this pin may be granted.
func (p PinState) Holds() bool { return p == PinNow || p == PinOpened || p == PinKept }

// Pin is the form that a request is held to.
type Pin struct {
	State PinState
	// Form is what counts: the pinned form where the pin holds, else the one
	// that is asked for now. Nil where that does not exist.
	Form *RequestForm
	// Want is the name of the form that is asked for.
	Want      Name
	agreement Name
	texts     []*DataUseAgreement // those that may be accepted, the preferred one first
}

// Agreement is the name of the agreement that the form asks for, and its text
// where there is one. Empty where the form asks for none.
func (p Pin) Agreement() (Name, *DataUseAgreement) {
	if len(p.texts) == 0 {
		return p.agreement, nil
	}
	return p.agreement, p.texts[0]
}

// Accepts reports whether an acceptance is of a text that may be accepted.
func (p Pin) Accepts(a *Acceptance) bool {
	return a != nil && a.Accepted && a.Name == p.agreement &&
		slices.ContainsFunc(p.texts, func(t *DataUseAgreement) bool { return t.Digest() == a.Digest })
}

// PinOf finds the form that a request is held to. base is main now; opened is
// main when the pull request was first seen, nil where that is not known; former
// is the request at base, nil for a new one.
//
//	what the request pins                      state       form
//	the form of its target, at base            now         that one
//	the form of its target, at opened          opened      that one
//	the same as former                         kept        the one at base
//	another form                               wrong-form  the one at base
//	other bytes of the right form              unknown     the one at base
//	anything, and the form is missing at base  no-form     none
//
// An edit of a form, an agreement or a product's choice of form therefore leaves
// requests alone that were there before. The agreement that counts is that of
// the form, with the text of base, or of opened where the same form counted then.
func PinOf(base, opened *Set, former, req *AccessRequest) Pin {
	pinned := req.Spec.Form
	pin := Pin{Want: FormFor(base, req)}
	form, ok := FormOf(base, pin.Want)
	if ok {
		pin.Form = form
	}
	switch {
	case ok && pinned.Name == pin.Want && pinned.Digest == form.Digest():
		pin.State = PinNow
		pin.agree(base, form)
		if was := pinnedAt(opened, req); was != nil {
			pin.agree(opened, was)
		}
		return pin
	case pinnedAt(opened, req) != nil:
		pin.State, pin.Form = PinOpened, pinnedAt(opened, req)
		pin.agree(opened, pin.Form)
		return pin
	case !ok:
		pin.State = PinNoForm
		return pin
	case former != nil && former.Spec.Form == pinned:
		pin.State = PinKept
	case pinned.Name != pin.Want:
		pin.State = PinWrongForm
	default:
		pin.State = PinUnknown
	}
	pin.agree(base, form)
	return pin
}

// pinnedAt is the form that a request pins, where it was the one to fill in.
func pinnedAt(s *Set, req *AccessRequest) *RequestForm {
	if s == nil || FormFor(s, req) != req.Spec.Form.Name {
		return nil
	}
	form, ok := FormOf(s, req.Spec.Form.Name)
	if !ok || form.Digest() != req.Spec.Form.Digest {
		return nil
	}
	return form
}

func (p *Pin) agree(s *Set, form *RequestForm) {
	p.agreement = form.Spec.Agreement
	if text, ok := Get[*DataUseAgreement](s, KindDataUseAgreement, form.Spec.Agreement); ok {
		p.texts = append(p.texts, text)
	}
}

// Problem says in a sentence why the pin does not hold, and what to do; both
// are empty where it does.
func (p Pin) Problem() (problem, hint string) {
	switch p.State {
	case PinNoForm:
		return fmt.Sprintf("the form %q that it has to fill in does not exist", p.Want), "add the form, or name another in the product"
	case PinWrongForm:
		return fmt.Sprintf("this request has to fill in the form %q", p.Want), "assent request new fills in the right form"
	case PinUnknown:
		return fmt.Sprintf("this is not the digest of the form %q, as it is now or as it was when the pull request was opened", p.Want),
			"read the form again and pin " + p.Form.Digest()
	default:
		return "", ""
	}
}

// FormStewards are the people whom a form's own flow names, in its stages and in
// those of its rules, sorted; persons only. Sources that depend on what is asked
// for, such as the experts of a product, name nobody here, and a flow that the
// form delegates to is not its own. Whether they are active is asked apart.
func FormStewards(s *Set, form *RequestForm) []Name {
	if !decides(form.Spec.Review) {
		return nil
	}
	stages := slices.Clone(form.Spec.Review.Stages)
	for _, rule := range form.Spec.Review.Rules {
		stages = append(stages, rule.Stages...)
	}
	found := map[Name]bool{}
	for _, stage := range stages {
		for _, source := range slices.Concat(stage.Any, stage.All) {
			if source.DomainPermission != "" || source.SubjectMatterExpert {
				continue
			}
			for _, name := range named(s, source, Target{}) {
				if u, ok := UserOf(s, name); ok && !u.IsService() {
					found[name] = true
				}
			}
		}
	}
	return sortedNames(found)
}
