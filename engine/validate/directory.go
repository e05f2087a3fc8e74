package validate

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

// circularGroups: a group may not contain itself through others. Each circle is
// told once, at the group of it whose name sorts first.
func circularGroups(c *check) {
	next := map[resource.Name][]resource.Name{}
	for g := range resource.Of[*resource.Group](c.head) {
		for _, m := range g.Spec.Members {
			if m.Group != "" {
				next[g.Ref().Name] = append(next[g.Ref().Name], m.Group)
			}
		}
	}
	for g := range resource.Of[*resource.Group](c.head) {
		circle, ok := circleFrom(g.Ref().Name, next)
		if !ok {
			continue
		}
		at := 0
		for i, m := range g.Spec.Members {
			if m.Group == circle[1] {
				at = i
				break
			}
		}
		c.errorf(g, below(nil, "spec", "members", at, "group"), CircularGroup, "group %q contains itself: %s", string(g.Ref().Name), strings.Join(texts(circle), " → ")).
			WithHint("take one of these memberships away")
	}
}

// circularManagers: nobody is their own manager, through others either.
func circularManagers(c *check) {
	next := map[resource.Name][]resource.Name{}
	for u := range resource.Of[*resource.User](c.head) {
		if u.Spec.Manager != "" {
			next[u.Ref().Name] = []resource.Name{u.Spec.Manager}
		}
	}
	for u := range resource.Of[*resource.User](c.head) {
		if circle, ok := circleFrom(u.Ref().Name, next); ok {
			c.errorf(u, at("spec", "manager"), CircularManager, "%q is their own manager: %s", string(u.Ref().Name), strings.Join(texts(circle), " → ")).
				WithHint("take one manager out of the circle")
		}
	}
}

// circleFrom finds a shortest way from start back to it; ok only where start is
// the first by name on that way, so that one circle is told once.
func circleFrom(start resource.Name, next map[resource.Name][]resource.Name) (circle []resource.Name, ok bool) {
	from := map[resource.Name]resource.Name{}
	queue := []resource.Name{start}
	for len(queue) > 0 {
		cur := queue[0]
		queue = queue[1:]
		for _, n := range next[cur] {
			if n == start {
				circle = []resource.Name{start}
				for p := cur; p != start; p = from[p] {
					circle = append(circle, p)
				}
				circle = append(circle, start)
				slices.Reverse(circle)
				return circle, slices.Min(circle) == start
			}
			if _, seen := from[n]; !seen {
				from[n] = cur
				queue = append(queue, n)
			}
		}
	}
	return nil, false
}

// owner is who holds something first, and where it says so.
type owner struct {
	user *resource.User
	path []any
}

// sharedKeys: a signature has to prove one person. Two keys of one person are fine.
func sharedKeys(c *check) {
	first := map[string]owner{}
	for u := range resource.Of[*resource.User](c.head) {
		for i, line := range u.Spec.Forge.SSH {
			path := at("spec", "forge", "ssh", i)
			blob, problem := keyBlob(line)
			if problem != "" {
				c.errorf(u, path, MalformedKey, "%s", problem).
					WithHint("paste the one line of the .pub file, such as ssh-ed25519 AAAA…")
				continue
			}
			if had, ok := first[blob]; ok {
				c.shared(SharedKey, u, path, had, "ssh key")
				continue
			}
			first[blob] = owner{u, path}
		}
	}
}

// keyBlob is the key itself without type and comment, or what is wrong with the
// line. The blob repeats the type, each length in front of its bytes.
func keyBlob(line string) (blob, problem string) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", "this is no public key: a type and a key belong on one line"
	}
	if strings.Contains(line, "PRIVATE KEY") {
		return "", "this is a private key"
	}
	raw, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", "this is no public key: the part after the type is not base64"
	}
	if len(raw) < 4 || uint64(binary.BigEndian.Uint32(raw)) > uint64(len(raw)-4) {
		return "", "this public key is cut short"
	}
	n := int(binary.BigEndian.Uint32(raw))
	if string(raw[4:4+n]) != fields[0] {
		return "", "this public key says one type and holds another"
	}
	for rest := raw; len(rest) > 0; {
		if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return "", "this public key is cut short"
		}
		rest = rest[4+int(binary.BigEndian.Uint32(rest)):]
	}
	return string(raw), ""
}

// sharedForgeAccounts: people count, not accounts, so that an account has to
// stand for one of them.
func sharedForgeAccounts(c *check) {
	oneAccountEach(c, "github", "GitHub account", func(f resource.UserForge) int64 {
		if f.GitHub == nil {
			return 0
		}
		return f.GitHub.ID
	})
	oneAccountEach(c, "gitea", "Gitea account", func(f resource.UserForge) int64 {
		if f.Gitea == nil {
			return 0
		}
		return f.Gitea.ID
	})
}

func oneAccountEach(c *check, field, what string, id func(resource.UserForge) int64) {
	first := map[int64]owner{}
	path := at("spec", "forge", field, "id")
	for u := range resource.Of[*resource.User](c.head) {
		account := id(u.Spec.Forge)
		if account == 0 {
			continue
		}
		if had, ok := first[account]; ok {
			c.shared(SharedForge, u, path, had, what)
			continue
		}
		first[account] = owner{u, path}
	}
}

// sharedAccounts: a grant to a shared platform account would let in everybody
// behind it.
func sharedAccounts(c *check) {
	for conn := range resource.Of[*resource.Connection](c.head) {
		first := map[string]owner{}
		for u := range resource.Of[*resource.User](c.head) {
			account, ok := resource.AccountOf(u, conn)
			if !ok {
				continue
			}
			path := at("metadata", "name")
			if _, stated := u.Spec.Accounts[conn.Ref().Name]; stated {
				path = at("spec", "accounts", string(conn.Ref().Name))
			}
			if had, ok := first[account]; ok {
				c.shared(SharedAccount, u, path, had, "account on "+string(conn.Ref().Name))
				continue
			}
			first[account] = owner{u, path}
		}
	}
}

func (c *check) shared(code diag.Code, u *resource.User, path []any, had owner, what string) {
	c.errorf(u, path, code, "%q and %q have the same %s", string(had.user.Ref().Name), string(u.Ref().Name), what).
		WithHint("one person is one user: merge the two files, or give each their own").
		WithRelated(had.user.At(had.path...), "used here first")
}

// serviceOwners: somebody has to answer for a service account.
func serviceOwners(c *check) {
	for u := range resource.Of[*resource.User](c.head) {
		switch {
		case u.IsService() && u.Spec.Owner == "":
			c.errorf(u, at("spec", "kind"), ServiceOwner, "service account %q has no owner", string(u.Ref().Name)).
				WithHint("add owner with the person who answers for it")
		case !u.IsService() && u.Spec.Owner != "":
			c.errorf(u, at("spec", "owner"), ServiceOwner, "%q is a person, and only service accounts have an owner", string(u.Ref().Name)).
				WithHint("write manager, or kind: service")
		case u.IsService():
			if o, ok := resource.UserOf(c.head, u.Spec.Owner); ok && !o.IsService() && !resource.Active(o, c.now) && resource.Active(u, c.now) {
				c.warnf(u, at("spec", "owner"), ServiceOwner, "the owner of service account %q has left", string(u.Ref().Name)).
					WithHint("name another person").
					WithRelated(o.At("metadata", "name"), "%s is defined here", name(o.Ref()))
			}
		}
	}
}
