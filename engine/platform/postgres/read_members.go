package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assent-dev/assent/engine/resource"
)

// readBookMembers reads one row for each role, with all its people.
func (s *snapshot) readBookMembers(ctx context.Context, tx pgx.Tx) error {
	type people struct {
		role     string
		accounts []string
		until    []*time.Time
		requests []string
		ending   []bool
	}
	var all []people
	var p people
	total := 0
	err := each(ctx, tx, `
		SELECT role, array_agg(account), array_agg(not_after), array_agg(requests), array_agg(ending) FROM assent.member GROUP BY role`, nil,
		[]any{&p.role, &p.accounts, &p.until, &p.requests, &p.ending}, func() error {
			total += len(p.accounts)
			all = append(all, p)
			p = people{}
			return nil
		})
	s.book.members = make(map[memberKey]bookMember, total)
	known := map[string][]resource.Ref{}
	for _, p := range all {
		for i, account := range p.accounts {
			n := bookMember{ending: p.ending[i]}
			if p.until[i] != nil {
				n.notAfter = p.until[i].UTC()
			}
			refs, ok := known[p.requests[i]]
			if !ok {
				if json.Unmarshal([]byte(p.requests[i]), &refs) != nil {
					refs = nil // edited by hand: it differs from what is wanted, and is written anew
				}
				known[p.requests[i]] = refs
			}
			n.requests = refs
			s.book.setMember(memberKey{p.role, account}, n)
		}
	}
	return err
}

// readMembers reads one row for each role, grantor and options, and apart from
// them what the people are called: a join of many thousands would hang on what
// the server's statistics say, which after a mass change they do not.
func (s *snapshot) readMembers(ctx context.Context, tx pgx.Tx, _ *wanted) error {
	options, group := "true, true", "1, 2, 3" // before 16 the grantor means nothing
	if s.version >= 160000 {
		options, group = "m.inherit_option, m.set_option", "1, 2, 3, 4, 5"
	}
	names, ours := make(map[uint32]string, len(s.roles)), s.bookOIDs()
	for name, r := range s.roles {
		now := cmp.Or(r.nowCalled, name)
		names[r.oid] = now
		if strings.HasPrefix(now, "assent_") {
			ours = append(ours, r.oid)
		}
	}
	type people struct {
		of       uint32
		accounts []uint32
		m        membership
	}
	var all []people
	var p people
	unknown := map[uint32]bool{}
	err := each(ctx, tx, `
		SELECT m.roleid, m.grantor, m.admin_option, `+options+`, array_agg(m.member) FROM pg_auth_members m
		WHERE m.roleid = ANY ($1::oid[]) OR m.member = ANY ($1::oid[]) GROUP BY `+group, []any{ours},
		[]any{&p.of, &p.m.grantorID, &p.m.admin, &p.m.inherit, &p.m.set, &p.accounts}, func() error {
			for _, oid := range append(p.accounts, p.of) {
				if names[oid] == "" {
					unknown[oid] = true
				}
			}
			all = append(all, p)
			p = people{}
			return nil
		})
	if err != nil {
		return err
	}
	if err := readNamesOf(ctx, tx, keys(unknown), names); err != nil {
		return err
	}
	for _, p := range all {
		p.m.privileged = s.version < 160000 || p.m.grantorID == s.engineID || s.engineSuper && p.m.grantorID == bootstrapOID
		s.joins(names, p.of, p.accounts, p.m)
	}
	for _, r := range s.roles {
		slices.Sort(r.joined)
		slices.SortFunc(r.members, func(x, y membership) int {
			if c := strings.Compare(x.account, y.account); c != 0 {
				return c
			}
			return cmp.Compare(x.grantorID, y.grantorID)
		})
	}
	return nil
}

// joins notes memberships that are alike but for the account.
func (s *snapshot) joins(names map[uint32]string, of uint32, accounts []uint32, m membership) {
	r := s.roles[s.booked(names[of])]
	if r != nil {
		r.members = slices.Grow(r.members, len(accounts))
	}
	for _, oid := range accounts {
		if m.account = names[oid]; m.account == "" {
			continue // dropped, and the membership with it
		}
		if r != nil {
			r.members = append(r.members, m)
		}
		if a := s.roles[s.booked(m.account)]; a != nil {
			a.joined = append(a.joined, names[of])
		}
	}
}

// readNamesOf adds what roles are called.
func readNamesOf(ctx context.Context, tx pgx.Tx, oids []uint32, names map[uint32]string) error {
	if len(oids) == 0 {
		return nil
	}
	var found []uint32
	var called []string
	err := tx.QueryRow(ctx, `SELECT coalesce(array_agg(oid), '{}'), coalesce(array_agg(rolname::text), '{}') FROM pg_roles WHERE oid = ANY ($1::oid[])`, oids).
		Scan(&found, &called)
	for i, oid := range found {
		names[oid] = called[i]
	}
	return err
}
