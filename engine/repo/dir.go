package repo

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/gitdb"
)

// LoadDir reads a work tree as it is, uncommitted files included. Folders that
// start with a dot, such as .git and .github, are not entered. Entries carry no
// OID, because git may not hold the files yet.
func LoadDir(ctx context.Context, fsys fs.FS) (*Snapshot, error) {
	files, err := listDir(fsys)
	if err != nil {
		return nil, fmt.Errorf("load directory: %w", err)
	}
	snap, err := assemble(ctx, files, func(e gitdb.Entry, p place) (*checkedFile, error) {
		raw, tooLarge, err := readBounded(fsys, e.Path, readLimit(e.Path, p))
		if err != nil {
			return nil, err
		}
		return judge(e, p, raw, tooLarge)
	})
	if err != nil {
		return nil, fmt.Errorf("load directory: %w", err)
	}
	return snap, nil
}

func listDir(fsys fs.FS) ([]gitdb.Entry, error) {
	var files []gitdb.Entry
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files = append(files, gitdb.Entry{Path: file, Mode: gitMode(info.Mode())})
		return nil
	})
	slices.SortFunc(files, func(a, b gitdb.Entry) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}

// gitMode is the mode that git would record; 0 for what it would not take.
func gitMode(m fs.FileMode) gitdb.Mode {
	switch {
	case m&fs.ModeSymlink != 0:
		return gitdb.ModeSymlink
	case !m.IsRegular():
		return 0
	case m&0o100 != 0:
		return gitdb.ModeExec
	default:
		return gitdb.ModeFile
	}
}

// readBounded reads at most limit bytes, and says whether there were more.
func readBounded(fsys fs.FS, file string, limit int64) (raw []byte, tooLarge bool, err error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	raw, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, false, err
	}
	if int64(len(raw)) > limit {
		return nil, true, nil
	}
	return raw, false, nil
}
