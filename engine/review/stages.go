package review

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// stagesOf resolves the stages of a flow to people at the base, those with an
// interest left out. all is every steward of every stage, sorted.
func stagesOf(base *resource.Set, chosen resource.Chosen, target resource.Target, in interests, now time.Time) (out []inputStage, all []resource.Name) {
	for i, stage := range chosen.Stages {
		mode, sources := "any", stage.Any
		if len(stage.All) > 0 {
			mode, sources = "all", stage.All
		}
		if len(stage.Any) > 0 && len(stage.All) > 0 {
			mode = "any and all" // no rule knows it, so it is never satisfied
		}
		res := inputStage{
			Mode: mode, Count: stage.Count, Distinct: stage.Distinct == nil || *stage.Distinct,
			Sources: []inputSource{}, at: stageAt(chosen, i),
		}
		for j, source := range sources {
			people := resource.Stewards(base, source, target, now)
			all = append(all, people...)
			res.Sources = append(res.Sources, inputSource{
				Source: sourceText(source), People: without(people, in), at: stageAt(chosen, i, mode, j),
			})
		}
		out = append(out, res)
	}
	slices.Sort(all)
	return out, slices.Compact(all)
}

func without(people []resource.Name, in interests) []resource.Name {
	out := []resource.Name{}
	for _, p := range people {
		if in[p] == "" {
			out = append(out, p)
		}
	}
	return out
}

// stageAt is where a stage is written, or a source in it.
func stageAt(chosen resource.Chosen, stage int, rest ...any) string {
	if chosen.From == (resource.Ref{}) {
		return ""
	}
	return chosen.StagePlace(stage, rest...).String()
}

// sourceText names a steward source as people write it.
func sourceText(s resource.StewardSource) string {
	switch {
	case s.User != "":
		return "user " + string(s.User)
	case s.Group != "":
		return "group " + string(s.Group)
	case s.Attribute != nil:
		return fmt.Sprintf("attribute %s=%s", s.Attribute.Key, s.Attribute.Value)
	case s.Permission != "":
		return "permission " + string(s.Permission)
	case s.DomainPermission != "":
		return "domain permission " + string(s.DomainPermission)
	case s.SubjectMatterExpert:
		return "subject matter expert"
	default:
		return "nobody"
	}
}

// blankStages are the stages before anybody is known to have answered.
func blankStages(stages []inputStage) []StageResult {
	out := make([]StageResult, len(stages))
	for i, s := range stages {
		out[i] = StageResult{State: StageBlocked, Mode: s.Mode, Count: s.Count, At: s.at, Files: s.files, Sources: make([]SourceResult, len(s.Sources))}
		if i == 0 {
			out[i].State = StageWaiting
		}
		for j, src := range s.Sources {
			out[i].Sources[j] = SourceResult{Source: src.Source, People: src.People, Answered: []resource.Name{}, At: src.at}
		}
	}
	return out
}

// needs says who can provide what is missing: the people of the source, or of
// the whole stage, who have not answered yet.
func (d decision) needs(stages []inputStage) []Need {
	out := make([]Need, len(d.Missing))
	for i, m := range d.Missing {
		out[i].What = m.What
		if m.Stage == nil {
			continue
		}
		stage := stages[*m.Stage]
		sources, at := stage.Sources, stage.at
		if m.Source != nil {
			sources, at = sources[*m.Source:*m.Source+1], sources[*m.Source].at
		}
		answered := map[resource.Name]bool{}
		for _, s := range d.Stages[*m.Stage].Sources {
			for _, p := range s.Answered {
				answered[p] = true
			}
		}
		for _, s := range sources {
			for _, p := range s.People {
				if !answered[p] {
					out[i].People = append(out[i].People, p)
				}
			}
		}
		slices.Sort(out[i].People)
		out[i].People = slices.Compact(out[i].People)
		out[i].At = at
		if len(out[i].People) == 0 {
			out[i].What += " (stage " + strconv.Itoa(*m.Stage+1) + ": nobody is left who may give it)"
		}
	}
	return out
}
