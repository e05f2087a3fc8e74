package validate

import (
	"path"
	"regexp"
	"strings"

	"github.com/assent-dev/assent/engine/diag"
	"github.com/assent-dev/assent/engine/resource"
)

var (
	loopbackHost = regexp.MustCompile(`^(127(\.[0-9]{1,3}){3}|\[?::1\]?)$`)

	// secretShapes are what secrets look like in the places people paste them.
	secretShapes = regexp.MustCompile(`(?i)` + strings.Join([]string{
		`://[^/\s:@]+:[^/\s@]+@`, // a URL with a password
		`\b(password|passwd|pwd|secret|token|api[_-]?key)\s*[=:]\s*\S`, // a connection string
		`-----BEGIN [A-Z ]*PRIVATE KEY`,                                // a key
		`\b(AKIA|ASIA)[A-Z0-9]{16}\b`,                                  // AWS
		`\bgh[pousr]_[A-Za-z0-9]{20,}`,                                 // GitHub
		`\bgithub_pat_[A-Za-z0-9_]{20,}`,                               // GitHub
		`\bxox[abprs]-[A-Za-z0-9-]{10,}`,                               // Slack
		`https://hooks\.slack\.com/services/\S+`,                       // Slack
		`\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.`,                // a JSON web token
		`\b(sk|rk)_(live|test)_[A-Za-z0-9]{10,}`,                       // payment keys
		`\bdapi[0-9a-f]{32}\b`,                                         // Databricks
		`\bya29\.[A-Za-z0-9_-]{20,}`, `"private_key"`,                  // Google
	}, "|"))
)

// connections: the platform exists, discovery can be read, and the account
// template gives each person an account of their own.
func connections(c *check) {
	for conn := range resource.Of[*resource.Connection](c.head) {
		if c.caps != nil {
			_, ok := c.caps(conn.Spec.Platform)
			switch {
			case ok:
			case conn.Spec.Connector() != "":
				c.notKnownHere(conn)
			default:
				c.errorf(conn, at("spec", "platform"), UnknownPlatform, "unknown platform %q", conn.Spec.Platform).
					WithHint("check the spelling; this version may not have it yet")
			}
		}
		c.template(conn)
		for _, globs := range []struct {
			key  string
			list []string
		}{{"include", conn.Spec.Discover.Include}, {"exclude", conn.Spec.Discover.Exclude}} {
			for i, g := range globs.list {
				if _, err := path.Match(g, ""); err != nil {
					c.errorf(conn, at("spec", "discover", globs.key, i), DiscoverPattern, "the pattern %q is malformed", g).
						WithHint("close the bracket, or write \\[ for the sign itself")
				}
			}
		}
		for i, t := range conn.Spec.Discover.Tags {
			if _, err := path.Match(t.Match, ""); err != nil {
				c.errorf(conn, at("spec", "discover", "tags", i, "match"), DiscoverPattern, "the pattern %q is malformed", t.Match).
					WithHint("close the bracket, or write \\[ for the sign itself")
			}
		}
		if s := conn.Spec.Discover.Schedule; s != "" && (!resource.Duration(s).Valid() || resource.Duration(s) == resource.Indefinite) {
			c.errorf(conn, at("spec", "discover", "schedule"), DiscoverSchedule, "%q is no interval", s).
				WithHint("write a whole number and min, h, d or w, such as 1d")
		}
	}
}

// notKnownHere tells whoever brings a connector that its masks and levels are
// checked where it runs, once: what came before is not told again.
func (c *check) notKnownHere(conn *resource.Connection) {
	old, ok := c.before(conn.Ref())
	if was, isConnection := old.(*resource.Connection); ok && isConnection && was.Spec.Platform == conn.Spec.Platform {
		return
	}
	c.warnf(conn, at("spec", "platform"), NotKnownHere, "what the connector %q can do is not known here", conn.Spec.Connector()).
		WithHint("its masks and access levels are checked when they are applied; run assent connector test on it first")
}

func (c *check) template(conn *resource.Connection) {
	t := conn.Spec.Accounts.Template
	if t == "" {
		return
	}
	rest := strings.NewReplacer("{name}", "", "{email}", "").Replace(t)
	switch {
	case strings.ContainsAny(rest, "{}"):
		c.errorf(conn, at("spec", "accounts", "template"), AccountTemplate, "the account template has a part that is not known").
			WithHint("the parts are {name} and {email}")
	case rest == t:
		c.errorf(conn, at("spec", "accounts", "template"), AccountTemplate, "the account template gives everybody the same account").
			WithHint("use {name} or {email} in it")
	}
}

