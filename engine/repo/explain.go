package repo

import "github.com/assent-dev/assent/engine/diag"

// Explanations is the long form of every code of this package, in the order of
// the codes.
func Explanations() []diag.Explanation {
	out := append(profileExplanations(), schemaExplanations()...)
	return append(out, placeExplanations()...)
}

func profileExplanations() []diag.Explanation {
	return []diag.Explanation{
		{
			Code: CodeNotUTF8, Title: "file is not UTF-8",
			Why: "Other encodings parse, but forges show such a file as binary, so nobody could review it.",
			Fix: "Save the file as UTF-8.",
		},
		{
			Code: CodeBOM, Title: "file starts with a byte order mark",
			Why: "The mark is invisible, and parsers disagree about it.",
			Fix: "Save the file as UTF-8 without a byte order mark.",
		},
		{
			Code: CodeCarriageReturn, Title: "carriage return",
			Why: "YAML takes a lone carriage return for a line break that no diff shows.",
			Fix: "Save the file with LF line ends; `git config core.autocrlf input` keeps them.",
		},
		{
			Code: CodeControl, Title: "control character",
			Why: "Control characters are invisible, and terminals and parsers act on them.",
			Fix: "Delete the character.",
		},
		{
			Code: CodeInvisible, Title: "invisible character",
			Why: "Hidden line breaks, text direction and zero-width characters make a reviewer see other text than the engine reads: a comment can be live configuration.",
			Fix: "Delete the character; most editors can show it.",
		},
		{
			Code: CodeTab, Title: "tab in the indentation",
			Why:     "YAML forbids tabs there, and editors show them at different widths.",
			Fix:     "Indent with two spaces.",
			Example: "spec:\n  email: kim@example.com\n",
		},
		{
			Code: CodeTooLarge, Title: "file is too large",
			Why: "A file is at most 32 KiB, a DataSource 256 KiB, a policy file 256 KiB: larger ones cannot be reviewed and slow everybody down.",
			Fix: "Keep one object in a file, and link to long text.",
		},
		{
			Code: CodeSyntax, Title: "not valid YAML",
			Why:     "The parser could not read the file, so nothing in it counts.",
			Fix:     "Check indentation, quotes and brackets at the place and just above it.",
			Example: "title: \"Kim: steward\"\n",
		},
		{
			Code: CodeDocuments, Title: "more than one document",
			Why: "A file holds one object; many programs would read only the first of several.",
			Fix: "Move each object into a file of its own. One --- line at the top is allowed.",
		},
		{
			Code: CodeDirective, Title: "line starts with %",
			Why: "YAML takes it for a directive, which can change what the file means.",
			Fix: "Delete the line, or quote the text.",
		},
		{
			Code: CodeAnchor, Title: "anchor or alias",
			Why: "An alias means that the value is read from another line than the one that changed, and aliases of aliases can fill any memory.",
			Fix: "Write the value out where it is used. Quote text that starts with & or *.",
		},
		{
			Code: CodeMerge, Title: "merge key",
			Why: "Fields that << brings in stand on lines that a reviewer does not see.",
			Fix: "Write the fields out.",
		},
		{
			Code: CodeTag, Title: "tag",
			Why:     "A tag changes the type of a value from what it looks like.",
			Fix:     "Delete it, and quote the value if it is text. Quote text that starts with !.",
			Example: "email: \"!important\"\n",
		},
		{
			Code: CodeDuplicateKey, Title: "key is there twice",
			Why: "Programs disagree about which of the two counts.",
			Fix: "Keep one.",
		},
		{
			Code: CodeKey, Title: "key is not text",
			Why:     "Field names are text; 7, true, on and lists are something else to YAML.",
			Fix:     "Put the key in quotes.",
			Example: "attributes:\n  \"7\": [x]\n",
		},
		{
			Code: CodeTooManyNodes, Title: "too many values",
			Why: "A file holds at most 2,000 values, a DataSource 20,000.",
			Fix: "Keep one object in a file, and use a Group for long lists of people.",
		},
		{
			Code: CodeTooDeep, Title: "nested too deep",
			Why: "Nothing needs more than 20 levels.",
			Fix: "Check brackets and indentation.",
		},
		{
			Code: CodeScalarTooLong, Title: "value is too long",
			Why: "A value is at most 4 KiB, the text of an agreement 24 KiB.",
			Fix: "Shorten it and link to the rest.",
		},
		{
			Code: CodeAmbiguous, Title: "value that programs read differently",
			Why:     "yes, on, 0777, 12:30 and the like are text to some programs, and truth values or other numbers to others.",
			Fix:     "Quote text; write true or false; write whole numbers in plain decimal digits.",
			Example: "required: true\ntitle: \"12:30\"\n",
		},
		{
			Code: CodeNotMapping, Title: "file holds no object",
			Why:     "A resource is a mapping with apiVersion, kind, metadata and spec.",
			Fix:     "Write them, or delete the file.",
			Example: "apiVersion: assent.dev/v1\nkind: Group\nmetadata:\n  name: finance\nspec:\n  members: []\n",
		},
	}
}

