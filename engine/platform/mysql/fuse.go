package mysql

import (
	"time"
)

// lastFuse is the last second that an event can be set to. A grant that ends
// later has no event: the engine ends it, or sets one once it is extended.
var lastFuse = time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC)

// fuseName is the name of the event that ends one account's access to one role.
func (s *snapshot) fuseName(role string, who account) string {
	return "fuse_" + digest(role + "\x00" + who.user + "\x00" + who.host)[:32]
}

// fuseText is what the event does.
func (s *snapshot) fuseText(role string, who account) string {
	return "REVOKE " + ident(role) + " FROM " + s.grantee(s.holder(who))
}

// fuse sets the event that ends the access of an account to a role, be the engine
// alive or not; it takes it away where the access has no end.
func (b *builder) fuse(role string, who account, notAfter time.Time) {
	if notAfter.IsZero() || notAfter.After(lastFuse) {
		b.dropFuse(role, who)
		return
	}
	if b.s.fused(role, who, notAfter) {
		return
	}
	name := b.s.fuseName(role, who)
	verb, how := "CREATE", ""
	if _, ok := b.s.events[name]; ok {
		verb, how = "ALTER", " ENABLE"
	}
	b.touch(who)
	text := b.s.fuseText(role, who)
	b.add("end the access in time, whether the engine runs or not", verb+" DEFINER = "+fuseOwner.quoted()+" EVENT "+ident(bookDatabase, name)+
		" ON SCHEDULE AT "+instant(notAfter)+" ON COMPLETION NOT PRESERVE"+how+" DO "+text)
	b.s.events[name] = event{definer: fuseOwner.String(), timeZone: "+00:00", status: "ENABLED", text: text, at: notAfter}
}

// fused reports whether the event is as it should be.
func (s *snapshot) fused(role string, who account, notAfter time.Time) bool {
	e, ok := s.events[s.fuseName(role, who)]
	return ok && e.definer == fuseOwner.String() && e.timeZone == "+00:00" && e.status == "ENABLED" &&
		e.at.Equal(notAfter) && e.text == s.fuseText(role, who)
}

func (b *builder) dropFuse(role string, who account) {
	name := b.s.fuseName(role, who)
	if _, ok := b.s.events[name]; ok {
		b.touch(who)
		b.add("no event needs to end this access", "DROP EVENT IF EXISTS "+ident(bookDatabase, name))
		delete(b.s.events, name)
	}
}
