package resource

import "strings"

// Repository is assent.yaml: which repository this is, where its ledger lives
// and which keys sign it.
type Repository struct {
	Header `yaml:",inline"`
	Spec   RepositorySpec `yaml:"spec" json:"spec"`
}

// RepositorySpec is the body of a Repository.
type RepositorySpec struct {
	// ID never changes and is part of every digest, so that nothing signed here counts elsewhere.
	ID       string             `yaml:"id" json:"id"`
	Forge    string             `yaml:"forge" json:"forge"`                       // local, github or gitea
	GitHub   *GitHubRepository  `yaml:"github,omitempty" json:"github,omitempty"` // with forge github
	Gitea    *GiteaRepository   `yaml:"gitea,omitempty" json:"gitea,omitempty"`   // with forge gitea
	Branch   string             `yaml:"branch,omitempty" json:"branch,omitempty"`
	Ledger   LedgerSpec         `yaml:"ledger,omitempty" json:"ledger,omitzero"`
	Defaults RepositoryDefaults `yaml:"defaults,omitempty" json:"defaults,omitzero"`
	Limits   RepositoryLimits   `yaml:"limits,omitempty" json:"limits,omitzero"`
	// BreakGlass allows emergency access; without it there is none.
	BreakGlass *BreakGlass `yaml:"breakGlass,omitempty" json:"breakGlass,omitempty"`
}

// GitHubRepository says which repository of GitHub this is. The id counts, for a
// name can be taken over.
type GitHubRepository struct {
	Repository string `yaml:"repository" json:"repository"`             // OWNER/NAME
	ID         int64  `yaml:"id" json:"id"`                             // `gh api repos/OWNER/NAME --jq .id`
	API        string `yaml:"api,omitempty" json:"api,omitempty"`       // of an Enterprise Server: https://HOST/api/v3
	Engine     int64  `yaml:"engine,omitempty" json:"engine,omitempty"` // numeric id of the account that the engine acts as
	Method     string `yaml:"method,omitempty" json:"method,omitempty"` // merge (unless stated), squash, rebase or queue
}

// GiteaRepository says which repository of which Gitea this is. The id counts, for
// a name can be taken over.
type GiteaRepository struct {
	URL        string `yaml:"url" json:"url"`                           // of the server, as people open it in a browser
	Repository string `yaml:"repository" json:"repository"`             // OWNER/NAME
	ID         int64  `yaml:"id" json:"id"`                             // GET /api/v1/repos/OWNER/NAME tells it
	Engine     int64  `yaml:"engine,omitempty" json:"engine,omitempty"` // numeric id of the account that the engine acts as
	Method     string `yaml:"method,omitempty" json:"method,omitempty"` // merge (unless stated), squash, rebase or queue
}

// BreakGlass says who may open data in an emergency, together, and for how long.
type BreakGlass struct {
	Group        Name     `yaml:"group" json:"group"`
	People       int      `yaml:"people,omitempty" json:"people,omitempty"`             // distinct people of Group who must agree; 2 unless stated, never fewer
	MaxDuration  Duration `yaml:"maxDuration,omitempty" json:"maxDuration,omitempty"`   // 4h unless stated, never longer
	ReviewWithin Duration `yaml:"reviewWithin,omitempty" json:"reviewWithin,omitempty"` // 3d unless stated; later, the person's emergency access is shut until reviewed
}

// MainBranch is the branch that holds what is in force; "main" unless stated.
func (s RepositorySpec) MainBranch() string {
	if s.Branch == "" {
		return "main"
	}
	return s.Branch
}

// LedgerBranch is the branch of the ledger; "assent/ledger" unless stated.
func (s RepositorySpec) LedgerBranch() string {
	if s.Ledger.Branch == "" {
		return "assent/ledger"
	}
	return s.Ledger.Branch
}

// LedgerSpec says where the ledger lives.
type LedgerSpec struct {
	Branch string `yaml:"branch,omitempty" json:"branch,omitempty"`
}