// endpoints: TLS is on unless the server is this very machine, and no two
// connections reach the same database.
func endpoints(c *check) {
	type place struct {
		platform string
		endpoint resource.Endpoint
	}
	first := map[place]*resource.Connection{}
	for conn := range resource.Of[*resource.Connection](c.head) {
		e := conn.Spec.Endpoint
		switch {
		case loopback(e.Host):
		case e.TLS == "disable":
			c.errorf(conn, at("spec", "endpoint", "tls"), TLSDisabled, "TLS is off for a server that is not this machine").
				WithHint("remove tls to verify the server, or use a loopback host")
		case e.TLS == "require":
			c.errorf(conn, at("spec", "endpoint", "tls"), TLSDisabled, "TLS without a check of the server, which is not this machine").
				WithHint("remove tls to verify the server; where its authority is one of your own, name its certificate in caFrom")
		}
		e.TLS, e.CAFrom = "", ""
		key := place{conn.Spec.Platform, e}
		if had, ok := first[key]; ok && e != (resource.Endpoint{}) {
			c.errorf(conn, at("spec", "endpoint"), SameEndpoint, "connections %q and %q reach the same database", string(had.Ref().Name), string(conn.Ref().Name)).
				WithHint("keep one of them: two would undo each other's grants").
				WithRelated(had.At("spec", "endpoint"), "reached from here first")
			continue
		}
		first[key] = conn
	}
}

// loopback: a path is a socket on this machine; any other name could be pointed elsewhere.
func loopback(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "/") || loopbackHost.MatchString(host)
}

// secrets: no text of a connection or route may look like a secret. The message
// and every report leave the value out.
func secrets(c *check) {
	for conn := range resource.Of[*resource.Connection](c.head) {
		s := conn.Spec
		texts := []text{
			{at("spec", "endpoint", "host"), s.Endpoint.Host},
			{at("spec", "endpoint", "database"), s.Endpoint.Database},
			{at("spec", "endpoint", "caFrom"), s.Endpoint.CAFrom},
			{at("spec", "accounts", "template"), s.Accounts.Template},
			{at("spec", "credentialsFrom"), s.CredentialsFrom},
		}
		c.noSecrets(conn, append(texts, metadataTexts(conn.Metadata)...))
	}
	for route := range resource.Of[*resource.NotificationRoute](c.head) {
		c.noSecrets(route, append(metadataTexts(route.Metadata),
			text{at("spec", "template"), route.Spec.Template}, text{at("spec", "endpointFrom"), route.Spec.EndpointFrom}))
	}
}

type text struct {
	path  []any
	value string
}

func metadataTexts(m resource.Metadata) []text {
	out := []text{{at("metadata", "title"), m.Title}, {at("metadata", "description"), m.Description}}
	for _, group := range []struct {
		key string
		all map[string]string
	}{{"labels", m.Labels}, {"annotations", m.Annotations}} {
		for k, v := range group.all {
			out = append(out, text{at("metadata", group.key, k), v})
		}
	}
	return out // the list of diagnostics is sorted, so the order here is free
}

func (c *check) noSecrets(r resource.Resource, all []text) {
	for _, t := range all {
		if secretShapes.MatchString(t.value) {
			d := c.errorf(r, t.path, Secret, "this looks like a secret, and Git would keep it for ever").
				WithHint("take it out, change it where it is used, and refer to it with env:// or file://")
			d.Width = diag.Hidden
		}
	}
}

// connectionOf is the first segment of a source name or path.
func connectionOf(n resource.Name) (conn resource.Name, ok bool) {
	first, _, _ := strings.Cut(string(n), "/")
	return resource.Name(first), first != ""
}

// sourcePaths: a table has a place in a schema only where the platform has
// schemas.
func sourcePaths(c *check) {
	if c.caps == nil {
		return
	}
	for d := range resource.Of[*resource.DataSource](c.head) {
		conn, ok := resource.Get[*resource.Connection](c.head, resource.KindConnection, d.Spec.Connection)
		if !ok {
			continue
		}
		can, ok := c.caps(conn.Spec.Platform)
		if !ok || can.PathParts == 0 || can.PathParts == len(d.Spec.Path) {
			continue
		}
		want := "database, schema and table"
		if can.PathParts == 2 {
			want = "database and table"
		}
		c.errorf(d, at("spec", "path"), SourceParts, "the path has %d parts, and on %s a table is found by %s", len(d.Spec.Path), conn.Spec.Platform, want).
			WithHint("write %s, and move the file to where that lies below sources/", want)
	}
}
