package forge

import "context"

// Group is what a merge queue would put on the base branch for one pull request:
// a merge of its head into the base branch, or into the group before it.
type Group struct {
	PullRequest string
	Commit      string
}

// Queue is a forge that may merge by a queue. It puts on the base branch the very
// commits that it shows, once each has the engine's word.
type Queue interface {
	// Groups lists what waits in the queue, with its commits at hand; nothing where
	// the repository has none.
	Groups(ctx context.Context) ([]Group, error)
	// PublishGroup shows how a group stands, on its commit alone. Only an outcome
	// that grants lets it be merged; anything but pending sends it back.
	PublishGroup(ctx context.Context, g Group, report Report) error
}
