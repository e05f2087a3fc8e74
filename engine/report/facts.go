package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/resource"
)

// StewardFacts is what the repository and the ledger prove about a request beyond
// what it says: how similar ones ended, what it newly exposes, what was agreed
// to, who gets it and what they have. past is every other request; usually says
// how long such requests took, where that is known. Each line is Markdown.
func StewardFacts(set *resource.Set, past []audit.RequestStatus, req *resource.AccessRequest, p grant.Preview, usually string) []string {
	out := []string{similar(set, past, req, usually), exposure(set, p)}
	if text := agreement(set, req); text != "" {
		out = append(out, text)
	}
	const most = 5
	who := resource.People(set, req.Spec.Beneficiaries)
	for _, name := range who[:min(len(who), most)] {
		out = append(out, person(set, name), holds(past, req, name))
	}
	if more := len(who) - most; more > 0 {
		out = append(out, fmt.Sprintf("and %d more people", more))
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// similar says how other requests for the same target ended.
func similar(set *resource.Set, past []audit.RequestStatus, req *resource.AccessRequest, usually string) string {
	groups := map[resource.Name]bool{}
	for _, p := range resource.People(set, req.Spec.Beneficiaries) {
		for _, g := range resource.GroupsOf(set, p) {
			groups[g] = true
		}
	}
	var all, granted, denied, team, teamGranted int
	for _, s := range past {
		if s.Target != audit.TargetText(req.Spec.Target) || s.Request == req.Ref().Name || s.DecidedAt.IsZero() || s.State == audit.StateCanceled || s.State == audit.StateUnapproved {
			continue
		}
		all++
		same := ofGroups(set, s.For, groups)
		if same {
			team++
		}
		if s.State == audit.StateDenied {
			denied++
			continue
		}
		granted++
		if same {
			teamGranted++
		}
	}
	if all == 0 {
		return "nobody asked for it before"
	}
	text := fmt.Sprintf("%d of %s for it approved, %d denied", granted, count(all, "earlier request", "earlier requests"), denied)
	if team > 0 {
		text += fmt.Sprintf("; of people in the same groups, %d of %d approved", teamGranted, team)
	}
	if usually != "" {
		text += "; usually decided in " + usually
	}
	return text
}

// ofGroups reports whether a request was for somebody of the groups.
func ofGroups(set *resource.Set, whom []string, groups map[resource.Name]bool) bool {
	return slices.ContainsFunc(whom, func(w string) bool {
		name, isGroup := strings.CutPrefix(w, "group ")
		if isGroup {
			return groups[resource.Name(name)]
		}
		return slices.ContainsFunc(resource.GroupsOf(set, resource.Name(w)), func(g resource.Name) bool { return groups[g] })
	})
}

// exposure says which tags somebody would see who does not see them now.
func exposure(set *resource.Set, p grant.Preview) string {
	fresh := map[string]grant.Visibility{}
	for _, r := range p.Rows {
		d, ok := resource.Get[*resource.DataSource](set, resource.KindDataSource, r.Source)
		if !ok || r.Then == "" {
			continue
		}
		if r.Now == "" {
			note(fresh, d.Spec.Tags, grant.Clear)
		}
		for _, c := range r.Columns {
			if c.Then == c.Now || c.Then == grant.Hidden {
				continue
			}
			for _, col := range d.Spec.Columns {
				if col.Name == c.Name {
					note(fresh, col.Tags, c.Then)
				}
			}
		}
	}
	if len(fresh) == 0 {
		return "new exposure: no tagged data"
	}
	var parts []string
	for _, tag := range slices.Sorted(maps.Keys(fresh)) {
		text := Escape(tag)
		if fresh[tag] == grant.Masked {
			text += " (masked)"
		}
		parts = append(parts, text)
	}
	return "new exposure: tags " + strings.Join(parts[:min(len(parts), maxRows)], ", ")
}

func note(fresh map[string]grant.Visibility, tags []string, how grant.Visibility) {
	for _, t := range tags {
		if fresh[t] != grant.Clear {
			fresh[t] = how
		}
	}
}

// agreement says which text the requester accepted, and whether it is still the
// one in force.
func agreement(set *resource.Set, req *resource.AccessRequest) string {
	a := req.Spec.Agreement
	if a == nil || !a.Accepted {
		return ""
	}
	text := fmt.Sprintf("agreement %s accepted by %s", Escape(string(a.Name)), Escape(string(req.Spec.Requester)))
	now, ok := resource.Get[*resource.DataUseAgreement](set, resource.KindDataUseAgreement, a.Name)
	switch {
	case !ok:
		return text + ", which is not on main any more"
	case now.Digest() != a.Digest:
		return text + ", in an older wording than the one on main"
	default:
		return text + ", in the wording on main"
	}
}

// person is who somebody is by the directory.
func person(set *resource.Set, name resource.Name) string {
	u, ok := resource.UserOf(set, name)
	if !ok {
		return Escape(string(name)) + " is not in the directory"
	}
	var parts []string
	if u.IsService() {
		parts = append(parts, "service account of "+Escape(string(u.Spec.Owner)))
	}
	if groups := resource.GroupsOf(set, name); len(groups) > 0 {
		parts = append(parts, "groups "+people(groups, ", "))
	}
	for i, key := range slices.Sorted(maps.Keys(u.Spec.Attributes)) {
		if i == maxEarlier {
			break
		}
		parts = append(parts, Escape(Clip(key+" = "+strings.Join(u.Spec.Attributes[key], ", "), 100)))
	}
	if u.Spec.Manager != "" {
		parts = append(parts, "manager "+Escape(string(u.Spec.Manager)))
	}
	if u.Spec.ValidUntil.Stated() {
		parts = append(parts, "in the directory until "+Escape(string(u.Spec.ValidUntil)))
	}
	if len(parts) == 0 {
		return ""
	}
	return Escape(string(name)) + ": " + strings.Join(parts, ", ")
}

// holds is what somebody has already by approved requests.
func holds(past []audit.RequestStatus, req *resource.AccessRequest, name resource.Name) string {
	var parts []string
	mine := slices.DeleteFunc(slices.Clone(past), func(s audit.RequestStatus) bool {
		return s.State != audit.StateApproved || s.Request == req.Ref().Name || !slices.Contains(s.For, string(name))
	})
	slices.SortFunc(mine, func(a, b audit.RequestStatus) int { return cmp.Compare(a.Request, b.Request) })
	for _, s := range mine[:min(len(mine), 5)] {
		until := ""
		if !s.Until.IsZero() {
			until = " until " + s.Until.UTC().Format(time.DateOnly)
		}
		parts = append(parts, fmt.Sprintf("%s on %s%s (record %d)", word(cmp.Or(s.Level, "masks lifted")), Escape(s.Target), until, s.Record))
	}
	if more := len(mine) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	if len(parts) == 0 {
		return ""
	}
	return Escape(string(name)) + " has " + strings.Join(parts, ", ")
}
