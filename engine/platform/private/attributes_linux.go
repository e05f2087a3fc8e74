package private

import "syscall"

// attributes run a child as the server's user, and end it with us.
func (s *Server) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: s.stop}
	if s.who != nil {
		attr.Credential = &syscall.Credential{Uid: s.who.uid, Gid: s.who.gid}
	}
	return attr
}
