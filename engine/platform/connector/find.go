package connector

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

// namePattern is what a connector may be called. It can hold no path.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// Find is the program of a connector: the file NAME in the operator's directory.
// The file and the directory must belong to this user or to root, and only the
// owner may write to them; a symbolic link is refused, because others may own
// what it leads to.
func Find(connection resource.Name, dir, name string) (string, error) {
	refuse := func(hint, format string, args ...any) error {
		return &platform.Error{Connection: connection, Code: platform.BadConnector, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	if !namePattern.MatchString(name) {
		return "", refuse("write connector/NAME, in lower case letters, digits and hyphens", "%q is no name of a connector", name)
	}
	if dir == "" {
		return "", refuse("set ASSENT_CONNECTORS to the directory that holds the connectors this machine may run",
			"no connector may be run here")
	}
	if !filepath.IsAbs(dir) {
		return "", refuse("write an absolute path", "ASSENT_CONNECTORS is %s, which depends on where one stands", dir)
	}
	file := filepath.Join(dir, name)
	for _, p := range []string{dir, file} {
		info, err := os.Lstat(p)
		switch {
		case err != nil && p == file:
			return "", refuse("install the connector there, or correct the platform of the connection", "there is no connector %s in %s", name, dir)
		case err != nil:
			return "", refuse("make the directory that ASSENT_CONNECTORS names", "there is no directory %s", dir)
		case p == dir && !info.IsDir(), p == file && !info.Mode().IsRegular():
			return "", refuse("put the program itself there, no link to it", "%s is a %s", p, kindOf(info.Mode()))
		case writableByOthers(info):
			return "", refuse("chmod go-w "+p, "others than the owner may write to %s", p)
		case !ownedByUs(info):
			return "", refuse("chown it to root, or to the user that Assent runs as", "%s belongs to another user", p)
		case p == file && !executable(info):
			return "", refuse("chmod +x "+p, "%s is not executable", p)
		}
	}
	return file, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsDir():
		return "directory"
	case m.IsRegular():
		return "file"
	default:
		return "special file"
	}
}
