package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/assent-dev/assent/cmd/assent/scaffold"
	"github.com/assent-dev/assent/engine/gitdb"
	"github.com/assent-dev/assent/engine/ledger"
	"github.com/assent-dev/assent/engine/repo"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/signature"
	"github.com/assent-dev/assent/schemas"
)

type initOptions struct {
	id     string
	sshKey string
	github string
}

func newInitCmd(g *global) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a governance repository with a valid example",
		Long: "Writes a small governance repository that validates, with schemas and settings\n" +
			"for editors and a workflow that validates pull requests; commits it to main;\n" +
			"makes the engine's keys in the git directory, where git does not track them;\n" +
			"and starts the ledger. With --github the repository is for GitHub, and has workflows\n" +
			"that validate, determine and reconcile without a server.",
		Example: "  assent init access\n  assent init access --github acme/access,$(gh api repos/acme/access --jq .id)",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runInit(cmd.Context(), g, args[0], o) },
	}
	cmd.Flags().StringVar(&o.id, "id", "", "the repository's identity, which never changes; the directory's name and a random part unless given")
	cmd.Flags().StringVar(&o.sshKey, "ssh-key", "", "your public SSH key file, written into the first user (~/.ssh/id_ed25519.pub if it is there)")
	cmd.Flags().StringVar(&o.github, "github", "", "where it lives on GitHub: OWNER/NAME,ID with the repository's numeric id")
	return cmd
}

func runInit(ctx context.Context, g *global, dir string, o initOptions) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return usageErrorf("name a new or an empty directory", "%s is not empty; nothing was written", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usageErrorf("name a directory that you may write", "read %s: %w", dir, err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find %s: %w", dir, err)
	}
	if o.id == "" {
		o.id = repo.Slug(strings.ToLower(filepath.Base(abs))) + "-" + randomHex(4)
	}
	files, err := scaffoldFiles(o)
	if err != nil {
		return err
	}
	db, err := gitdb.Init(abs, "main", false)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := writeFile(filepath.Join(abs, filepath.FromSlash(name)), data); err != nil {
			return err
		}
	}
	who := gitdb.Person{Name: "assent init", Email: "assent@localhost", When: time.Now()}
	if err := foundRepository(ctx, db, filepath.Join(db.GitDir(), "assent"), o.id, files, who); err != nil {
		return err
	}
	if err := db.ResetIndex(); err != nil {
		return err
	}
	fmt.Fprintf(g.stdout, "made a governance repository in %s: %d files on main, ledger started, keys in .git/assent/keys\n", dir, len(files))
	if o.github != "" {
		fmt.Fprintf(g.stdout, "next:\n  cd %s\n  assent validate\n  read \"Assent on GitHub\" in README.md: an App, two environments, the keys\n", dir)
		return nil
	}
	fmt.Fprintf(g.stdout, "next:\n  cd %s\n  assent validate\n  assent status\n", dir)
	return nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// scaffoldFiles are the files of a new repository, with its schemas.
func scaffoldFiles(o initOptions) (map[string][]byte, error) {
	files := scaffold.Files()
	if o.github != "" {
		repository, id, err := parseGitHub(o.github)
		if err != nil {
			return nil, err
		}
		scaffold.OnGitHub(files, repository, id)
	}
	for name, raw := range files {
		files[name] = scaffold.Fill(raw, o.id, release())
	}
	for _, kind := range resource.Kinds() {
		name, data, ok := schemas.ForKind(string(kind))
		if !ok {
			return nil, fmt.Errorf("no schema for %s", kind)
		}
		files["schemas/"+name] = data
	}
	line, err := ownKey(o.sshKey)
	if err != nil || line == "" {
		return files, err
	}
	const governor = "directory/users/governor.yaml"
	const unset = "  # forge:\n  #   ssh:\n  #     - ssh-ed25519 AAAA... you@example.com\n"
	if !bytes.Contains(files[governor], []byte(unset)) {
		return nil, fmt.Errorf("write %s: it has no place for a key", governor)
	}
	files[governor] = bytes.Replace(files[governor], []byte(unset), []byte("  forge:\n    ssh:\n      - "+line+"\n"), 1)
	return files, nil
}

