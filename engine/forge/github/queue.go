package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/gitdb"
)

var _ forge.Queue = (*GitHub)(nil)

// queued is how GitHub names the branch of a group: the pull request, and the
// commit that the group is put on, which is not believed.
var queued = regexp.MustCompile(`^pr-([1-9][0-9]*)-[0-9a-f]{40}$`)

// Groups implements forge.Queue. The branches of a queue are GitHub's own.
func (g *GitHub) Groups(ctx context.Context) ([]forge.Group, error) {
	if g.cfg.Method != MergeQueue {
		return nil, nil
	}
	prefix := "refs/heads/gh-readonly-queue/" + g.cfg.Branch + "/"
	listed, err := g.cfg.DB.List(ctx, g.remote, prefix)
	if err != nil {
		return nil, fmt.Errorf("list the merge queue: %w: %w", gitErr(err), err)
	}
	want := map[string]string{}
	for name := range listed {
		if queued.MatchString(name[len(prefix):]) {
			want[name] = "refs/forge/queue/" + name[len(prefix):]
		}
	}
	if len(want) == 0 {
		return nil, nil
	}
	at, err := g.cfg.DB.Fetch(ctx, g.remote, want)
	if err != nil {
		return nil, fmt.Errorf("fetch the merge queue: %w: %w", gitErr(err), err)
	}
	var out []forge.Group
	for name, oid := range at {
		out = append(out, forge.Group{PullRequest: queued.FindStringSubmatch(name[len(prefix):])[1], Commit: string(oid)})
	}
	slices.SortFunc(out, func(a, b forge.Group) int {
		return cmp.Or(cmp.Compare(len(a.PullRequest), len(b.PullRequest)), cmp.Compare(a.PullRequest, b.PullRequest), cmp.Compare(a.Commit, b.Commit))
	})
	return out, nil
}

func gitErr(err error) error {
	if errors.Is(err, gitdb.ErrRefused) {
		return forge.ErrForbidden
	}
	return forge.ErrIncomplete
}

// PublishGroup implements forge.Queue.
func (g *GitHub) PublishGroup(ctx context.Context, group forge.Group, report forge.Report) error {
	me, err := g.whoAmI(ctx)
	if err == nil {
		report.Head = group.Commit
		if me.appID != 0 {
			err = g.check(ctx, me, report)
		} else {
			err = g.status(ctx, me, report)
		}
	}
	if err != nil {
		return fmt.Errorf("publish on the group of pull request %s: %w", group.PullRequest, err)
	}
	return nil
}
