package gitdb

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// manyFiles is from where on one call for the whole file system costs less than
// one for each file.
const manyFiles = 64

// syncFiles puts files below dir on disk.
func syncFiles(dir string, files []string) error {
	if len(files) < manyFiles {
		return syncEach(files)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
