package postgres

import "syscall"

// asUser runs a child as another user, and ends it with us.
func asUser(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Pdeathsig: syscall.SIGINT}
}
