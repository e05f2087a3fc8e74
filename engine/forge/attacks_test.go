package forge_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// played is what became of an attack or a scenario: the tests that play it, each
// a package below engine or cmd, a test, and a subtest where one plays it alone,
// or why it is not met.
type played struct {
	what  string
	tests []string
	not   string // what is left, and who has to see to it
}

// The tests of the contract run on the local forge, on a fake GitHub with a token
// and as an App, and on a Gitea where there is one.
const (
	onEach = "forge/local TestContractBare/"
	play   = "review TestScenarios/"
	broken = "loop TestABrokenLinkGivesNothingAndHarmsNobodyElse/"
	onTea  = "forge/gitea TestAttacks/"
)

// attacks are the known ways to get access that nobody agreed to, by number.
var attacks = []played{
	{"who asks approves", []string{onEach + "A1, A6 neither strangers nor who asks approve", play + "requester"}, ""},
	{"who benefits approves, while somebody else asks", []string{onEach + "S02 who benefits does not approve", play + "beneficiary through a group", play + "owner of the service account that benefits"}, ""},
	{"a steward pushes to the pull request and approves it", []string{onEach + "S03 who pushed does not approve", "forge/github TestWhoPushedIsWhatTheServerSaw", "forge/gitea TestEveryCommitWasPushedBySomebody"}, ""},
	{"a commit hides who made it", []string{play + "co-author by mail", play + "co-author by GitHub's own address", "forge/local TestCoAuthorsAreNamedAndIdentifyNobody"}, "an address that is nobody's in the directory excludes nobody"},
	{"a bot approves", []string{play + "bot", play + "ghost", play + "service account"}, ""},
	{"somebody without a say approves", []string{onEach + "A1, A6 neither strangers nor who asks approve", "review TestStewardsAndPeopleOfTheHeadDoNotCount"}, ""},
	{"a steward has gone since", []string{onEach + "S13, S15 stewards and quorum are those of the base", "loop TestABaseThatMovesBeforeTheMergeIsJudgedAgain/by the removal of the steward who approved", broken + "L7: the steward was removed at base"}, "an approval that is recorded stays when its steward leaves; a recertification asks for it again"},
	{"one person has two accounts", []string{play + "two accounts of one person", "review TestAnAccountThatTwoPeopleClaimDecidesForNeither"}, ""},
	{"a login in another case", []string{play + "unknown id with a known login", play + "an id in another spelling"}, ""},
	{"a login given to somebody else", []string{onEach + "S24 a login that changes hands is not the person", onTea + "login given to a stranger", play + "unknown id with a known login"}, ""},
	{"a name that looks like another", []string{"repo TestCharactersThatHideTextAreRefused", "repo TestEachCodePointIsRefusedOrReadAsItself"}, ""},
	{"somebody edits what another one said", []string{onEach + "S33 words changed later stretch nothing", play + "fake co-sign in a comment", play + "edited approval", play + "a denial that is edited to approve stands", "forge/github TestAnEditedApprovalIsTold", onTea + "words of a review changed", "forge/gitea TestWhoseCommandsAreHeard"}, ""},
	{"an approval by mail, mention or emoji", []string{play + "trailer in a comment"}, "not offered: only reviews count"},
	{"a push after the approval", []string{onEach + "S07 the same content on a newer base", onEach + "S04 a push after the approval waits for a new one", onEach + "S07 there and back by a new commit", "forge/github TestAHeadThatCameBackIsReviewedAnew", onTea + "head goes away and comes back"}, ""},
	{"the forge moves an approval to another commit", []string{onEach + "S05 an approval that the forge moves does not count", "forge/github TestAReviewThatGitHubMovedDoesNotCount", "forge/github TestAnApprovalThatMovesWithoutAPushDoesNotCount", "loop TestInterleavingsGrantWhatWasApprovedOnly"}, ""},
	{"a review of an old commit, given later", []string{onEach + "S08 a review of an old commit does not count", "forge/github TestAReviewOfAnOldCommitDoesNotCount", onTea + "review of an older commit", play + "newer review of an old commit"}, ""},
	{"a reviewer looks at an old page", []string{play + "in the second in which the head appeared", "forge/local TestReviewIsOfTheHeadThatWasLookedAt", onTea + "review begun before the push"}, "a review that is begun later than a second after the push, on a page loaded before it, counts on a forge without signed reviews; there is no mode that asks for the digest"},
	{"a denial is dismissed, or an approval revived by that", []string{onEach + "S10 a dismissal revives nothing", onEach + "S11 who asks dismisses no denial", play + "dismissed denial does not revive the approval", play + "requester dismisses a denial", "forge/github TestADismissedReviewKeepsWhatItSaid", onTea + "dismissal"}, ""},
	{"one person says this and that", []string{onEach + "S09 a denial is final, a comment is nothing", "review TestCommentsChangeNothing"}, ""},
	{"a denial is outvoted", []string{onEach + "S12 a denial after fifty-five comments denies", "review TestADenialByAStewardNeverLeadsToApproval", "review TestADenialIsNotOutvotedByTheRules", "loop TestADenialClosesThePullRequestAndIsRecordedWithItsReason"}, ""},
	{"the base branch is changed after the approval", []string{onEach + "retargeted pull request names its base", onEach + "S16 a retargeted pull request is not approved", onTea + "pointed elsewhere and back"}, ""},
	{"the rules are changed by the pull request that they judge", []string{onEach + "S14 a request with the rules for it is not approved", "review TestPermissionsAreThoseOfTheBase", "loop TestCommitsInBetweenMakeNoSteward"}, ""},
	{"the rules change after the approval", []string{onEach + "S13, S15 stewards and quorum are those of the base", "review TestPolicyMoves", "loop TestARecordOfOtherRulesCountsWhileTodaysAgree"}, ""},
	{"two pull requests change one file", []string{onEach + "twin pull requests conflict", onEach + "pull requests side by side compose"}, ""},
	{"a merge by hand holds more", []string{onEach + "merge past the engine is not a merge", broken + "L9: evil merge with one more file"}, ""},
	{"another method of merging", []string{onEach + "S22 each way of merging gives the same", "loop TestAMergeByHandOfWhatWasApprovedIsRecorded", onTea + "every method with a moving base"}, "several commits that somebody rebases by hand are refused where they are approved, and have to be asked for again; the engine itself squashes them"},
	{"renames hide a deletion", []string{"gitdb TestTreesEqualGits", "loop TestTheChangeReadFromGitIsTheForges", "loop TestAMovedRequestIsApprovedAtItsNewPlace"}, ""},
	{"links, submodules, executable files", []string{"repo TestGitModesAreRefusedWithTheirNumber", "repo TestEachCauseGivesOneDiagnostic"}, ""},
	{"paths that leave the tree, or look alike", []string{"gitdb TestWriteTreeRefusesPathsThatAreNone", "repo TestSlugsKeepNamesApart", broken + "L3: a path that is no path"}, ""},
	{"a file that reads otherwise than it looks", []string{"repo TestHostileShapesAreReadInBoundedTime", "repo TestCharactersThatHideTextAreRefused", "repo FuzzDecode", "repo TestEachCauseGivesOneDiagnostic"}, ""},
	{"a pull request too large to read", []string{"repo TestLimitsAreExact", "gitdb TestBlobHoldsItsLimit"}, "the change is read from git, so lists that GitHub cuts off are not used"},
	{"history that is cut, grafted or replaced", []string{"gitdb TestOpenRefusesWhatMakesGitShowOtherBytes", "gitdb TestFetchBringsNamedReferencesOnly", "forge/local TestUnrelatedHistoryIsIncomplete"}, ""},
	{"two objects of one SHA-1", []string{"forge/local TestChangeDigestIsWhatItSays", "ledger TestDigestsBindTheirPurpose"}, "git's own objects are named by SHA-1; the ledger binds the bytes of a request by SHA-256 besides"},
	{"a push between decision and merge", []string{onEach + "merge after head moved changes nothing", onEach + "merge after base moved changes nothing"}, ""},
	{"an administrator merges what nobody approved", []string{onEach + "S19 what nobody decided is not approved by a merge", "loop TestAMergeByHandOfWhatNobodyApprovedGivesNothing"}, ""},
	{"a push straight to main, or back", []string{onEach + "direct push is not a merge", onEach + "rewound base is no longer merged", "loop TestBrokenGroundFreezesEverythingButEnds/main rolled back", "loop TestWhatIsPushedPastThePullRequestsGivesNothing"}, "whoever may push to main past the pull requests may change the stewards there; branch protection has to prevent that, and doctor says whether it does"},
	{"what was taken away is put back", []string{broken + "L13: deleted by hand and put back", broken + "L13: replayed after the request was withdrawn"}, ""},
	{"somebody else sets our status", []string{onEach + "S23 a forged status proves nothing", "forge/github TestAForgedStatusProvesNothing", "forge/github TestAnotherAppsCheckProvesNothing", onTea + "forged status"}, ""},
	{"two pull requests have one head", []string{"forge/github TestAHeadThatWasSeenInAnotherPullRequestIsReviewedAnew"}, ""},
	{"a merge queue makes something else of it", []string{"loop TestMergeQueueGetsNoUnconditionalSuccess", "loop TestMergeQueueThatSlipsSomethingIn"}, ""},
	{"a denial comes when the merge is on its way", []string{"loop TestMergeQueueGetsNoUnconditionalSuccess/the first is denied in the queue"}, ""},
	{"clocks that are wrong", []string{play + "from the future", broken + "L14: decided in the future", "loop TestAccessEndsToTheSecond"}, ""},
	{"an end is stretched afterwards", []string{play + "edited approval", "review TestTheShortestEndWins", broken + "L8: until stretched"}, ""},
	{"a webhook that nobody signed", []string{"server TestHooksRefuseWhatNoSecretSigned", "server TestHooksNeedASecret"}, ""},
	{"a webhook sent again", []string{"server TestHooksQueueADeliveryOnce", "server TestQueueLooksOnceForManyHints"}, ""},
	{"webhooks that never come", []string{"cmd/assent TestServeDecidesWithoutAnyWebhook", "cmd/assent TestServeHoldsWhateverIsSent", "cmd/assent TestServeCatchesUpAfterItWasDown"}, ""},
	{"a forge that lags behind itself", []string{onEach + "S29 what shows late never approves", "forge/github TestALaggingHeadIsNeverTakenForTheNewOne", "forge/github TestALaggingReviewIsReadLater"}, ""},
	{"a list that ends early", []string{"forge/github TestAPageThatEndsEarlyLosesNothing", "forge/gitea TestListsAreReadToTheirEnd", onEach + "denial after fifty-five comments is read"}, ""},
	{"limits of the forge starve what has to end", []string{onEach + "S30 a throttled forge gives nothing away", "forge/github TestLimitsAreThrottled", "cmd/assent TestServeEndsAccessOnTimeWhateverIsQueued"}, ""},
	{"a pull request from a fork reaches for secrets", []string{"cmd/assent/scaffold TestMatrixRefusesBadWorkflows", onTea + "author has no write access"}, ""},
	{"text that becomes markup, a command or a log line", []string{"report TestAPageIsInertWhateverPeopleWrote", onEach + "hostile text comes back byte by byte", "server TestLogsTellNoSecrets"}, ""},
	{"an address in what was sent is followed", []string{"forge/github TestARedirectElsewhereIsNotFollowed", "forge/gitea TestTheTokenGoesNowhereElse"}, ""},
	{"another repository under the name", []string{"forge/github TestAnotherRepositoryUnderTheNameIsRefused", "forge/github TestARenamedRepositoryGoesOn", onTea + "repository renamed, name taken"}, ""},
	{"the engine's token is stolen", []string{"cmd/assent TestServeInTwoRoles", "loop TestOnlyTheDeterminingKeyDetermines"}, "whoever has the token speaks as the engine on the forge; it grants nothing, since grants rest on the ledger, which other keys sign"},
	{"the forge itself lies", []string{"forge/local TestForgedEventsNeverCount", "loop TestABrokenLinkGivesNothingAndHarmsNobodyElse"}, "only the local forge has signed reviews: a GitHub or Gitea that invents an approval is believed"},
}