// RepositoryDefaults apply where a product or form says nothing.
type RepositoryDefaults struct {
	MaxDuration Duration `yaml:"maxDuration,omitempty" json:"maxDuration,omitempty"`
	Form        Name     `yaml:"form,omitempty" json:"form,omitempty"`
}

// RepositoryLimits are the brakes of the reconciler.
type RepositoryLimits struct {
	// MassRevocation holds a run that revokes more than the larger of Count and
	// Percent of a platform's live grants. Expiries never count.
	MassRevocation MassRevocation `yaml:"massRevocation,omitempty" json:"massRevocation,omitzero"`
}

// MassRevocation bounds how much one run may take away; 10 and 15 % unless stated.
type MassRevocation struct {
	Count   *int `yaml:"count,omitempty" json:"count,omitempty"`
	Percent *int `yaml:"percent,omitempty" json:"percent,omitempty"`
}

// UserState says whether a person is still here.
type UserState string

// The states of a User.
const (
	UserActive UserState = "active"
	UserLeft   UserState = "left"
)

// Permission is a global permission of a User.
type Permission string

// The global permissions.
const (
	PermissionGovernance       Permission = "GOVERNANCE"
	PermissionUserAdmin        Permission = "USER_ADMIN"
	PermissionApplicationAdmin Permission = "APPLICATION_ADMIN"
	PermissionAudit            Permission = "AUDIT"
)

// User is a person or a service account.
type User struct {
	Header `yaml:",inline"`
	Spec   UserSpec `yaml:"spec" json:"spec"`
}

// UserSpec is the body of a User.
type UserSpec struct {
	Email       string              `yaml:"email,omitempty" json:"email,omitempty"`
	Forge       UserForge           `yaml:"forge,omitempty" json:"forge,omitzero"`
	Accounts    map[Name]string     `yaml:"accounts,omitempty" json:"accounts,omitempty"` // by connection
	Attributes  map[string][]string `yaml:"attributes,omitempty" json:"attributes,omitempty"`
	Permissions []Permission        `yaml:"permissions,omitempty" json:"permissions,omitempty"`
	Manager     Name                `yaml:"manager,omitempty" json:"manager,omitempty"`
	State       UserState           `yaml:"state,omitempty" json:"state,omitempty"`
	ValidUntil  Instant             `yaml:"validUntil,omitempty" json:"validUntil,omitempty"`
	Kind        string              `yaml:"kind,omitempty" json:"kind,omitempty"` // person (unless stated) or service
	Owner       Name                `yaml:"owner,omitempty" json:"owner,omitempty"`
}

// UserForge is how forges know a person. Ids count, logins are for display.
type UserForge struct {
	GitHub *GitHubAccount `yaml:"github,omitempty" json:"github,omitempty"`
	Gitea  *GiteaAccount  `yaml:"gitea,omitempty" json:"gitea,omitempty"`
	SSH    []string       `yaml:"ssh,omitempty" json:"ssh,omitempty"` // public keys, authorized_keys form
}

// GitHubAccount is a person's account on GitHub.
type GitHubAccount struct {
	ID    int64  `yaml:"id" json:"id"`
	Login string `yaml:"login,omitempty" json:"login,omitempty"`
}

// GiteaAccount is a person's account on the Gitea of the repository.
type GiteaAccount struct {
	ID    int64  `yaml:"id" json:"id"`
	Login string `yaml:"login,omitempty" json:"login,omitempty"`
}

// Group is a set of people, named once and used everywhere.
type Group struct {
	Header `yaml:",inline"`
	Spec   GroupSpec `yaml:"spec" json:"spec"`
}

// GroupSpec is the body of a Group. A member is a user or another group.
type GroupSpec struct {
	Members []Subject `yaml:"members" json:"members"`
	Source  string    `yaml:"source,omitempty" json:"source,omitempty"`
}