func schemaExplanations() []diag.Explanation {
	return []diag.Explanation{
		{
			Code: CodeAPIVersion, Title: "apiVersion is missing or unknown",
			Why:     "It says which rules the rest of the file follows; this engine knows assent.dev/v1.",
			Fix:     "Write it as the first line.",
			Example: "apiVersion: assent.dev/v1\n",
		},
		{
			Code: CodeKind, Title: "kind is missing or unknown",
			Why:     "The kind says what the file describes, and it follows from the folder.",
			Fix:     "Write the kind of the folder.",
			Example: "kind: AccessRequest\n",
		},
		{
			Code: CodeUnknownField, Title: "unknown field",
			Why: "A field that nothing reads is a wish that nothing fulfils, often a misspelt one.",
			Fix: "Correct the spelling, or delete the field. Annotations may hold anything.",
		},
		{
			Code: CodeMissingField, Title: "field is missing",
			Why: "The kind means nothing without it, or another field asks for it.",
			Fix: "Add it.",
		},
		{
			Code: CodeType, Title: "wrong type of value",
			Why:     "Text, numbers, truth values, lists and mappings are not turned into each other.",
			Fix:     "Write the type that the message names; quotes make text.",
			Example: "members:\n  - user: kim\n",
		},
		{
			Code: CodeOption, Title: "not one of the options",
			Why:     "The field takes a few values only.",
			Fix:     "Choose one of those in the message.",
			Example: "state: active\n",
		},
		{
			Code: CodePattern, Title: "value has the wrong form",
			Why:     "The value is used as a reference, a mail address or the like, and could not work.",
			Fix:     "Write it as the hint says.",
			Example: "credentialsFrom: env://WAREHOUSE_DSN\n",
		},
		{
			Code: CodeExactlyOne, Title: "exactly one of several fields",
			Why:     "An entry names one user, or one group; a target is one product, source or path; access ends by duration or until. Two would leave open which counts.",
			Fix:     "Keep one, and write another entry for the other where a list is meant.",
			Example: "beneficiaries:\n  - user: ana\n  - group: finance\n",
		},
		{
			Code: CodeRange, Title: "number out of range",
			Why: "The field takes numbers of a certain range only.",
			Fix: "Write one in the range of the message.",
		},
		{
			Code: CodeLength, Title: "too short, too long or empty",
			Why: "An empty list or match says nothing, and no field is without bounds.",
			Fix: "Write what is missing, or leave some out.",
		},
		{
			Code: CodeRepeated, Title: "entry is there twice",
			Why: "Repeating an entry changes nothing and hides what was meant.",
			Fix: "Delete one of the two.",
		},
		{
			Code: CodeName, Title: "not a name",
			Why:     "Names become file names, references and parts of platform roles, so they have one spelling.",
			Fix:     "Use lower-case letters, digits and dashes; a source is connection/database/schema/table.",
			Example: "name: ana-sales-2026\n",
		},
		{
			Code: CodeDuration, Title: "not a duration",
			Why:     "A duration is a whole number and min, h, d, w, mo or y, at most 100 years, or indefinite.",
			Fix:     "Write it in this form.",
			Example: "duration: 90d\n",
		},
		{
			Code: CodeInstant, Title: "not a moment",
			Why:     "A moment is a day (midnight UTC at its start) or a second in UTC.",
			Fix:     "Write it in this form.",
			Example: "until: 2027-01-31\nnotBefore: 2026-12-01T08:00:00Z\n",
		},
		{
			Code: CodeDigest, Title: "not a digest",
			Why: "A digest pins the exact bytes of a form or an agreement.",
			Fix: "Let `assent request` write it; it is sha256: and 64 hexadecimal digits.",
		},
	}
}

func placeExplanations() []diag.Explanation {
	return []diag.Explanation{
		{
			Code: CodeNoRepository, Title: "assent.yaml is missing",
			Why: "Without it nobody knows which repository this is, and nothing that is signed for it could be told from another's.",
			Fix: "Run `assent init` at the root of the repository.",
		},
		{
			Code: CodeWrongPlace, Title: "resource in the wrong place",
			Why:     "The folder decides who may change a file, so the engine reads each kind in its own folder only.",
			Fix:     "Move the file to the place in the hint.",
			Example: "directory/users/kim.yaml\n",
		},
		{
			Code: CodeWrongKind, Title: "kind does not belong in this folder",
			Why: "The folder decides who may change a file, so a folder holds one kind.",
			Fix: "Move the file, or correct its kind.",
		},
		{
			Code: CodeFileName, Title: "file name and name differ",
			Why: "A file is called like its resource, in lower-case letters, so that a name leads to its file.",
			Fix: "Rename one of the two.",
		},
		{
			Code: CodeFileMode, Title: "not an ordinary file",
			Why: "Links and submodules show other bytes than the ones reviewed; an executable file is never needed.",
			Fix: "Commit an ordinary file with mode 100644.",
		},
		{
			Code: CodeCaseTwin, Title: "names that differ in case only",
			Why: "On many machines one of the two files hides the other.",
			Fix: "Rename one.",
		},
		{
			Code: CodeExtension, Title: "file ends in .yml",
			Why: "Only .yaml files are read, and this one looks as if it counted.",
			Fix: "Rename it.",
		},
		{
			Code: CodeSourcePath, Title: "data source at another place than it says",
			Why: "Requests, domains and code owners go by the folders, grants by the file: they must say the same.",
			Fix: "Move the file to sources/CONNECTION/DATABASE/SCHEMA/NAME.yaml (without SCHEMA where the platform has none), or let `assent discover` write it.",
		},
		{
			Code: CodeRequestFolder, Title: "request in another product's folder",
			Why: "The folder of a request says whose stewards own it.",
			Fix: "Move the file to the folder of its product.",
		},
		{
			Code: CodeBuiltin, Title: "built-in form",
			Why:     "The form standard is the same in every repository.",
			Fix:     "Give your form another name, and make it the default in assent.yaml.",
			Example: "spec:\n  defaults:\n    form: finance-access\n",
		},
		{
			Code: CodePolicyText, Title: "policy file is not plain text",
			Why: "Rego is reviewed by people, so the same characters are refused as in YAML.",
			Fix: "Delete the character; save as UTF-8 with LF line ends.",
		},
	}
}
