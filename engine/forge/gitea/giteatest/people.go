package giteatest

import (
	"context"
	"net/http"
	"time"

	"github.com/assent-dev/assent/engine/platform/private"
)

// GiveAway renames somebody's account and gives the login that is free then to a
// stranger. Both go on by the names that Person knows them by.
func (s *Server) GiveAway(ctx context.Context, name, stranger string) error {
	was, err := s.Person(ctx, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.API(ctx, s.admin, http.MethodPost, "admin/users/"+was.Login+"/rename", map[string]string{"new_username": was.Login + "-2"}, nil); err != nil {
		return err
	}
	p, err := s.account(ctx, was.Login, stranger)
	if err != nil {
		return err
	}
	s.people[stranger] = p
	was.Login += "-2"
	s.people[name] = was
	return nil
}

// account makes an account with a token.
func (s *Server) account(ctx context.Context, login, mail string) (Person, error) {
	password := private.Secret()
	var p Person
	err := s.API(ctx, s.admin, http.MethodPost, "admin/users", map[string]any{
		"username": login, "email": mail + s.suffix + "@example.com", "password": password, "must_change_password": false,
	}, &p)
	if err != nil {
		return Person{}, err
	}
	// No more than examples/gitea asks for.
	p.Token, err = s.login(ctx, p.Login, password, "write:repository", "write:issue", "read:user")
	return p, err
}

// Dated is the same repository, where commits say that they were made at a time.
func (r *Repository) Dated(at time.Time) *Repository {
	dated := *r
	dated.now = func() time.Time { return at }
	return &dated
}

// Collaborate gives somebody a permission: read, write or admin.
func (r *Repository) Collaborate(ctx context.Context, name, permission string) error {
	p, err := r.Person(ctx, name)
	if err != nil {
		return err
	}
	return r.API(ctx, r.admin, http.MethodPut, r.Path("collaborators/%s", p.Login), map[string]any{"permission": permission}, nil)
}
