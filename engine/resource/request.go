package resource

// QuestionType is the kind of answer that a question takes.
type QuestionType string

// The question types.
const (
	QuestionShortAnswer    QuestionType = "short-answer"
	QuestionDropdown       QuestionType = "dropdown"
	QuestionCheckboxes     QuestionType = "checkboxes"
	QuestionAccessDuration QuestionType = "access-duration"
	QuestionNumber         QuestionType = "number"
	QuestionDate           QuestionType = "date"
	QuestionTicket         QuestionType = "ticket"
)

// StandardForm is the built-in form: it exists in an empty repository and
// cannot be edited.
const StandardForm Name = "standard"

// RequestForm is what a requester fills in.
type RequestForm struct {
	Header `yaml:",inline"`
	Spec   RequestFormSpec `yaml:"spec" json:"spec"`
}

// RequestFormSpec is the body of a RequestForm.
type RequestFormSpec struct {
	Questions  []Question  `yaml:"questions" json:"questions"`
	Agreement  Name        `yaml:"agreement,omitempty" json:"agreement,omitempty"`
	OnBehalfOf string      `yaml:"onBehalfOf,omitempty" json:"onBehalfOf,omitempty"` // never (unless stated), sameGroup, anyone
	Review     *ReviewFlow `yaml:"review,omitempty" json:"review,omitempty"`
	// Recertify asks stewards from time to time whether access is still right.
	Recertify *Recertify `yaml:"recertify,omitempty" json:"recertify,omitempty"`
}

// Recertify bounds how long an approval lives without being confirmed.
type Recertify struct {
	Every      Duration   `yaml:"every" json:"every"`                               // from the determination, or from the last AccessReview that kept it
	Unanswered Unanswered `yaml:"unanswered,omitempty" json:"unanswered,omitempty"` // drop unless stated
}

// Unanswered is what becomes of access that nobody confirmed in time.
type Unanswered string

// The defaults of a recertification.
const (
	UnansweredDrop Unanswered = "drop"
	UnansweredKeep Unanswered = "keep"
)

// Question is one line of a form.
type Question struct {
	ID       string       `yaml:"id" json:"id"`
	Title    string       `yaml:"title" json:"title"`
	Help     string       `yaml:"help,omitempty" json:"help,omitempty"`
	Type     QuestionType `yaml:"type" json:"type"`
	Required *bool        `yaml:"required,omitempty" json:"required,omitempty"` // true unless stated
	Options  []string     `yaml:"options,omitempty" json:"options,omitempty"`
	Pattern  string       `yaml:"pattern,omitempty" json:"pattern,omitempty"`
	ShowIf   *ShowIf      `yaml:"showIf,omitempty" json:"showIf,omitempty"`
}

// IsRequired reports whether the question must be answered when it is shown.
func (q Question) IsRequired() bool {
	return q.Type == QuestionAccessDuration || q.Required == nil || *q.Required
}

// ShowIf shows a question only when another one has a given answer.
type ShowIf struct {
	Question string `yaml:"question" json:"question"`
	Equals   string `yaml:"equals" json:"equals"`
}

// ReviewMode says who decides.
type ReviewMode string

// The review modes.
const (
	ReviewStewards  ReviewMode = "stewards"
	ReviewAutomatic ReviewMode = "automatic"
	ReviewDelegated ReviewMode = "delegated"
)

// ReviewFlow says who must agree, in which order.
type ReviewFlow struct {
	Mode      ReviewMode  `yaml:"mode" json:"mode"`
	Automatic *Automatic  `yaml:"automatic,omitempty" json:"automatic,omitempty"`
	Rules     []FlowRule  `yaml:"rules,omitempty" json:"rules,omitempty"`
	Stages    []Stage     `yaml:"stages,omitempty" json:"stages,omitempty"`
	Reminders *Reminders  `yaml:"reminders,omitempty" json:"reminders,omitempty"`
	Escalate  *Escalation `yaml:"escalate,omitempty" json:"escalate,omitempty"`
	Lapse     *Lapse      `yaml:"lapse,omitempty" json:"lapse,omitempty"`
	// RequireReason asks every determination for a reason.
	RequireReason bool `yaml:"requireReason,omitempty" json:"requireReason,omitempty"`
}