// scenarios are played from the opening to the end, by number.
var scenarios = []played{
	{"two of two stewards", []string{onEach + "S01 two of two stewards approve"}, ""},
	{"self-interest by another author", []string{onEach + "S02 who benefits does not approve"}, ""},
	{"a push as somebody else", []string{onEach + "S03 who pushed does not approve"}, ""},
	{"a push after the approval", []string{onEach + "S04 a push after the approval waits for a new one"}, ""},
	{"the forge re-anchors", []string{onEach + "S05 an approval that the forge moves does not count", onEach + "S05 a new approval of the head that it moved to counts", "forge/github TestAReviewThatGitHubMovedDoesNotCount"}, "Gitea and the local forge do not re-anchor; it is played by what stands before them, or who may push"},
	{"a commit dated back", []string{onEach + "S06 a commit dated back is as new as any", "forge/github TestAReviewBeforeTheHeadWasSeenDoesNotCount", "forge/local TestChangeDigestIsWhatItSays"}, "dates of commits are read nowhere"},
	{"the same content, rebased", []string{onEach + "S07 the same content on a newer base", onEach + "S07 there and back by a new commit", play + "signed statement survives a rebase"}, "carried over where reviews are signed, and nowhere else: there is no option"},
	{"a review of an old commit", []string{onEach + "S08 a review of an old commit does not count", "forge/github TestAReviewOfAnOldCommitDoesNotCount", onTea + "review of an older commit"}, ""},
	{"to and fro", []string{onEach + "S09 a denial is final, a comment is nothing"}, "stricter: a denial is final, and who changes their mind asks for a new pull request"},
	{"a dismissal revives nothing", []string{onEach + "S10 a dismissal revives nothing", play + "dismissed denial does not revive the approval", "forge/github TestADismissedReviewKeepsWhatItSaid", onTea + "dismissal"}, ""},
	{"the requester dismisses the denial", []string{onEach + "S11 who asks dismisses no denial", play + "requester dismisses a denial", onTea + "dismissal"}, ""},
	{"a denial on page two", []string{onEach + "S12 a denial after fifty-five comments denies"}, ""},
	{"a steward is removed", []string{onEach + "S13, S15 stewards and quorum are those of the base"}, ""},
	{"rules and request together", []string{onEach + "S14 a request with the rules for it is not approved"}, ""},
	{"the quorum is raised", []string{onEach + "S13, S15 stewards and quorum are those of the base"}, ""},
	{"another base", []string{onEach + "S16 a retargeted pull request is not approved"}, "the local forge binds a pull request to main"},
	{"twins", []string{onEach + "twin pull requests conflict"}, ""},
	{"evil merge", []string{onEach + "merge past the engine is not a merge", broken + "L9: evil merge with one more file"}, "the difference is not shown"},
	{"merged without a decision", []string{onEach + "S19 what nobody decided is not approved by a merge", "loop TestAMergeByHandOfWhatNobodyApprovedGivesNothing"}, ""},
	{"main pushed to and taken back", []string{onEach + "rewound base is no longer merged", "loop TestBrokenGroundFreezesEverythingButEnds/main rolled back"}, ""},
	{"a race for the merge", []string{onEach + "merge after head moved changes nothing"}, ""},
	{"each method", []string{onEach + "S22 each way of merging gives the same", onTea + "every method with a moving base", "loop TestAMergeByHandOfWhatWasApprovedIsRecorded"}, "see attack 26"},
	{"a forged status", []string{onEach + "S23 a forged status proves nothing", "forge/github TestAForgedStatusProvesNothing", onTea + "forged status"}, ""},
	{"a login that changes hands", []string{onEach + "S24 a login that changes hands is not the person", onTea + "login given to a stranger", play + "unknown id with a known login"}, ""},
	{"hostile YAML", []string{"repo TestEachCauseGivesOneDiagnostic", "repo TestHostileShapesAreReadInBoundedTime"}, ""},
	{"hostile trees", []string{"repo TestGitModesAreRefusedWithTheirNumber", "gitdb TestWriteTreeRefusesPathsThatAreNone"}, ""},
	{"chaos of webhooks", []string{"cmd/assent TestServeHoldsWhateverIsSent"}, ""},
	{"forged webhooks", []string{"server TestHooksRefuseWhatNoSecretSigned", "server TestHooksRefuseWhatIsNoWebhook"}, ""},
	{"a lagging API", []string{onEach + "S29 what shows late never approves", "forge/github TestALaggingHeadIsNeverTakenForTheNewOne", "forge/github TestALaggingReviewIsReadLater"}, ""},
	{"throttled for ten minutes", []string{onEach + "S30 a throttled forge gives nothing away", "forge/github TestLimitsAreThrottled", "cmd/assent TestServeEndsAccessOnTimeWhateverIsQueued"}, ""},
	{"killed after each write", []string{onEach + "crash at any write of a merge is healed", onEach + "crash at any write of a publish is healed", onEach + "crash at any write of a close is healed", "loop TestACrashAtAnyWriteOfADeterminationIsCompleted", "loop TestACrashAfterAnyChangeIsCompleted", "cmd/assent TestKilledServeConverges"}, ""},
	{"an end while the forge is away", []string{"cmd/assent TestReconcileEndsAccessWhileTheForgeIsAway"}, ""},
	{"a directive edited later", []string{onEach + "S33 words changed later stretch nothing", play + "edited approval", "forge/github TestAnEditedApprovalIsTold"}, ""},
}

