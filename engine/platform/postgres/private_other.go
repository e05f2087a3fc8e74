//go:build !linux

package postgres

import "syscall"

// asUser runs a child as another user.
func asUser(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who}
}
