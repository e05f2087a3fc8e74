package connector

import (
	"io/fs"
	"os"
	"os/exec"
)

func alone(*exec.Cmd) {}

func killAll(p *os.Process) { _ = p.Kill() }

// Windows keeps rights in lists that a mode does not show: there, the directory
// is the operator's to guard.
func writableByOthers(fs.FileInfo) bool { return false }

func executable(fs.FileInfo) bool { return true }

func ownedByUs(fs.FileInfo) bool { return true }
