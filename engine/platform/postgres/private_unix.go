//go:build unix && !linux

package postgres

import "syscall"

// asUser runs a child as another user.
func asUser(who *account) *syscall.SysProcAttr {
	if who == nil {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.uid, Gid: who.gid}}
}