// apart are the scenarios that are not the forges' to play, by number, and why:
// all others are in the contract, which each forge is held to.
var apart = map[int]string{
	25: "requests are read from git objects by package repo, whichever forge they came from",
	26: "trees are read from git objects by packages gitdb and repo, whichever forge they came from",
	27: "webhooks are hints to package server, and no forge is asked by what they say; the local forge has none",
	28: "webhooks are hints to package server, and no forge is asked by what they say; the local forge has none",
	32: "access ends by the ledger and the clock, and no forge is asked",
}

// Each scenario is one of the contract, or it is said why not.
func TestEachScenarioIsPlayedOnEachForge(t *testing.T) {
	for i, p := range scenarios {
		why, left := apart[i+1]
		const words = 4
		switch held := slices.ContainsFunc(p.tests, func(name string) bool { return strings.HasPrefix(name, onEach) }); {
		case held && left:
			t.Errorf("scenario %d (%s) is in the contract, and is said not to be: %s", i+1, p.what, why)
		case !held && len(strings.Fields(why)) < words:
			t.Errorf("scenario %d (%s) is not in the contract, and it is not said why", i+1, p.what)
		}
	}
}

// Each forge there is runs the contract, and its harness is whole: it says of what
// it cannot play why not.
func TestEachForgeIsHeldToTheContract(t *testing.T) {
	found := 0
	dirs, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if !calls(t, filepath.Join(dir, "[a-z]*.go"), "forge", "Forge") {
			continue
		}
		found++
		for _, name := range []string{"Run", "Whole"} {
			if !calls(t, filepath.Join(dir, "*_test.go"), "forgetest", name) {
				t.Errorf("package %s is a forge and calls no forgetest.%s", dir, name)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d forges, want 3", found)
	}
}

// calls reports whether files call a function of a package, or declare that
// something is of its type.
func calls(t *testing.T, pattern, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, at := range files {
		f, err := parser.ParseFile(token.NewFileSet(), at, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			var of ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				of = n.Fun
			case *ast.ValueSpec:
				if len(n.Names) == 1 && n.Names[0].Name == "_" {
					of = n.Type
				}
			}
			if s, ok := of.(*ast.SelectorExpr); ok && s.Sel.Name == name {
				x, ok := s.X.(*ast.Ident)
				found = found || ok && x.Name == pkg
			}
			return true
		})
	}
	return found
}

