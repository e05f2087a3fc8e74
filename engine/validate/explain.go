package validate

import "github.com/assent-dev/assent/engine/diag"

// Explanations are the long forms of every code of this package, in the order
// of the codes.
func Explanations() []diag.Explanation {
	var out []diag.Explanation
	for _, group := range [][]diag.Explanation{
		explainEmergencies(), explainConnections(), explainDirectory(), explainFlows(), explainForms(), explainGovernance(),
		explainMasking(), explainProducts(), explainReferences(), explainRequests(), explainAccessReviews(),
	} {
		out = append(out, group...)
	}
	return out
}

func explainReferences() []diag.Explanation {
	return []diag.Explanation{
		{Code: UnknownReference, Title: "A name that nothing has",
			Why: "Files refer to each other by name. A name that no file has would make access depend on something that may appear later, written by somebody else.",
			Fix: "Correct the spelling, or add the file with that name in an earlier pull request.", Example: "spec:\n  domain: sales # there is a domains/sales.yaml"},
		{Code: Twins, Title: "Two files with one name",
			Why: "A kind and a name mean one thing. With two files, which of them counts would depend on the order in which they are read.",
			Fix: "Remove one of the files, or rename it."},
		{Code: WrongKindOfUser, Title: "A person and a service account are not the same",
			Why: "Only people decide, own and ask, because a decision has to be somebody's. A service account acts for its owner.",
			Fix: "Write user for a person, serviceAccount for a service account; name the owner where a person is needed.", Example: "beneficiaries:\n  - serviceAccount: nightly-etl"},
		{Code: Repeated, Title: "The same entry twice",
			Why: "A repeated entry says nothing, and often stands where another one was meant.",
			Fix: "Remove it, or correct it."},
	}
}

func explainDirectory() []diag.Explanation {
	return []diag.Explanation{
		{Code: CircularGroup, Title: "A group that contains itself",
			Why: "Groups may contain groups. In a circle, nobody can say who brought whom in.",
			Fix: "Take one of the memberships away."},
		{Code: CircularManager, Title: "Managers in a circle",
			Why: "Rules may ask for the manager of somebody. In a circle, people would be their own managers.",
			Fix: "Correct one manager field."},
		{Code: SharedKey, Title: "One ssh key for two users",
			Why: "A signature proves who decided. With a key that two users have, it proves neither.",
			Fix: "Give each user a key of their own. One user may have many keys."},
		{Code: SharedForge, Title: "One forge account for two users",
			Why: "Approvals are counted for people. One account behind two users would count twice.",
			Fix: "Keep the numeric id in the file of the one person it belongs to."},
		{Code: SharedAccount, Title: "One platform account for two users",
			Why: "A grant lets an account in. Everybody behind a shared account would be let in with the first approval, and could stay after the last.",
			Fix: "Give each user an account of their own, in accounts or by the connection's template.", Example: "accounts:\n  warehouse: ana_lopez"},
		{Code: MalformedKey, Title: "Not a public ssh key",
			Why: "A key that cannot be read can verify no approval.",
			Fix: "Paste the one line of the .pub file: type, key and comment.", Example: "forge:\n  ssh:\n    - ssh-ed25519 AAAAC3Nza… ana@laptop"},
		{Code: ServiceOwner, Title: "A service account needs a person",
			Why: "Somebody has to answer for what a service account reads, and to ask for its access.",
			Fix: "Add owner to a service account. A person has a manager instead.", Example: "spec:\n  kind: service\n  owner: ana"},
	}
}

func explainConnections() []diag.Explanation {
	return []diag.Explanation{
		{Code: UnknownPlatform, Title: "A platform that this version does not have",
			Why: "Without an implementation nothing can be granted, and nothing revoked.",
			Fix: "Correct the spelling, or use a version that has it.", Example: "platform: postgres"},
		{Code: Secret, Title: "Something that looks like a secret",
			Why: "Passwords, keys and tokens have no place in a repository, in comments and descriptions neither.",
			Fix: "Take it out, change it where it is used, and refer to it with env:// or file://."},
		{Code: TLSDisabled, Title: "TLS is off on the network, or checks nothing",
			Why: "Without TLS, the engine's own password and everything it reads can be seen and changed on the way. With require alone, anybody on the way can pose as the server.",
			Fix: "Remove tls, so that the server is verified, and name the certificate of an authority of your own in caFrom. disable and require are for a server on the same machine.", Example: "endpoint:\n  host: db.example.com\n  tls: verify-full"},
		{Code: AccountTemplate, Title: "An account template that does not give one account each",
			Why: "The template makes the account of every user without an entry of their own. Without {name} or {email}, all of them would share one.",
			Fix: "Use {name} or {email}; no other parts exist.", Example: "accounts:\n  template: \"{email}\""},
		{Code: SameEndpoint, Title: "Two connections to one database",
			Why: "Each would see the grants of the other as foreign or as drift.",
			Fix: "Keep one connection, and move its sources there."},
		{Code: DiscoverPattern, Title: "A discovery pattern that cannot be read",
			Why: "A malformed pattern selects nothing, so that tables would be missed in silence.",
			Fix: "Close the bracket. * stands for any text, ? for one character.", Example: "discover:\n  include: [\"shop.public.*\"]"},
		{Code: DiscoverSchedule, Title: "A schedule that is no interval",
			Why: "Discovery repeats after a length of time.",
			Fix: "Write a whole number and min, h, d or w.", Example: "schedule: 1d"},
		{Code: LevelTwice, Title: "One level of a connection, stated twice",
			Why: "Forms and flows of a level are never merged, so that the second would be read by nobody.",
			Fix: "Put forms and flow into one entry."},
		{Code: LevelCoversNone, Title: "A level with nothing below it",
			Why: "A slip in the path leaves the sources that were meant to the next level up, which may ask fewer people.",
			Fix: "Write database, or database/schema, spelt as in the paths below sources/.", Example: "levels:\n  - path: shop/public\n    forms: {dataAccess: customer-data}"},
		{Code: LevelStatesNone, Title: "A level that states nothing",
			Why: "What a level leaves out is inherited from the level above. One that leaves out everything does nothing.",
			Fix: "Add forms, review, mode, future or creators, or remove the level."},
		{Code: NotKnownHere, Title: "A connector, of which nothing is known here",
			Why: "A connector is a program that only the engine's machine runs, so a mask that it cannot do is found when it is applied, and not when it is reviewed. Such a mask opens nothing.",
			Fix: "Run `assent connector test` on the program, and keep to the masks that it says it can do.", Example: "platform: connector/shelf"},
		{Code: LevelFutureIdle, Title: "Tables that nobody opens as they appear",
			Why: "future: discovered opens tables as they appear. In mode observe Assent opens nothing, so that people would wait for it.",
			Fix: "Set mode to adopt or enforce, on the level or on the connection.", Example: "levels:\n  - path: shop/public\n    mode: enforce\n    future: discovered"},
		{Code: SourceParts, Title: "A table's path that the platform does not have",
			Why: "On some platforms a table lies in a schema of a database, on MariaDB and MySQL in a database alone. A path of another length names no table, and opens nothing.",
			Fix: "Write the path that `assent discover` writes.", Example: "path: [shop, orders]"},
	}
}

