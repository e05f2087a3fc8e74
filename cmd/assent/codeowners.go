package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
)

const codeownersFile = ".github/CODEOWNERS"

const codeownersHead = "# Made by `assent codeowners generate` from forms, products, domains and people.\n" +
	"# It tells GitHub whom to ask for a review. Who decides, Assent says: the stewards\n" +
	"# of the base, without those who have a part in the change.\n"

func newCodeownersCmd(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use: "codeowners", Short: "Keep " + codeownersFile + " as the stewards are",
		Long: "GitHub asks the people in " + codeownersFile + " for a review. These commands make the\n" +
			"file from forms, products, domains and people, by their spec.forge.github.login.",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "generate", Short: "Write the file into the work tree", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return runCodeownersGenerate(cmd.Context(), g) },
		},
		&cobra.Command{
			Use: "check", Short: "Say where the file differs; ends with 1 where it does", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return runCodeownersCheck(cmd.Context(), g) },
		},
	)
	return cmd
}

func runCodeownersGenerate(ctx context.Context, g *global) error {
	root, _, want, err := codeownersOf(ctx, g)
	if err != nil {
		return err
	}
	if root == "" {
		return usageErrorf("run it in a clone that people work in", "a bare repository has no work tree to write into")
	}
	if err := writeFile(filepath.Join(root, filepath.FromSlash(codeownersFile)), []byte(want.text())); err != nil {
		return err
	}
	fmt.Fprintf(g.stdout, "wrote %s: %d patterns\n", codeownersFile, len(want.lines))
	want.tellSilent(g)
	return nil
}

func runCodeownersCheck(ctx context.Context, g *global) error {
	_, have, want, err := codeownersOf(ctx, g)
	if err != nil {
		return err
	}
	if have == want.text() {
		fmt.Fprintf(g.stdout, "%s is as the stewards are\n", codeownersFile)
		want.tellSilent(g)
		return nil
	}
	wanted := strings.Split(strings.TrimSpace(want.text()), "\n")
	had := strings.Split(strings.TrimSpace(have), "\n")
	same := true
	for _, line := range had {
		if line != "" && !slices.Contains(wanted, line) {
			same = false
			fmt.Fprintf(g.stdout, "- %q\n", line)
		}
	}
	for _, line := range wanted {
		if !slices.Contains(had, line) {
			same = false
			fmt.Fprintf(g.stdout, "+ %q\n", line)
		}
	}
	if same {
		fmt.Fprintln(g.stdout, "its lines are in another order, and the last that matches counts")
	}
	want.tellSilent(g)
	return &exitError{code: exitFindings, err: fmt.Errorf("%s is not as the stewards are", codeownersFile), hint: "run `assent codeowners generate` and commit the file"}
}

// codeownersOf gives the file as it is, empty where there is none, and as it
// should be. root is empty for a bare repository.
func codeownersOf(ctx context.Context, g *global) (root, have string, want *codeowners, err error) {
	now, err := g.clock()
	if err != nil {
		return "", "", nil, err
	}
	root, db, err := rootOf(g.dir)
	if err != nil {
		return "", "", nil, err
	}
	snapshot, err := workTree(ctx, g.dir)
	if err != nil {
		return "", "", nil, err
	}
	if _, ok := snapshot.Set.Repository(); !ok {
		return "", "", nil, usageErrorf("run `assent validate` to see what is wrong", "there is no readable %s", repo.RepositoryFile)
	}
	return root, string(committedOrOnDisk(root, db, snapshot)), codeownersFor(snapshot.Set, now()), nil
}

func committedOrOnDisk(root string, db *gitdb.DB, s *repo.Snapshot) []byte {
	if root == "" {
		return blobAt(db, s, codeownersFile)
	}
	data, _ := os.ReadFile(filepath.Join(root, filepath.FromSlash(codeownersFile))) // no file is an empty one
	return data
}

// codeowners is the file in the making. GitHub takes the last pattern that
// matches, so that the broad ones come first.
type codeowners struct {
	set        *resource.Set
	now        time.Time
	governance []string
	lines      []string
	silent     map[resource.Name]bool // would be asked, and have no account
	people     map[resource.Name]bool // who are asked about something
	automatic  bool                   // some requests are approved by rule
}

