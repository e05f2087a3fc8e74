package connector

import (
	"context"
	"slices"

	"github.com/assent-dev/assent/engine/platform"
)

// The optional interfaces, each on its own, so that a platform has exactly
// those that its connector offers.
type (
	inspector struct{ c *Connector }
	releaser  struct{ c *Connector }
	auditor   struct{ c *Connector }
)

// Effective implements platform.Inspector.
func (i inspector) Effective(ctx context.Context, q platform.Question) (platform.Effective, error) {
	var out platform.Effective
	if err := i.c.s.Call(ctx, methodEffective, q, &out); err != nil {
		return platform.Effective{}, err
	}
	if out.Access == nil {
		return platform.Effective{}, i.c.s.bad(methodEffective, errSilent)
	}
	return out, nil
}

// Release implements platform.Releaser.
func (r releaser) Release(ctx context.Context, path []string, dry bool) ([]platform.Statement, error) {
	var out statementsResult
	if err := r.c.s.Call(ctx, methodRelease, releaseParams{path, dry}, &out); err != nil {
		return nil, err
	}
	return r.c.shown(methodRelease, out.Statements)
}

// SelfAudit implements platform.SelfAuditor.
func (a auditor) SelfAudit(ctx context.Context) ([]platform.Finding, error) {
	var out auditResult
	if err := a.c.s.Call(ctx, methodSelfAudit, empty{}, &out); err != nil {
		return nil, err
	}
	if out.Findings == nil {
		return nil, a.c.s.bad(methodSelfAudit, errSilent)
	}
	for i, f := range out.Findings {
		out.Findings[i].Text, out.Findings[i].Fix = clean(f.Text, a.c.s.secrets), clean(f.Fix, a.c.s.secrets)
	}
	return out.Findings, nil
}

// offered gives a connector the methods that it offers.
func offered(c *Connector) platform.Platform {
	has := func(method string) bool { return slices.Contains(c.s.hello.Offers, method) }
	i, r, a := inspector{c}, releaser{c}, auditor{c}
	switch [3]bool{has(methodEffective), has(methodRelease), has(methodSelfAudit)} {
	case [3]bool{true, true, true}:
		return struct {
			*Connector
			inspector
			releaser
			auditor
		}{c, i, r, a}
	case [3]bool{true, true, false}:
		return struct {
			*Connector
			inspector
			releaser
		}{c, i, r}
	case [3]bool{true, false, true}:
		return struct {
			*Connector
			inspector
			auditor
		}{c, i, a}
	case [3]bool{false, true, true}:
		return struct {
			*Connector
			releaser
			auditor
		}{c, r, a}
	case [3]bool{true, false, false}:
		return struct {
			*Connector
			inspector
		}{c, i}
	case [3]bool{false, true, false}:
		return struct {
			*Connector
			releaser
		}{c, r}
	case [3]bool{false, false, true}:
		return struct {
			*Connector
			auditor
		}{c, a}
	default:
		return c
	}
}