// A test that the table names exists, so that the table cannot outlive it.
func TestEachAttackIsPlayedByTestsThatExist(t *testing.T) {
	if len(attacks) != 55 || len(scenarios) != 33 {
		t.Fatalf("%d attacks and %d scenarios, want 55 and 33", len(attacks), len(scenarios))
	}
	read := map[string]source{}
	for kind, list := range map[string][]played{"attack": attacks, "scenario": scenarios} {
		for i, p := range list {
			if p.what == "" || len(p.tests) == 0 {
				t.Errorf("%s %d is played by nothing", kind, i+1)
			}
			for _, name := range p.tests {
				dir, test, _ := strings.Cut(name, " ")
				test, sub, _ := strings.Cut(test, "/")
				if _, ok := read[dir]; !ok {
					read[dir] = readSource(t, dir)
				}
				s := read[dir]
				if !s.tests[test] || sub != "" && !s.texts[sub] {
					t.Errorf("%s %d: there is no test %s", kind, i+1, name)
				}
			}
		}
	}
}

// Every numbered scenario of the contract is in the table.
func TestEachScenarioOfTheContractIsInTheTable(t *testing.T) {
	var named []string
	for _, p := range slices.Concat(attacks, scenarios) {
		named = append(named, p.tests...)
	}
	found := 0
	for text := range maps.Keys(readSource(t, "forge/forgetest").texts) {
		if number, _, _ := strings.Cut(text, " "); len(number) < 2 || !strings.ContainsAny(number[:1], "SA") || strings.Trim(number[1:], "0123456789,") != "" {
			continue
		}
		if found++; !slices.Contains(named, onEach+text) {
			t.Errorf("%q is not in the table", text)
		}
	}
	if found == 0 {
		t.Error("the contract has no numbered scenario")
	}
}

// source is what a package's tests are called, and every text in it.
type source struct{ tests, texts map[string]bool }

func readSource(t *testing.T, dir string) source {
	t.Helper()
	at := filepath.Join("..", filepath.FromSlash(dir))
	if rest, ok := strings.CutPrefix(dir, "cmd/"); ok {
		at = filepath.Join("..", "..", "cmd", filepath.FromSlash(rest))
	}
	s := source{map[string]bool{}, map[string]bool{}}
	patterns := []string{filepath.Join(at, "*_test.go")}
	if strings.HasPrefix(dir, "forge/") {
		patterns = append(patterns, filepath.Join("forgetest", "*.go"))
	}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 && !strings.HasSuffix(dir, "forgetest") {
			t.Fatalf("%s: %d files: %v", pattern, len(files), err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					s.tests[n.Name.Name] = n.Recv == nil || s.tests[n.Name.Name]
				case *ast.BasicLit:
					if text, err := strconv.Unquote(n.Value); err == nil {
						s.texts[text] = true
					}
				}
				return true
			})
		}
	}
	return s
}
