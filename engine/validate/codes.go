package validate

import "github.com/assent-dev/assent/engine/diag"

// References.
const (
	UnknownReference diag.Code = "REF001" // a name that nothing has
	Twins            diag.Code = "REF002" // two files claim one name
	WrongKindOfUser  diag.Code = "REF003" // a person where a service account belongs, or the reverse
	Repeated         diag.Code = "REF004" // a column that is described twice
)

// Directory.
const (
	CircularGroup   diag.Code = "DIR001"
	CircularManager diag.Code = "DIR002"
	SharedKey       diag.Code = "DIR003" // one ssh key, two users
	SharedForge     diag.Code = "DIR004" // one forge account, two users
	SharedAccount   diag.Code = "DIR005" // one platform account, two users
	MalformedKey    diag.Code = "DIR006"
	ServiceOwner    diag.Code = "DIR007" // a service account without a person behind it
)

// Connections.
const (
	UnknownPlatform  diag.Code = "CON001"
	Secret           diag.Code = "CON002" // something that looks like a secret
	TLSDisabled      diag.Code = "CON003"
	AccountTemplate  diag.Code = "CON004"
	SameEndpoint     diag.Code = "CON005"
	DiscoverPattern  diag.Code = "CON006"
	DiscoverSchedule diag.Code = "CON007"
	LevelTwice       diag.Code = "CON008"
	LevelCoversNone  diag.Code = "CON009"
	LevelStatesNone  diag.Code = "CON010"
	NotKnownHere     diag.Code = "CON011"
	LevelFutureIdle  diag.Code = "CON012" // opened as it appears, in mode observe
	SourceParts      diag.Code = "CON013" // a path that the platform does not have
)

// Masking.
const (
	MaskUnsupported diag.Code = "MSK001"
	MaskPattern     diag.Code = "MSK002"
	MaskFields      diag.Code = "MSK003"
	MaskMatchesNone diag.Code = "MSK004"
	MaskColumn      diag.Code = "MSK005"
)

// Products and domains.
const (
	NoSource         diag.Code = "PRD001"
	LevelUnsupported diag.Code = "PRD002"
	RetiredInUse     diag.Code = "PRD003"
	ForeignSource    diag.Code = "PRD004"
	MalformedGlob    diag.Code = "PRD005"
	MatchSelectsNone diag.Code = "PRD006"
	HiddenFromAll    diag.Code = "PRD007"
	BirthrightNobody diag.Code = "PRD008"
	BirthrightLevel  diag.Code = "PRD009"
)

// Forms.
const (
	QuestionTwice    diag.Code = "FORM001"
	QuestionOptions  diag.Code = "FORM002"
	QuestionPattern  diag.Code = "FORM003"
	ShowIfQuestion   diag.Code = "FORM004"
	DurationTwice    diag.Code = "FORM005"
	ShowIfNever      diag.Code = "FORM006"
	DurationOption   diag.Code = "FORM007"
	DurationOptional diag.Code = "FORM008"
	RecertifyNever   diag.Code = "FORM009"
)

// Review flows.
const (
	FlowStages    diag.Code = "FLOW001"
	CountTooHigh  diag.Code = "FLOW002"
	NobodyCan     diag.Code = "FLOW003" // a steward source without people
	FlowAutomatic diag.Code = "FLOW004"
	FlowWhen      diag.Code = "FLOW005"
	FlowInactive  diag.Code = "FLOW006"
	TooContested  diag.Code = "FLOW007"
	FlowDeadline  diag.Code = "FLOW008"
)

// Requests.
const (
	PersonInactive   diag.Code = "REQ001"
	NotOnBehalf      diag.Code = "REQ002"
	WrongForm        diag.Code = "REQ003"
	FormDigest       diag.Code = "REQ004"
	AnswerMissing    diag.Code = "REQ005"
	AnswerInvalid    diag.Code = "REQ006"
	AnswerUnknown    diag.Code = "REQ007"
	AgreementMissing diag.Code = "REQ008"
	TooLong          diag.Code = "REQ009"
	DateOrder        diag.Code = "REQ010"
	ColumnUnknown    diag.Code = "REQ011"
	GuardrailMask    diag.Code = "REQ012"
	NotPublished     diag.Code = "REQ013"
	NotInAudience    diag.Code = "REQ014"
	LevelNotOffered  diag.Code = "REQ015"
	NobodyElse       diag.Code = "REQ016" // only the people who ask could approve
	AnswerHidden     diag.Code = "REQ017"
	NothingToUnmask  diag.Code = "REQ018"
	NoAccount        diag.Code = "REQ019"
	PathCoversNone   diag.Code = "REQ020"
	RenewsOther      diag.Code = "REQ021" // renews what gave something else, or to somebody else
)

// Emergency access.
const (
	GlassPeople     diag.Code = "BRK001" // the group is too small
	GlassTooLong    diag.Code = "BRK002"
	NoGlass         diag.Code = "BRK003" // the repository allows no emergency access
	EmergencyLength diag.Code = "BRK004"
	EmergencyFor    diag.Code = "BRK005" // for somebody else than the requester
	EmergencyBy     diag.Code = "BRK006" // by somebody outside of the group
	GlassReview     diag.Code = "BRK007" // no end for the review that must follow
)

// Access reviews.
const (
	DecisionChoice diag.Code = "REV001" // a decision of another type of review
	ShortenUntil   diag.Code = "REV002"
	DecidedTwice   diag.Code = "REV003"
	ReviewDue      diag.Code = "REV004"
	ReviewSubject  diag.Code = "REV005" // a request of another type
)

// Governance.
const (
	IdentityChanged diag.Code = "GOV001"
	MixedChange     diag.Code = "GOV002"
	RemovedInUse    diag.Code = "GOV003"
	BranchClash     diag.Code = "GOV004"
	ForgeUnnamed    diag.Code = "GOV005" // a forge, and not which repository there
)