// Subject is one user, group or service account; exactly one field is set.
type Subject struct {
	User           Name `yaml:"user,omitempty" json:"user,omitempty"`
	Group          Name `yaml:"group,omitempty" json:"group,omitempty"`
	ServiceAccount Name `yaml:"serviceAccount,omitempty" json:"serviceAccount,omitempty"`
}

// Connection is a data platform. No field can hold a secret.
type Connection struct {
	Header `yaml:",inline"`
	Spec   ConnectionSpec `yaml:"spec" json:"spec"`
}

// ConnectionSpec is the body of a Connection.
type ConnectionSpec struct {
	Platform        string         `yaml:"platform" json:"platform"` // sandbox, postgres, mysql …, or connector/NAME
	Endpoint        Endpoint       `yaml:"endpoint,omitempty" json:"endpoint,omitzero"`
	CredentialsFrom string         `yaml:"credentialsFrom,omitempty" json:"credentialsFrom,omitempty"` // env://NAME, file:///path or a manager of secrets
	Discover        DiscoverSpec   `yaml:"discover,omitempty" json:"discover,omitzero"`
	Mode            Mode           `yaml:"mode,omitempty" json:"mode,omitempty"` // observe unless stated; a level may say otherwise
	Accounts        AccountMapping `yaml:"accounts,omitempty" json:"accounts,omitzero"`
	// Levels say which forms, flows and mode count for the connection, a database
	// or a schema, for the sources below that say nothing themselves, and what
	// becomes of tables that appear there.
	Levels []ConnectionLevel `yaml:"levels,omitempty" json:"levels,omitempty"`
}

// Connector is the name of the connector that the platform is; empty where it is
// built in.
func (s ConnectionSpec) Connector() string {
	name, ok := strings.CutPrefix(s.Platform, "connector/")
	if !ok {
		return ""
	}
	return name
}

// ConnectionLevel is one level of a connection. The nearest level that states a
// form, a flow, a mode or a future wins; they are never merged.
type ConnectionLevel struct {
	Path   string       `yaml:"path,omitempty" json:"path,omitempty"` // empty for the connection, or database, or database/schema
	Forms  ProductForms `yaml:"forms,omitempty" json:"forms,omitzero"`
	Review *ReviewFlow  `yaml:"review,omitempty" json:"review,omitempty"`
	Mode   Mode         `yaml:"mode,omitempty" json:"mode,omitempty"`
	Future Future       `yaml:"future,omitempty" json:"future,omitempty"` // declared unless stated
	// Creators are the platform's own names of the roles that make tables here. The
	// setup statements let the engine pass on what these make.
	Creators []string `yaml:"creators,omitempty" json:"creators,omitempty"`
}

// Endpoint is where a platform listens. For the sandbox, Database is a file path
// relative to the state directory.
type Endpoint struct {
	Host     string `yaml:"host,omitempty" json:"host,omitempty"`
	Port     int    `yaml:"port,omitempty" json:"port,omitempty"`
	Database string `yaml:"database,omitempty" json:"database,omitempty"`
	TLS      string `yaml:"tls,omitempty" json:"tls,omitempty"`       // verify-full (unless stated), verify-ca; require, disable (both loopback only)
	CAFrom   string `yaml:"caFrom,omitempty" json:"caFrom,omitempty"` // certificates of the authorities to trust, by reference; the machine's unless stated
}

// DiscoverSpec selects what `assent discover` reads, by glob over db.schema.table.
type DiscoverSpec struct {
	Include  []string `yaml:"include,omitempty" json:"include,omitempty"`
	Exclude  []string `yaml:"exclude,omitempty" json:"exclude,omitempty"`
	Schedule string   `yaml:"schedule,omitempty" json:"schedule,omitempty"`
	// Tags gives tags to the columns that are found, beside those that their
	// comments on the platform give.
	Tags []DiscoverTag `yaml:"tags,omitempty" json:"tags,omitempty"`
}

