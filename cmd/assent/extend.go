package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/forge"
	"github.com/assent-dev/assent/engine/forge/change"
	"github.com/assent-dev/assent/engine/resource"
)

// opensOnce is a forge on which the engine opens pull requests for people.
type opensOnce interface {
	OpenOnce(context.Context, change.Draft) (forge.PullRequest, error)
}

// extender opens a pull request that asks for the same again, as `assent request
// new --renews` does, for whoever wrote /extend in a comment.
func (w *workspace) extender(f forge.Forge) func(context.Context, determine.Extension) (string, error) {
	on, ok := f.(opensOnce)
	if !ok {
		return nil
	}
	return func(ctx context.Context, e determine.Extension) (string, error) {
		w, err := w.fresh(ctx)
		if err != nil {
			return "", errors.New("main cannot be read now; try again later")
		}
		me, ok := resource.UserOf(w.snapshot.Set, e.By)
		if !ok {
			return "", fmt.Errorf("%s is not in the directory any more", e.By)
		}
		name := change.ExtensionName(string(e.Request), e.Comment)
		made, problems, err := w.fileRequest(ctx, me, requestOptions{renews: string(e.Request), name: name, duration: string(e.Duration)})
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			return "", fmt.Errorf("%s; ask with `assent request new --renews %s`", strings.TrimSuffix(first, ":"), e.Request)
		}
		if problems.HasErrors() {
			return "", fmt.Errorf("the request would have a mistake: %s", problems[0].Message)
		}
		pr, err := on.OpenOnce(ctx, change.Draft{
			Branch: "request/" + name, Title: made.title, Files: map[string][]byte{made.file: made.raw}, Author: w.author(me),
			Body: fmt.Sprintf("A comment asked for this (%s).", e.Comment),
		})
		if err != nil {
			return "", fmt.Errorf("the pull request could not be opened: %w", err)
		}
		return "#" + pr.ID, nil
	}
}
