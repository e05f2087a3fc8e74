package adopt

import (
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/resource"
)

// guess is whom an account belongs to, and on what ground, or why that is not
// known.
type guess struct {
	user           *resource.User
	account        string
	ground         string
	reason, detail string
}

// people finds the users of accounts.
type people struct {
	set   *resource.Set
	now   time.Time
	conn  *resource.Connection
	exact map[string][]*resource.User // by account
	email map[string][]*resource.User // by address, and by what stands before its @
	name  map[string][]*resource.User
}

func newPeople(set *resource.Set, conn *resource.Connection, now time.Time) *people {
	p := &people{set: set, now: now, conn: conn, exact: map[string][]*resource.User{}, email: map[string][]*resource.User{}, name: map[string][]*resource.User{}}
	for u := range resource.Of[*resource.User](set) {
		if account, ok := resource.AccountOf(u, conn); ok {
			p.exact[account] = append(p.exact[account], u)
		}
		if address := strings.ToLower(u.Spec.Email); address != "" {
			p.email[address] = append(p.email[address], u)
			if local, _, ok := strings.Cut(address, "@"); ok && local != address {
				p.email[local] = append(p.email[local], u)
			}
		}
		p.name[plainName(u.Metadata.Name)] = append(p.name[plainName(u.Metadata.Name)], u)
	}
	return p
}

// plainName is a name without what people spell in different ways.
func plainName(s string) string {
	return strings.NewReplacer("_", "-", ".", "-", " ", "-").Replace(strings.ToLower(s))
}

// guess finds the user of an account. The first that finds exactly one counts:
//
//	account of the user on the connection   certain
//	mail address, or what is before the @   a guess
//	name of the user                        a guess
func (p *people) guess(account string) guess {
	bare := account
	if name, host, ok := strings.Cut(account, "@"); ok && !strings.Contains(host, ".") { // an account of MySQL has a host
		bare = name
	}
	for _, try := range []struct {
		found  []*resource.User
		ground string
	}{
		{p.exact[account], "the account that Assent knows of"},
		{p.exact[bare], "the account that Assent knows of"},
		{p.email[strings.ToLower(account)], "a guess by mail address"},
		{p.email[strings.ToLower(bare)], "a guess by mail address"},
		{p.name[plainName(bare)], "a guess by name"},
	} {
		switch len(try.found) {
		case 0:
		case 1:
			return p.judged(try.found[0], account, try.ground)
		default:
			var names []string
			for _, u := range try.found {
				names = append(names, u.Metadata.Name)
			}
			slices.Sort(names)
			return guess{account: account, reason: "ambiguous", detail: "the account could be that of " + strings.Join(names, " or ")}
		}
	}
	return guess{account: account, reason: "unknown-account", detail: "no user is known to have this account"}
}

func (p *people) judged(u *resource.User, account, ground string) guess {
	g := guess{user: u, account: account, ground: ground}
	if !resource.Active(u, p.now) {
		g.reason, g.detail = "inactive", "the account is that of "+u.Metadata.Name+", who is not here any more"
		return g
	}
	switch known, ok := resource.AccountOf(u, p.conn); {
	case !ok:
		g.ground += "; add the account to the user's file, or a grant has to wait"
	case known != account && ground != "the account that Assent knows of":
		g.ground += "; Assent would let in the account " + printable(known)
	}
	return g
}

func (g guess) text() string {
	return printable(g.account) + " is " + g.user.Metadata.Name + ": " + g.ground
}

func (g guess) subject() resource.Subject {
	if g.user.IsService() {
		return resource.Subject{ServiceAccount: g.user.Ref().Name}
	}
	return resource.Subject{User: g.user.Ref().Name}
}
