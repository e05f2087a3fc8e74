//go:build unix && !linux

package private

import "syscall"

// attributes run a child as the server's user.
func (s *Server) attributes() *syscall.SysProcAttr {
	if s.who == nil {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.who.uid, Gid: s.who.gid}}
}