// Automatic approves by rule; the justification becomes the recorded reason.
type Automatic struct {
	Justification string   `yaml:"justification" json:"justification"`
	Duration      Duration `yaml:"duration" json:"duration"`
}

// FlowRule replaces the stages where its condition holds; the first match wins.
type FlowRule struct {
	When   FlowCondition `yaml:"when" json:"when"`
	Stages []Stage       `yaml:"stages" json:"stages"`
}

// FlowCondition holds where all of its set fields hold.
type FlowCondition struct {
	Type        RequestType       `yaml:"type,omitempty" json:"type,omitempty"`
	Tags        []string          `yaml:"tags,omitempty" json:"tags,omitempty"` // any of the target's tags
	Domain      Name              `yaml:"domain,omitempty" json:"domain,omitempty"`
	AccessLevel AccessLevel       `yaml:"accessLevel,omitempty" json:"accessLevel,omitempty"`
	LongerThan  Duration          `yaml:"longerThan,omitempty" json:"longerThan,omitempty"`
	Attribute   *AttributeMatch   `yaml:"attribute,omitempty" json:"attribute,omitempty"` // of any beneficiary
	Answers     map[string]string `yaml:"answers,omitempty" json:"answers,omitempty"`
}

// AttributeMatch selects the people whose attribute Key has Value among its values.
type AttributeMatch struct {
	Key   string `yaml:"key" json:"key"`
	Value string `yaml:"value" json:"value"`
}

// Stage is one step of a flow: any or all of the listed steward sources.
type Stage struct {
	Any      []StewardSource `yaml:"any,omitempty" json:"any,omitempty"`
	All      []StewardSource `yaml:"all,omitempty" json:"all,omitempty"`
	Count    int             `yaml:"count,omitempty" json:"count,omitempty"`       // at least this many distinct people
	Distinct *bool           `yaml:"distinct,omitempty" json:"distinct,omitempty"` // one person fills one entry; true unless stated
}

// StewardSource names people by exactly one of its fields.
type StewardSource struct {
	User                Name             `yaml:"user,omitempty" json:"user,omitempty"`
	Group               Name             `yaml:"group,omitempty" json:"group,omitempty"`
	Attribute           *AttributeMatch  `yaml:"attribute,omitempty" json:"attribute,omitempty"`
	Permission          Permission       `yaml:"permission,omitempty" json:"permission,omitempty"`
	DomainPermission    DomainPermission `yaml:"domainPermission,omitempty" json:"domainPermission,omitempty"`
	SubjectMatterExpert bool             `yaml:"subjectMatterExpert,omitempty" json:"subjectMatterExpert,omitempty"`
}

// Reminders says how often waiting stewards hear of a request.
type Reminders struct {
	Every Duration `yaml:"every" json:"every"`
}

// Escalation says who hears of a request that nobody decided.
type Escalation struct {
	After Duration  `yaml:"after" json:"after"`
	To    []Subject `yaml:"to" json:"to"`
}

// Lapse closes a request that nobody decided.
type Lapse struct {
	After Duration `yaml:"after" json:"after"`
}

// RequestType says what an AccessRequest asks for.
type RequestType string

// The request types.
const (
	DataAccess       RequestType = "data-access"
	MaskingException RequestType = "masking-exception"
	// EmergencyAccess is data access by the break-glass rule of the repository.
	EmergencyAccess RequestType = "emergency-access"
)

// AccessRequest asks for access. Added by a pull request, it is pending; on
// main with an admitted determination, it is a reason for grants.
type AccessRequest struct {
	Header `yaml:",inline"`
	Spec   AccessRequestSpec `yaml:"spec" json:"spec"`
}