// DiscoverTag gives tags to the columns that a glob matches. Its parts, divided
// by dots, are compared with the last ones of database.schema.table.column, and
// upper case is lower case: *.email is every column called email.
type DiscoverTag struct {
	Match string   `yaml:"match" json:"match"`
	Tags  []string `yaml:"tags" json:"tags"`
}

// AccountMapping says which platform account a User has, where the User's own
// file does not say: Template may hold {name} or {email}.
type AccountMapping struct {
	Template string `yaml:"template,omitempty" json:"template,omitempty"`
}

// DataSource is one table or view that somebody may ask for.
type DataSource struct {
	Header `yaml:",inline"`
	Spec   DataSourceSpec `yaml:"spec" json:"spec"`

	// Undeclared is set where discovery found the source and no file declares it.
	// Only requests for a level above it reach it; no product has it.
	Undeclared bool `yaml:"-" json:"-"`
}

// Ref implements Resource: the name of a DataSource is its path below sources/.
func (d *DataSource) Ref() Ref { return Ref{Kind: KindDataSource, Name: sourceName(d.Source.File)} }

// DataSourceSpec is the body of a DataSource.
type DataSourceSpec struct {
	Connection           Name      `yaml:"connection" json:"connection"`
	Path                 []string  `yaml:"path" json:"path"` // database, schema, table: as the platform spells them
	Kind                 string    `yaml:"kind" json:"kind"` // table, view, materialized-view …
	Description          string    `yaml:"description,omitempty" json:"description,omitempty"`
	Tags                 []string  `yaml:"tags,omitempty" json:"tags,omitempty"`
	Columns              []Column  `yaml:"columns" json:"columns"`
	ExternalLink         string    `yaml:"externalLink,omitempty" json:"externalLink,omitempty"`
	SubjectMatterExperts []Subject `yaml:"subjectMatterExperts,omitempty" json:"subjectMatterExperts,omitempty"`
	// Forms and Review count for requests for the source itself; what a source
	// leaves out is inherited from its schema, its database, its connection.
	Forms  ProductForms `yaml:"forms,omitempty" json:"forms,omitzero"`
	Review *ReviewFlow  `yaml:"review,omitempty" json:"review,omitempty"`
}

// Column is one column of a DataSource. Mask, where set, wins over masking policies.
type Column struct {
	Name        string   `yaml:"name" json:"name"`
	Type        string   `yaml:"type,omitempty" json:"type,omitempty"`
	Nullable    *bool    `yaml:"nullable,omitempty" json:"nullable,omitempty"`
	Description string   `yaml:"description,omitempty" json:"description,omitempty"`
	Tags        []string `yaml:"tags,omitempty" json:"tags,omitempty"`
	Mask        *Mask    `yaml:"mask,omitempty" json:"mask,omitempty"`
}

// MaskType is how a column is hidden.
type MaskType string

// The mask types.
const (
	MaskNull     MaskType = "null"
	MaskConstant MaskType = "constant"
	MaskHash     MaskType = "hash"
	MaskRegex    MaskType = "regex"
	MaskPartial  MaskType = "partial"
	MaskRound    MaskType = "round"
	MaskTruncate MaskType = "truncate"
)

// DateUnit is how much of a date or a time a mask of type truncate shows.
type DateUnit string

// The units. Weeks begin on Monday.
const (
	UnitYear    DateUnit = "year"
	UnitQuarter DateUnit = "quarter"
	UnitMonth   DateUnit = "month"
	UnitWeek    DateUnit = "week"
	UnitDay     DateUnit = "day"
	UnitHour    DateUnit = "hour"
)

// DateUnits are the units, the coarse ones first.
func DateUnits() []DateUnit {
	return []DateUnit{UnitYear, UnitQuarter, UnitMonth, UnitWeek, UnitDay, UnitHour}
}

