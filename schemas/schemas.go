// Package schemas holds one JSON Schema (draft-07) for each kind of resource.
// The files are what editors show and what the engine checks; they are written
// by hand, closed, and need nothing but themselves. The package only carries
// them: it neither compiles nor applies a schema.
package schemas

import (
	"embed"
	"io/fs"
)

//go:embed *.json
var files embed.FS

// FS holds the schema files at its root, to be published or served as they are.
func FS() fs.FS { return files }

// FileFor is the name of the schema file of a kind, such as user.json.
func FileFor(kind string) (name string, ok bool) {
	switch kind {
	case "Repository":
		return "repository.json", true
	case "User":
		return "user.json", true
	case "Group":
		return "group.json", true
	case "Connection":
		return "connection.json", true
	case "DataSource":
		return "data-source.json", true
	case "MaskingPolicy":
		return "masking-policy.json", true
	case "Domain":
		return "domain.json", true
	case "DataProduct":
		return "data-product.json", true
	case "RequestForm":
		return "request-form.json", true
	case "DataUseAgreement":
		return "data-use-agreement.json", true
	case "AccessRequest":
		return "access-request.json", true
	case "AccessReview":
		return "access-review.json", true
	case "NotificationRoute":
		return "notification-route.json", true
	default:
		return "", false
	}
}

// ForKind is the name and content of the schema of a kind; ok is false for a
// kind that does not exist.
func ForKind(kind string) (name string, data []byte, ok bool) {
	name, ok = FileFor(kind)
	if !ok {
		return "", nil, false
	}
	data, err := files.ReadFile(name)
	return name, data, err == nil
}
