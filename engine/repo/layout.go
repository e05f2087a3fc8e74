package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/assent-dev/assent/engine/resource"
)

// RepositoryFile is the file that makes a repository a governance repository.
const RepositoryFile = "assent.yaml"

// folder is one place where resources live. least and most are the number of
// folders between it and the file.
type folder struct {
	prefix      string
	least, most int
	kind        resource.Kind
	shape       string
}

// folders is the layout of a governance repository. The first path element of
// each prefix is a known top folder.
func folders() []folder {
	return []folder{
		{"directory/users/", 0, 0, resource.KindUser, "directory/users/NAME.yaml"},
		{"directory/groups/", 0, 0, resource.KindGroup, "directory/groups/NAME.yaml"},
		{"connections/", 0, 0, resource.KindConnection, "connections/NAME.yaml"},
		{"sources/", 2, 3, resource.KindDataSource, "sources/CONNECTION/DATABASE/SCHEMA/NAME.yaml or sources/CONNECTION/DATABASE/NAME.yaml"},
		{"masking/", 0, 0, resource.KindMaskingPolicy, "masking/NAME.yaml"},
		{"domains/", 0, 0, resource.KindDomain, "domains/NAME.yaml"},
		{"products/", 0, 0, resource.KindDataProduct, "products/NAME.yaml"},
		{"forms/", 0, 0, resource.KindRequestForm, "forms/NAME.yaml"},
		{"agreements/", 0, 0, resource.KindDataUseAgreement, "agreements/NAME.yaml"},
		{"requests/", 1, 1, resource.KindAccessRequest, "requests/PRODUCT-OR-SOURCE/NAME.yaml"},
		{"reviews/", 0, 0, resource.KindAccessReview, "reviews/NAME.yaml"},
		{"notifications/", 0, 0, resource.KindNotificationRoute, "notifications/NAME.yaml"},
	}
}

// shapeOf is the path pattern of a kind's files, for people.
func shapeOf(kind resource.Kind) string {
	if kind == resource.KindRepository {
		return RepositoryFile
	}
	for _, f := range folders() {
		if f.kind == kind {
			return f.shape
		}
	}
	return ""
}

// class says what a path is to the engine.
type class int

const (
	ignored   class = iota // not ours
	stray                  // YAML outside the known folders: ours only if it says so
	misplaced              // YAML below a known folder, at a wrong depth
	yml                    // a resource file but for its extension
	policy                 // policies/**.rego
	known                  // a resource file
)

type place struct {
	class  class
	kind   resource.Kind // of known, yml and misplaced
	folder bool          // at or below a known top folder, whatever it is
}

// placeOf tells what a path is by its spelling alone.
func placeOf(file string) place {
	ext := path.Ext(file)
	isYAML := ext == ".yaml" || ext == ".yml"
	switch {
	case file == RepositoryFile:
		return place{known, resource.KindRepository, true}
	case file == "assent.yml":
		return place{yml, resource.KindRepository, true}
	case file == "policies" || strings.HasPrefix(file, "policies/"):
		if ext == ".rego" {
			return place{policy, "", true}
		}
		return place{class: ignored, folder: !strings.Contains(file, "/")}
	}
	for _, f := range folders() {
		rest, below := strings.CutPrefix(file, f.prefix)
		if !below {
			continue
		}
		depth := strings.Count(rest, "/")
		switch {
		case !isYAML:
			return place{ignored, f.kind, true}
		case depth < f.least || depth > f.most:
			return place{misplaced, f.kind, true}
		case ext == ".yml":
			return place{yml, f.kind, true}
		default:
			return place{known, f.kind, true}
		}
	}
	top, _, _ := strings.Cut(file, "/")
	inTop := knownTop(top)
	switch {
	case inTop && isYAML:
		return place{misplaced, "", true}
	case isYAML && !hidden(file):
		return place{class: stray}
	default:
		return place{class: ignored, folder: inTop && (file == top || file == "directory/users" || file == "directory/groups")}
	}
}

func knownTop(top string) bool {
	for _, f := range folders() {
		if first, _, _ := strings.Cut(f.prefix, "/"); first == top {
			return true
		}
	}
	return false
}

// hidden reports a path with an element that starts with a dot, such as .github.
func hidden(file string) bool { return strings.HasPrefix(file, ".") || strings.Contains(file, "/.") }

// KindAt is the kind of resource that a path holds. ok is false for a path that
// holds none, such as a README or a policy.
func KindAt(file string) (kind resource.Kind, ok bool) {
	p := placeOf(file)
	return p.kind, p.class == known
}

// FileFor is the path of a resource in the repository. folder is the product or
// source folder of a request and is not used for other kinds.
func FileFor(r resource.Resource, requestFolder string) string {
	name := r.Meta().Name
	switch v := r.(type) {
	case *resource.Repository:
		return RepositoryFile
	case *resource.DataSource:
		return SourceFile(v.Spec.Connection, v.Spec.Path)
	case *resource.AccessRequest:
		return "requests/" + requestFolder + "/" + name + ".yaml"
	}
	for _, f := range folders() {
		if f.kind == r.Ref().Kind {
			return f.prefix + name + ".yaml"
		}
	}
	return ""
}

// SourceFile is the path of a data source's file: each element of its path on
// the platform, spelt by Slug.
func SourceFile(connection resource.Name, elements []string) string {
	parts := []string{"sources", string(connection)}
	for _, e := range elements {
		parts = append(parts, Slug(e))
	}
	return strings.Join(parts, "/") + ".yaml"
}

var slugPattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]{0,118}[a-z0-9_])?$`)

// Slug spells the name that a platform gives to a table, schema or database as
// a file name. A name of lower-case letters, digits, dots, dashes and
// underscores stays as it is; of any other, what cannot stay becomes a dash and
// eight digits of its SHA-256 are added, so that different names stay different
// where file names ignore case.
func Slug(name string) string {
	if slugPattern.MatchString(name) {
		return name
	}
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_':
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	stem := strings.Trim(b.String(), "-")
	stem = strings.Trim(stem[:min(len(stem), 100)], "-")
	sum := sha256.Sum256([]byte(name))
	return strings.TrimPrefix(stem+"-"+hex.EncodeToString(sum[:4]), "-")
}

// display spells a path so that it can be printed: what is not printable is escaped.
func display(file string) string {
	quoted := fmt.Sprintf("%+q", file)
	if quoted == `"`+file+`"` {
		return file
	}
	return quoted
}