// Mask says how a column is hidden. Which fields count depends on Type.
type Mask struct {
	Type        MaskType `yaml:"type" json:"type"`
	Value       string   `yaml:"value,omitempty" json:"value,omitempty"`             // constant
	Pattern     string   `yaml:"pattern,omitempty" json:"pattern,omitempty"`         // regex
	Replacement string   `yaml:"replacement,omitempty" json:"replacement,omitempty"` // regex
	KeepFirst   int      `yaml:"keepFirst,omitempty" json:"keepFirst,omitempty"`     // partial: characters left clear at the start
	KeepLast    int      `yaml:"keepLast,omitempty" json:"keepLast,omitempty"`       // partial: characters left clear at the end
	Digits      int      `yaml:"digits,omitempty" json:"digits,omitempty"`           // round: decimal digits kept; negative rounds to tens
	Unit        DateUnit `yaml:"unit,omitempty" json:"unit,omitempty"`               // truncate: shown is the start of it, in UTC
}

// MaskingPolicy hides every column that it matches.
type MaskingPolicy struct {
	Header `yaml:",inline"`
	Spec   MaskingPolicySpec `yaml:"spec" json:"spec"`
}

// MaskingPolicySpec is the body of a MaskingPolicy. A guardrail mask cannot be
// lifted by a masking exception.
type MaskingPolicySpec struct {
	Match     MaskingMatch `yaml:"match" json:"match"`
	Mask      Mask         `yaml:"mask" json:"mask"`
	Guardrail bool         `yaml:"guardrail,omitempty" json:"guardrail,omitempty"`
}

// MaskingMatch selects columns: any of Tags, any of Columns
// (source/column, or a bare column name), all columns in Domain.
// Fields that are set must all match.
type MaskingMatch struct {
	Tags    []string `yaml:"tags,omitempty" json:"tags,omitempty"`
	Columns []string `yaml:"columns,omitempty" json:"columns,omitempty"`
	Domain  Name     `yaml:"domain,omitempty" json:"domain,omitempty"`
}

// Domain is a governance boundary.
type Domain struct {
	Header `yaml:",inline"`
	Spec   DomainSpec `yaml:"spec" json:"spec"`
}

// DomainSpec is the body of a Domain.
type DomainSpec struct {
	Owner       Name              `yaml:"owner" json:"owner"`
	Members     DomainMembers     `yaml:"members,omitempty" json:"members,omitzero"`
	Permissions DomainPermissions `yaml:"permissions,omitempty" json:"permissions,omitzero"`
}

// DomainMembers are the sources of a domain: listed, or computed by tag and path.
type DomainMembers struct {
	Match   SourceMatch `yaml:"match,omitempty" json:"match,omitzero"`
	Sources []Name      `yaml:"sources,omitempty" json:"sources,omitempty"`
}

// SourceMatch selects data sources: any of Tags (a parent tag matches its
// children: pii matches pii.email), any of Paths (globs over the source name).
type SourceMatch struct {
	Tags  []string `yaml:"tags,omitempty" json:"tags,omitempty"`
	Paths []string `yaml:"paths,omitempty" json:"paths,omitempty"`
}

// IsZero reports whether the match selects nothing.
func (m SourceMatch) IsZero() bool { return len(m.Tags) == 0 && len(m.Paths) == 0 }

// DomainPermission is a right within one domain.
type DomainPermission string

// The domain permissions.
const (
	ManageDataProducts DomainPermission = "manageDataProducts"
	ManagePolicies     DomainPermission = "managePolicies"
	AuditActivity      DomainPermission = "auditActivity"
)

// DomainPermissions says who holds which right in a domain.
type DomainPermissions struct {
	ManageDataProducts []Subject `yaml:"manageDataProducts,omitempty" json:"manageDataProducts,omitempty"`
	ManagePolicies     []Subject `yaml:"managePolicies,omitempty" json:"managePolicies,omitempty"`
	AuditActivity      []Subject `yaml:"auditActivity,omitempty" json:"auditActivity,omitempty"`
}

// ProductState says whether a product can be asked for and used.
type ProductState string

// The states of a DataProduct. A suspended product keeps its approvals and
// removes access; published again, it gives access back without a new request.
const (
	ProductPublished ProductState = "published"
	ProductSuspended ProductState = "suspended"
	ProductRetired   ProductState = "retired"
)

