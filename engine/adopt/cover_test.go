package adopt_test

import (
	"testing"

	"github.com/assent-dev/assent/engine/adopt"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/resource"
)

func source(table string, columns ...string) *resource.DataSource {
	d := &resource.DataSource{Header: resource.Header{Kind: resource.KindDataSource}}
	d.Metadata.Name = table
	d.Source.File = "sources/dw/shop/public/" + table + ".yaml"
	d.Spec = resource.DataSourceSpec{Connection: "dw", Path: []string{"shop", "public", table}, Kind: "table"}
	for _, c := range columns {
		d.Spec.Columns = append(d.Spec.Columns, resource.Column{Name: c})
	}
	return d
}

func has(principal, privilege, table string, columns ...string) platform.Foreign {
	return platform.Foreign{Principal: principal, Privilege: privilege, Path: []string{"shop", "public", table}, Columns: columns, Grantor: "owner"}
}

func TestCoveredIsWhatTheSamePersonHasFromUs(t *testing.T) {
	set := resource.NewSet(source("orders", "id", "total"))
	key := func(scope string, level resource.AccessLevel) grant.RoleKey {
		return grant.RoleKey{Connection: "dw", Scope: resource.Ref{Kind: resource.KindDataProduct, Name: resource.Name(scope)}, Access: level, Profile: grant.DefaultProfile}
	}
	object := func(columns ...string) grant.Object {
		o := grant.Object{Path: []string{"shop", "public", "orders"}, Kind: "table"}
		for _, c := range columns {
			o.Columns = append(o.Columns, grant.Column{Name: c})
		}
		return o
	}
	give := func(k grant.RoleKey, who string) grant.Grant {
		return grant.Grant{RoleKey: k, Principal: who, Requests: []resource.Ref{{Kind: resource.KindAccessRequest, Name: resource.Name(who + "-1")}}}
	}
	whole, part, write := key("whole", resource.Read), key("part", resource.Read), key("write", resource.Write)
	both := grant.State{
		Roles:  []grant.Role{{RoleKey: whole, Objects: []grant.Object{object("id", "total")}}, {RoleKey: part, Objects: []grant.Object{object("id")}}, {RoleKey: write, Objects: []grant.Object{object("id", "total")}}},
		Grants: []grant.Grant{give(whole, "ana"), give(part, "ben"), give(write, "cyd")},
	}
	seen := both
	seen.Grants = append(seen.Grants[:3:3], give(whole, "stray")) // on the platform, and wanted by nothing
	wanted := both
	wanted.Grants = append(wanted.Grants[:3:3], give(whole, "soon")) // wanted, and not there yet
	cover := adopt.NewCover(set, "dw", wanted, seen, map[string][]string{"team": {"ana", "cyd"}, "mixed": {"ana", "ben"}, "empty": nil})
	grantable := has("ana", "SELECT", "orders")
	grantable.Grantable = true
	for _, tt := range []struct {
		foreign platform.Foreign
		want    int
	}{
		{has("ana", "SELECT", "orders"), 1},
		{has("ana", "select", "orders"), 1},
		{has("ana", "SELECT", "orders", "id"), 1},
		{has("ana", "INSERT", "orders"), 0},
		{has("ana", "SELECT", "people"), 0},
		{has("ben", "SELECT", "orders"), 0},
		{has("ben", "SELECT", "orders", "id"), 1},
		{has("ben", "SELECT", "orders", "id", "total"), 0},
		{has("cyd", "UPDATE", "orders"), 1},
		{has("cyd", "TRUNCATE", "orders"), 0},
		{has("stray", "SELECT", "orders"), 0},
		{has("soon", "SELECT", "orders"), 0},
		{has("PUBLIC", "SELECT", "orders"), 0},
		{has("team", "SELECT", "orders"), 2},
		{has("mixed", "SELECT", "orders"), 0},
		{has("empty", "SELECT", "orders"), 0},
		{grantable, 0},
	} {
		if got := cover.Of(tt.foreign); len(got) != tt.want {
			t.Errorf("%+v is covered by %v, want %d", tt.foreign, got, tt.want)
		}
	}
}