func explainMasking() []diag.Explanation {
	return []diag.Explanation{
		{Code: MaskUnsupported, Title: "A mask that the platform cannot do",
			Why: "What cannot be masked is not granted, so that people would wait for access that never comes.",
			Fix: "Choose a type that the platform has.", Example: "mask:\n  type: hash"},
		{Code: MaskPattern, Title: "A pattern or replacement that cannot be carried out alike everywhere",
			Why: "A mask whose pattern cannot be read hides nothing or everything, and one that engines read differently hides more on one platform than on another.",
			Fix: "Use RE2 syntax: no look-around, no back references, no lazy quantifiers, no \\b, no (?m). The leftmost, longest match is replaced. In the replacement, $1 or ${1} is the first group and $$ a dollar sign.", Example: "mask:\n  type: regex\n  pattern: '[0-9]'\n  replacement: '#'"},
		{Code: MaskFields, Title: "Fields that do not fit the type of a mask",
			Why: "A field of another type is a sign that another mask was meant.",
			Fix: "constant takes value; regex takes pattern and replacement; partial takes keepFirst and keepLast; round takes digits; truncate takes unit; null and hash take nothing. Put null in quotes, because YAML reads it as nothing.", Example: "mask:\n  type: \"null\""},
		{Code: MaskMatchesNone, Title: "A policy that masks no column",
			Why: "Somebody believes in a mask that is not there.",
			Fix: "Check tags, columns and domain. What is stated has to hold at once. Tags are those of columns."},
		{Code: MaskColumn, Title: "A policy for a column that does not exist",
			Why: "The column may have been renamed, and is in the clear now.",
			Fix: "Write connection/database/schema/table/column, or the bare name of a column to mean it everywhere.", Example: "match:\n  columns: [warehouse/shop/public/orders/email]"},
	}
}

func explainProducts() []diag.Explanation {
	return []diag.Explanation{
		{Code: NoSource, Title: "A product without a source",
			Why: "People would ask for nothing, wait, and receive nothing.",
			Fix: "List a source, or widen the match.", Example: "sources:\n  - source: warehouse/shop/public/orders"},
		{Code: LevelUnsupported, Title: "An access level that the platform cannot give",
			Why: "A request for it could be approved and never granted.",
			Fix: "Offer the levels that the platforms of all its sources have.", Example: "accessLevels: [read]"},
		{Code: RetiredInUse, Title: "Retiring a product that people use",
			Why: "Everybody with a request loses the access that it gave. That may be what is meant.",
			Fix: "Suspend the product to take access away for a while. Retire it to end it.", Example: "state: suspended"},
		{Code: ForeignSource, Title: "A source of another domain",
			Why: "The stewards of a product's domain decide about all that is in it, also about data whose own domain has other stewards.",
			Fix: "Ask the other domain, or list the source in a product of that domain."},
		{Code: MalformedGlob, Title: "A path pattern that cannot be read",
			Why: "A malformed pattern matches nothing: a domain would lose its sources in silence.",
			Fix: "Patterns are compared segment by segment. * stands for a part of a segment, ** alone for any number of segments.", Example: "paths: [\"warehouse/shop/**\"]"},
		{Code: MatchSelectsNone, Title: "A match that selects nothing",
			Why: "The product gives less than its author believes.",
			Fix: "Check tags and paths. Where both are stated, both have to hold."},
		{Code: HiddenFromAll, Title: "A product that is hidden from everybody",
			Why: "hidden shows a product to its audience alone. Without an audience nobody is in it.",
			Fix: "Name the audience, or remove hidden.", Example: "hidden: true\naudience: [{group: analysts}]"},
		{Code: BirthrightNobody, Title: "A birthright that matches nobody",
			Why: "Access that somebody believes in is not there. A birthright is for active people, never for service accounts.",
			Fix: "Check the name of the group, or key and value of the attribute.", Example: "birthright:\n  - attribute: {key: department, value: finance}"},
		{Code: BirthrightLevel, Title: "A birthright to more than the product offers",
			Why: "What nobody may ask for is given to nobody either.",
			Fix: "Give a level that the product offers, or offer it.", Example: "accessLevels: [read, write]"},
	}
}