// AccessLevel is what a person may do with the data.
type AccessLevel string

// The access levels.
const (
	Read  AccessLevel = "read"
	Write AccessLevel = "write"
)

// DataProduct is a curated set of sources, and what one requests.
type DataProduct struct {
	Header `yaml:",inline"`
	Spec   DataProductSpec `yaml:"spec" json:"spec"`
}

// DataProductSpec is the body of a DataProduct.
type DataProductSpec struct {
	Domain              Name            `yaml:"domain" json:"domain"`
	Sources             []ProductSource `yaml:"sources" json:"sources"`
	SubjectMatterExpert Subject         `yaml:"subjectMatterExpert,omitempty" json:"subjectMatterExpert,omitzero"`
	Forms               ProductForms    `yaml:"forms,omitempty" json:"forms,omitzero"`
	Review              *ReviewFlow     `yaml:"review,omitempty" json:"review,omitempty"` // counts when the form delegates
	AccessLevels        []AccessLevel   `yaml:"accessLevels,omitempty" json:"accessLevels,omitempty"`
	MaxDuration         Duration        `yaml:"maxDuration,omitempty" json:"maxDuration,omitempty"`
	Audience            []Subject       `yaml:"audience,omitempty" json:"audience,omitempty"`
	State               ProductState    `yaml:"state,omitempty" json:"state,omitempty"`   // published unless stated
	Hidden              bool            `yaml:"hidden,omitempty" json:"hidden,omitempty"` // not shown to people outside of its audience
	Birthright          []Birthright    `yaml:"birthright,omitempty" json:"birthright,omitempty"`
}

// Birthright gives access to everybody whom it matches, without a request, while
// it matches. Exactly one of Attribute and Group is set.
type Birthright struct {
	Attribute   *AttributeMatch `yaml:"attribute,omitempty" json:"attribute,omitempty"`
	Group       Name            `yaml:"group,omitempty" json:"group,omitempty"`
	AccessLevel AccessLevel     `yaml:"accessLevel,omitempty" json:"accessLevel,omitempty"` // read unless stated
}

// ProductSource is one source, or all that match.
type ProductSource struct {
	Source Name        `yaml:"source,omitempty" json:"source,omitempty"`
	Match  SourceMatch `yaml:"match,omitempty" json:"match,omitzero"`
}

// ProductForms are the forms to fill in for a product.
type ProductForms struct {
	DataAccess       Name `yaml:"dataAccess,omitempty" json:"dataAccess,omitempty"`
	MaskingException Name `yaml:"maskingException,omitempty" json:"maskingException,omitempty"`
}

// DataUseAgreement is the text that a requester accepts.
type DataUseAgreement struct {
	Header `yaml:",inline"`
	Spec   DataUseAgreementSpec `yaml:"spec" json:"spec"`
}

// DataUseAgreementSpec is the body of a DataUseAgreement.
type DataUseAgreementSpec struct {
	Text string `yaml:"text" json:"text"`
}

// NotificationRoute sends events to a channel.
type NotificationRoute struct {
	Header `yaml:",inline"`
	Spec   NotificationRouteSpec `yaml:"spec" json:"spec"`
}

// NotificationRouteSpec is the body of a NotificationRoute.
type NotificationRouteSpec struct {
	Events       []string           `yaml:"events" json:"events"`
	Filter       NotificationFilter `yaml:"filter,omitempty" json:"filter,omitzero"`
	Channel      string             `yaml:"channel" json:"channel"` // webhook, slack, teams, email
	EndpointFrom string             `yaml:"endpointFrom" json:"endpointFrom"`
	Template     string             `yaml:"template,omitempty" json:"template,omitempty"`
}

// NotificationFilter narrows a route.
type NotificationFilter struct {
	Domains  []Name `yaml:"domains,omitempty" json:"domains,omitempty"`
	Products []Name `yaml:"products,omitempty" json:"products,omitempty"`
}