func codeownersFor(s *resource.Set, now time.Time) *codeowners {
	c := &codeowners{set: s, now: now, silent: map[resource.Name]bool{}, people: map[resource.Name]bool{}}
	governors := c.holders(resource.PermissionGovernance)
	c.governance = c.logins(governors)
	c.owned("*", governors)
	c.owned("/directory/", slices.Concat(c.holders(resource.PermissionUserAdmin), governors))
	for d := range resource.Of[*resource.Domain](s) {
		c.owned("/domains/"+string(d.Ref().Name)+".yaml", append(c.able(d.Spec.Owner), governors...))
	}
	for f := range resource.Of[*resource.RequestForm](s) {
		if f.Ref().Name == resource.StandardForm {
			continue // built in: it has no file
		}
		people := governors
		if r := f.Spec.Review; r != nil && r.Mode != resource.ReviewDelegated {
			people = slices.Concat(governors, c.stewards(*r, resource.Target{}))
		}
		c.owned("/forms/"+string(f.Ref().Name)+".yaml", people)
	}
	for p := range resource.Of[*resource.DataProduct](s) {
		c.product(p.Ref().Name)
	}
	return c
}

// product adds the product's own file, which the managers of its domain look
// after, and the folder of its requests, about which its stewards decide.
func (c *codeowners) product(name resource.Name) {
	target := resource.Target{Product: name}
	var managers []resource.Name
	if domain, ok := resource.DomainOfTarget(c.set, target); ok {
		managers = c.able(resource.Holders(c.set, domain, resource.ManageDataProducts)...)
		if d, ok := resource.Get[*resource.Domain](c.set, resource.KindDomain, domain); ok {
			managers = append(managers, c.able(d.Spec.Owner)...)
		}
	}
	c.owned("/products/"+string(name)+".yaml", managers)
	folder := "/requests/" + string(name) + "/"
	flow, err := resource.Flow(c.set, &resource.AccessRequest{Spec: resource.AccessRequestSpec{Type: resource.DataAccess, Target: target}}, c.now)
	c.automatic = c.automatic || err == nil && flow.Mode == resource.ReviewAutomatic
	switch {
	case err != nil:
		c.owned(folder, nil)
	case flow.Mode == resource.ReviewAutomatic && len(flow.Rules) == 0:
		c.lines = append(c.lines, folder) // nobody has to be asked
	default:
		c.owned(folder, c.stewards(flow.ReviewFlow, target))
	}
}

// stewards are all whom a flow may ask, whichever of its rules holds.
func (c *codeowners) stewards(flow resource.ReviewFlow, target resource.Target) []resource.Name {
	stages := slices.Clone(flow.Stages)
	for _, rule := range flow.Rules {
		stages = append(stages, rule.Stages...)
	}
	var people []resource.Name
	for _, stage := range stages {
		for _, source := range slices.Concat(stage.Any, stage.All) {
			people = append(people, resource.Stewards(c.set, source, target, c.now)...)
		}
	}
	return people
}

func (c *codeowners) holders(p resource.Permission) []resource.Name {
	return resource.Stewards(c.set, resource.StewardSource{Permission: p}, resource.Target{}, c.now)
}

// able are those of the names who can decide at all.
func (c *codeowners) able(names ...resource.Name) []resource.Name {
	var out []resource.Name
	for _, n := range names {
		out = append(out, resource.Stewards(c.set, resource.StewardSource{User: n}, resource.Target{}, c.now)...)
	}
	return out
}

// owned adds a pattern. Where nobody of the people has an account, those with
// GOVERNANCE are asked: a pattern without owners would ask nobody at all.
func (c *codeowners) owned(pattern string, people []resource.Name) {
	for _, name := range people {
		c.people[name] = true
	}
	owners := c.logins(people)
	if len(owners) == 0 {
		owners = c.governance
	}
	if len(owners) > 0 {
		c.lines = append(c.lines, pattern+" "+strings.Join(owners, " "))
	}
}

var gitHubLogin = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// logins are the accounts of people as the file has them, sorted.
func (c *codeowners) logins(people []resource.Name) []string {
	var out []string
	for _, name := range people {
		u, ok := resource.UserOf(c.set, name)
		if !ok {
			continue
		}
		if gh := u.Spec.Forge.GitHub; gh != nil && gitHubLogin.MatchString(gh.Login) {
			out = append(out, "@"+gh.Login)
		} else {
			c.silent[name] = true
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c *codeowners) text() string {
	return codeownersHead + strings.Join(c.lines, "\n") + "\n"
}

// tellSilent says who would be in the file and cannot be.
func (c *codeowners) tellSilent(g *global) {
	var names []string
	for name := range c.silent {
		names = append(names, string(name))
	}
	slices.Sort(names)
	if len(names) > 0 {
		fmt.Fprintf(g.stderr, "without spec.forge.github, and so not in the file: %s\n", strings.Join(names, ", "))
	}
}