// parseGitHub reads OWNER/NAME,ID.
func parseGitHub(text string) (repository string, id int64, err error) {
	const hint = "write --github OWNER/NAME,ID; `gh api repos/OWNER/NAME --jq .id` prints the id"
	repository, number, _ := strings.Cut(text, ",")
	if !gitHubName.MatchString(repository) {
		return "", 0, usageErrorf(hint, "--github %q names no repository", text)
	}
	id, err = strconv.ParseInt(number, 10, 64)
	if err != nil || id <= 0 {
		return "", 0, usageErrorf(hint, "--github %q has no id of the repository; the name alone can be taken over", text)
	}
	return repository, id, nil
}

var gitHubName = regexp.MustCompile(`^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$`)

func ownKey(path string) (string, error) {
	asked := path != ""
	if !asked {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil //nolint:nilerr // nobody asked for a key
		}
		path = filepath.Join(home, ".ssh", "id_ed25519.pub")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		if asked {
			return "", usageErrorf("name the public half, such as ~/.ssh/id_ed25519.pub", "read key: %w", err)
		}
		return "", nil
	}
	key, err := signature.ParsePublic(strings.TrimSpace(string(data)))
	if err != nil {
		return "", usageErrorf("name the public half, such as ~/.ssh/id_ed25519.pub", "%s: %w", path, err)
	}
	return key.String(), nil
}

// foundRepository commits files to main as its first commit, makes the engine's
// keys, pins the root key and starts the ledger.
func foundRepository(ctx context.Context, db *gitdb.DB, state, id string, files map[string][]byte, who gitdb.Person) error {
	var edits []gitdb.Edit
	for name, data := range files {
		blob, err := db.WriteBlob(data)
		if err != nil {
			return err
		}
		edits = append(edits, gitdb.Edit{Path: name, OID: blob})
	}
	tree, err := db.WriteTree("", edits)
	if err != nil {
		return err
	}
	commit, err := db.WriteCommit(gitdb.Commit{Tree: tree, Author: who, Committer: who, Message: "governance: begin\n"}, nil)
	if err != nil {
		return err
	}
	if err := db.MoveRef("refs/heads/main", "", commit); err != nil {
		return err
	}
	keys, err := makeKeys(state, "root", "determining", "reconciling")
	if err != nil {
		return err
	}
	root := keys["root"].Public().Fingerprint()
	pinned, err := json.MarshalIndent(trust{Repo: id, Root: []string{root}}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode trust: %w", err)
	}
	if err := writeFile(filepath.Join(state, "trust.json"), append(pinned, '\n')); err != nil {
		return err
	}
	l := ledger.Open(db, ledger.Trust{Repo: id, Branch: "assent/ledger", Root: []string{root}})
	return l.Init(ctx, keys["root"], ledger.SealBody{
		From: 1, Determining: keys["determining"].Public().String(), Reconciling: keys["reconciling"].Public().String(), Reason: "the ledger begins",
	}, who.When)
}

func makeKeys(state string, names ...string) (map[string]signature.Signer, error) {
	dir := filepath.Join(state, "keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make keys: %w", err)
	}
	keys := map[string]signature.Signer{}
	for _, name := range names {
		key, pem, err := signature.Generate("assent " + name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), pem, 0o600); err != nil {
			return nil, fmt.Errorf("make keys: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".pub"), []byte(key.Public().String()+"\n"), 0o644); err != nil { //nolint:gosec // a public key
			return nil, fmt.Errorf("make keys: %w", err)
		}
		keys[name] = key
	}
	return keys, nil
}

// release is the version that the scaffolded workflow installs.
func release() string { return "v0.1.0" }