// AccessRequestSpec is the body of an AccessRequest.
type AccessRequestSpec struct {
	Type          RequestType    `yaml:"type" json:"type"`
	Target        Target         `yaml:"target" json:"target"`
	Columns       []string       `yaml:"columns,omitempty" json:"columns,omitempty"`
	Requester     Name           `yaml:"requester" json:"requester"`
	Beneficiaries []Subject      `yaml:"beneficiaries" json:"beneficiaries"`
	AccessLevel   AccessLevel    `yaml:"accessLevel,omitempty" json:"accessLevel,omitempty"` // read unless stated
	Duration      Duration       `yaml:"duration,omitempty" json:"duration,omitempty"`       // 90d or indefinite; or Until
	Until         Instant        `yaml:"until,omitempty" json:"until,omitempty"`
	NotBefore     Instant        `yaml:"notBefore,omitempty" json:"notBefore,omitempty"`
	Form          PinnedForm     `yaml:"form" json:"form"`
	Agreement     *Acceptance    `yaml:"agreement,omitempty" json:"agreement,omitempty"`
	Answers       map[string]any `yaml:"answers,omitempty" json:"answers,omitempty"` // string, []any of string, int or bool
	// Renews names the request whose access this one continues.
	Renews Name `yaml:"renews,omitempty" json:"renews,omitempty"`
}

// Level is the access level asked for; read unless stated.
func (s AccessRequestSpec) Level() AccessLevel {
	if s.AccessLevel == "" {
		return Read
	}
	return s.AccessLevel
}

// Target is what a request is for; exactly one field is set.
type Target struct {
	Product Name   `yaml:"product,omitempty" json:"product,omitempty"`
	Source  Name   `yaml:"source,omitempty" json:"source,omitempty"`
	Path    string `yaml:"path,omitempty" json:"path,omitempty"` // connection[/database[/schema]]: everything below, later tables too
}

// Ref names the product or source that is asked for. ok is false for a path.
func (t Target) Ref() (ref Ref, ok bool) {
	switch {
	case t.Product != "":
		return Ref{KindDataProduct, t.Product}, true
	case t.Source != "":
		return Ref{KindDataSource, t.Source}, true
	default:
		return Ref{}, false
	}
}

// PinnedForm is the form as it was when the request was filled in.
type PinnedForm struct {
	Name   Name   `yaml:"name" json:"name"`
	Digest string `yaml:"digest" json:"digest"`
}

// Acceptance is a requester's yes to an agreement's exact text.
type Acceptance struct {
	Name     Name   `yaml:"name" json:"name"`
	Digest   string `yaml:"digest" json:"digest"`
	Accepted bool   `yaml:"accepted" json:"accepted"`
}

// AccessReview is a steward's look back at access that exists: a recertification
// of approved requests, or the review that must follow emergency access. It takes
// effect when the stewards of each request have approved its pull request.
type AccessReview struct {
	Header `yaml:",inline"`
	Spec   AccessReviewSpec `yaml:"spec" json:"spec"`
}

// AccessReviewSpec is the body of an AccessReview.
type AccessReviewSpec struct {
	Type      AccessReviewType `yaml:"type" json:"type"`
	Due       Instant          `yaml:"due,omitempty" json:"due,omitempty"`
	Decisions []ReviewDecision `yaml:"decisions" json:"decisions"`
}

// AccessReviewType says what is looked back at.
type AccessReviewType string

// The types of an AccessReview.
const (
	Recertification AccessReviewType = "recertification"
	AfterReview     AccessReviewType = "after-review"
)

// ReviewDecision is what a review says of one request.
type ReviewDecision struct {
	Request  Name           `yaml:"request" json:"request"`
	Decision DecisionChoice `yaml:"decision" json:"decision"`
	Until    Instant        `yaml:"until,omitempty" json:"until,omitempty"` // shorten: the new end
	Reason   string         `yaml:"reason,omitempty" json:"reason,omitempty"`
}

// DecisionChoice is one of the answers of a review.
type DecisionChoice string

// The answers: keep, shorten and drop of a recertification; justified and misuse
// of an after-review.
const (
	Keep      DecisionChoice = "keep"
	Shorten   DecisionChoice = "shorten"
	Drop      DecisionChoice = "drop"
	Justified DecisionChoice = "justified"
	Misuse    DecisionChoice = "misuse"
)
