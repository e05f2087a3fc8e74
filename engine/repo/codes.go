package repo

import "github.com/assent-dev/assent/engine/diag"

// What the strict YAML profile refuses.
const (
	CodeNotUTF8        diag.Code = "YAML001"
	CodeBOM            diag.Code = "YAML002"
	CodeCarriageReturn diag.Code = "YAML003"
	CodeControl        diag.Code = "YAML004"
	CodeInvisible      diag.Code = "YAML005"
	CodeTab            diag.Code = "YAML006"
	CodeTooLarge       diag.Code = "YAML007"
	CodeSyntax         diag.Code = "YAML008"
	CodeDocuments      diag.Code = "YAML009"
	CodeDirective      diag.Code = "YAML010"
	CodeAnchor         diag.Code = "YAML011"
	CodeMerge          diag.Code = "YAML012"
	CodeTag            diag.Code = "YAML013"
	CodeDuplicateKey   diag.Code = "YAML014"
	CodeKey            diag.Code = "YAML015"
	CodeTooManyNodes   diag.Code = "YAML016"
	CodeTooDeep        diag.Code = "YAML017"
	CodeScalarTooLong  diag.Code = "YAML018"
	CodeAmbiguous      diag.Code = "YAML019"
	CodeNotMapping     diag.Code = "YAML020"
)

// What the schemas refuse.
const (
	CodeAPIVersion   diag.Code = "SCH001"
	CodeKind         diag.Code = "SCH002"
	CodeUnknownField diag.Code = "SCH003"
	CodeMissingField diag.Code = "SCH004"
	CodeType         diag.Code = "SCH005"
	CodeOption       diag.Code = "SCH006"
	CodePattern      diag.Code = "SCH007"
	CodeExactlyOne   diag.Code = "SCH008"
	CodeRange        diag.Code = "SCH009"
	CodeLength       diag.Code = "SCH010"
	CodeRepeated     diag.Code = "SCH011"
	CodeName         diag.Code = "SCH012"
	CodeDuration     diag.Code = "SCH013"
	CodeInstant      diag.Code = "SCH014"
	CodeDigest       diag.Code = "SCH015"
)

// What is wrong with a file's place in the repository.
const (
	CodeNoRepository  diag.Code = "REPO001"
	CodeWrongPlace    diag.Code = "REPO002"
	CodeWrongKind     diag.Code = "REPO003"
	CodeFileName      diag.Code = "REPO004"
	CodeFileMode      diag.Code = "REPO005"
	CodeCaseTwin      diag.Code = "REPO006"
	CodeExtension     diag.Code = "REPO007"
	CodeSourcePath    diag.Code = "REPO008"
	CodeRequestFolder diag.Code = "REPO009"
	CodeBuiltin       diag.Code = "REPO010"
	CodePolicyText    diag.Code = "REPO011"
)
