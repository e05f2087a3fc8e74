package resource

import (
	"slices"
	"strings"
)

// Mode says how much Assent may do on a connection, or on one of its levels. The
// nearest level that states a mode wins, then the connection; observe unless
// stated. This table is what the modes mean, for every package:
//
//	what was found                                        observe   adopt    enforce
//	our grant whose end has passed, or whose every        ended     ended    ended
//	  approval is gone
//	an approval that is not carried out yet, or not any   told of   done     done
//	  more: somebody joins, stays longer, a role comes
//	a role that main changed since we made it             told of   done     done
//	a role of ours that shows more than we made it show   told of   told of  mended
//	a member of our role that no approval ever let in     told of   told of  ended
//	access that others gave                               told of   told of  told of
//
// Nothing is ever written in observe but the end of what Assent itself granted
// there before: an approval until a date is a promise, whatever the mode became.
// In adopt nobody joins a role that shows more than it should.
//
// A role has the mode of its sources. Where these differ, sources in observe are
// left out of it; if those that remain are not all in enforce, it is in adopt. A
// role all of whose sources are in observe is in observe, and left as it is.
type Mode string

// The modes.
const (
	ModeObserve Mode = "observe"
	ModeAdopt   Mode = "adopt"
	ModeEnforce Mode = "enforce"
)

// Acts reports whether approvals are carried out in this mode.
func (m Mode) Acts() bool { return m == ModeAdopt || m == ModeEnforce }

// Future says when a table that appears below a level is opened to those whose
// approved request covers the level.
type Future string

// The futures of a level.
const (
	// FutureDeclared: when its DataSource file is on main. This counts unless stated.
	FutureDeclared Future = "declared"
	// FutureDiscovered: within one round after discovery finds it, behind the masks
	// that policies put on it.
	FutureDiscovered Future = "discovered"
)

// NewTag is the tag of a data source that nobody has looked at yet: discovery
// found it, and no file declares it, or its file still says so. On a source it
// counts for all its columns, and on a new column of a known source for that one,
// so that a masking policy for the tag hides them. Whoever has looked removes it.
const NewTag = "new"

// ModeAt is the mode at a level: database, database/schema, or empty for the
// connection itself.
func (c *Connection) ModeAt(level string) Mode {
	if l := c.nearest(level, func(l ConnectionLevel) bool { return l.Mode != "" }); l != nil {
		return l.Mode
	}
	if c.Spec.Mode == "" {
		return ModeObserve
	}
	return c.Spec.Mode
}

// Furthest is the mode of the connection or of the level of it that goes furthest:
// in observe, Assent acts nowhere on the connection.
func (c *Connection) Furthest() Mode {
	modes := []Mode{ModeObserve, ModeAdopt, ModeEnforce}
	furthest := c.ModeAt("")
	for _, l := range c.Spec.Levels {
		if slices.Index(modes, l.Mode) > slices.Index(modes, furthest) {
			furthest = l.Mode
		}
	}
	return furthest
}

// FutureAt is what becomes of tables that appear in a level.
func (c *Connection) FutureAt(level string) Future {
	if l := c.nearest(level, func(l ConnectionLevel) bool { return l.Future != "" }); l != nil {
		return l.Future
	}
	return FutureDeclared
}

// nearest is the level itself, or the nearest above it, that says what is asked
// for. Of two with one path, the first in the file counts.
func (c *Connection) nearest(level string, says func(ConnectionLevel) bool) *ConnectionLevel {
	for {
		for i := range c.Spec.Levels {
			if l := &c.Spec.Levels[i]; l.Path == level && says(*l) {
				return l
			}
		}
		if level == "" {
			return nil
		}
		level = level[:max(0, strings.LastIndexByte(level, '/'))]
	}
}

// LevelOf splits the name of a data source, or a path such as warehouse/shop, into
// its connection and what lies between it and the last element.
func LevelOf(source Name) (connection Name, level string) {
	first, rest, _ := strings.Cut(string(source), "/")
	return Name(first), rest[:max(0, strings.LastIndexByte(rest, '/'))]
}

// LevelRef names a level of a connection, the connection itself among them, by
// the path of a request for it.
func LevelRef(path string) Ref { return Ref{KindLevel, Name(strings.TrimSuffix(path, "/"))} }

// Below reports whether a data source lies below a path: connection, database
// and schema as the folders below sources/ are called.
func Below(path string, source Name) bool {
	path = strings.TrimSuffix(path, "/")
	return len(source) > len(path) && source[len(path)] == '/' && string(source[:len(path)]) == path
}
