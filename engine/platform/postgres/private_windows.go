package postgres

import "syscall"

// asUser changes nothing: nobody is root here.
func asUser(*account) *syscall.SysProcAttr { return nil }
