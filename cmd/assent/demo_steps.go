package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assent-dev/assent/engine/audit"
	"github.com/assent-dev/assent/engine/determine"
	"github.com/assent-dev/assent/engine/grant"
	"github.com/assent-dev/assent/engine/platform"
	"github.com/assent-dev/assent/engine/reconcile"
	"github.com/assent-dev/assent/engine/report"
	"github.com/assent-dev/assent/engine/resource"
	"github.com/assent-dev/assent/engine/review"
)

// play is the story, in order. Every answer comes from the engine or the
// platform; what was expected stands beside it.
func (s *demoScript) play(ctx context.Context) error {
	for _, scene := range []func(context.Context) error{
		s.repository, s.provision, s.refusedBefore,
		s.asks, s.pendingStep, s.ownApproval, s.strangerApproval,
		s.stewards, s.merge, s.proof,
		s.planned, s.applied, s.again, s.answered, s.elsewhere,
		s.expires, s.refusedAfter, s.over, s.ledgerHolds,
	} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *demoScript) repository(context.Context) error {
	count := map[resource.Kind]int{}
	for r := range s.snapshot.Set.All() {
		count[r.Ref().Kind]++
	}
	s.step("A governance repository: forms, products, people and connections are files in Git",
		"2 domains, 3 products, 1 connection, 0 mistakes",
		fmt.Sprintf("%d domains, %d products, %d connection, %d mistakes", count[resource.KindDomain], count[resource.KindDataProduct],
			count[resource.KindConnection], len(checkSnapshot(context.Background(), s.snapshot, nil, s.clock))),
		fmt.Sprintf("repository %s, main at %.12s", s.settings.Spec.ID, s.main))
	return nil
}

// round reconciles once and sums up what happened.
func (s *demoScript) round(ctx context.Context) (sum string, lines []string, err error) {
	r, err := s.reconciler(ctx, true)
	if err != nil {
		return "", nil, err
	}
	rep, err := r.Once(ctx)
	var buf bytes.Buffer
	writeRound(&buf, rep, writeMode)
	return summary(rep), strings.Split(strings.TrimSpace(buf.String()), "\n"), err
}

// summary counts what a round did: "1 grant, 4 provision applied".
func summary(rep reconcile.Report) string {
	count := map[string]int{}
	for _, c := range rep.Connections {
		if c.Unknown != "" {
			return "unreachable: " + c.Unknown
		}
		for _, st := range c.Steps {
			count[string(st.Action)+" "+string(st.Status)]++
		}
	}
	var out []string
	for what, n := range count {
		out = append(out, fmt.Sprintf("%d %s", n, strings.TrimSpace(what)))
	}
	slices.Sort(out)
	if len(out) == 0 {
		return "nothing to change"
	}
	return strings.Join(out, ", ")
}

func (s *demoScript) provision(ctx context.Context) error {
	sum, lines, err := s.round(ctx)
	s.step("The reconciler prepares each product on the platform: roles and masks, nobody in them", "3 provision applied", sum, lines...)
	return err
}

// ask runs Ana's query on the product, as she would, and says what came back.
func (s *demoScript) ask(ctx context.Context) (sql string, rows [][]string, observed string, err error) {
	wish := grant.Desired(s.snapshot.Set, nil, s.clock)
	c, ok := resource.Get[*resource.Connection](s.snapshot.Set, resource.KindConnection, "warehouse")
	if !ok {
		return "", nil, "", fmt.Errorf("no connection warehouse")
	}
	p, err := s.openPlatform(ctx, c)
	if err != nil {
		return "", nil, "", err
	}
	defer func() { _ = p.Close() }()
	sql = "SELECT id, name, email FROM " + address(p, wish, "customer-orders", "customers") + " ORDER BY id"
	rows, observed, err = s.askSQL(ctx, sql)
	return sql, rows, observed, err
}

func address(p platform.Platform, wish grant.Wish, product resource.Name, table string) string {
	for _, r := range wish.Roles {
		if r.Scope.Name != product {
			continue
		}
		for _, o := range r.Objects {
			if o.Path[len(o.Path)-1] == table {
				return p.Address(r.RoleKey, o)
			}
		}
	}
	return "nowhere"
}

func (s *demoScript) askSQL(ctx context.Context, sql string) ([][]string, string, error) {
	rows, denied, err := s.people.query(ctx, "ana", sql)
	switch {
	case denied:
		return nil, "refused", nil
	case err != nil:
		return nil, "", fmt.Errorf("query as ana: %w", err)
	default:
		return rows, fmt.Sprintf("answered with %d rows", len(rows)), nil
	}
}

func (s *demoScript) refusedBefore(ctx context.Context) error {
	sql, _, observed, err := s.ask(ctx)
	s.step("Ana queries the product before anybody agreed", "refused", observed, "ana> "+sql)
	return err
}

func (s *demoScript) asks(ctx context.Context) error {
	me, ok := resource.UserOf(s.snapshot.Set, "ana")
	if !ok {
		return errors.New("no user ana")
	}
	made, problems, err := s.fileRequest(ctx, me, requestOptions{
		product: "customer-orders", duration: "90d", accept: true,
		answers: []string{"purpose=Churn model for the spring campaign", "project=churn-model"},
	})
	if err != nil {
		return err
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	f, err := s.deskOf(ctx, "ana")
	if err != nil {
		return err
	}
	pr, err := f.open(ctx, draft{made.name, made.title, map[string][]byte{made.file: made.raw}})
	if err != nil {
		return err
	}
	s.request, s.pull = made.name, pr.ID
	lines = append(lines, made.file, strings.TrimSpace(string(made.raw)))
	s.step("She files a request: a file on a branch, "+s.either("signed with her key", "in a pull request on GitHub"), "pull request open, 0 mistakes",
		fmt.Sprintf("pull request %s, %d mistakes", pr.State, len(problems)), lines...)
	return nil
}

func (s *demoScript) explained(ctx context.Context) (audit.RequestStatus, []string, error) {
	if err := s.reload(ctx); err != nil {
		return audit.RequestStatus{}, nil, err
	}
	st, err := s.standing(ctx, resource.Name(s.request))
	if err != nil {
		return st, nil, err
	}
	page, err := s.pageFor(ctx, st)
	return st, strings.Split(strings.TrimRight(report.Screen(page), "\n"), "\n"), err
}

func (s *demoScript) pendingStep(ctx context.Context) error {
	st, lines, err := s.explained(ctx)
	s.step("Why is it pending, and who can move it on?", "pending, waits for kim or raj", fmt.Sprintf("%s, %s", st.State, nowText(st)), lines...)
	return err
}

// review files a review and says whether it counted, and why not.
func (s *demoScript) review(ctx context.Context, who string, d resource.Duration, reason string) (string, error) {
	body, err := review.FormatBody(review.Approve, d, "", reason)
	if err != nil {
		return "", err
	}
	f, err := s.deskOf(ctx, who)
	if err != nil {
		return "", err
	}
	r, err := f.review(ctx, s.pull, review.Approve, body)
	if refusedByForge(err) {
		return "does not count: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	st, err := s.standing(ctx, resource.Name(s.request))
	if err != nil || st.Judgement == nil {
		return "", err
	}
	for _, determination := range st.Judgement.Determinations {
		for _, rr := range determination.Reviews {
			if rr.ID == r.ID && rr.Counted {
				return "counts", nil
			} else if rr.ID == r.ID {
				return "does not count: " + rr.Why, nil
			}
		}
	}
	return "not seen", nil
}

func (s *demoScript) ownApproval(ctx context.Context) error {
	got, err := s.review(ctx, "ana", "", "I need it")
	verdict, _, _ := strings.Cut(got, ":")
	s.step("Ana approves her own request", "does not count", verdict, "ana's review "+got)
	return err
}

func (s *demoScript) strangerApproval(ctx context.Context) error {
	got, err := s.review(ctx, "ben", "", "fine with me")
	if err != nil {
		return err
	}
	verdict, _, _ := strings.Cut(got, ":")
	results, err := s.determineAll(ctx)
	s.step("Ben, no steward, approves too; then the engine determines", "does not count; pending", verdict+"; "+results[0].outcome(),
		"ben's review "+got, results[0].PullRequest+": "+results[0].Judgement.Reason)
	return err
}

type demoResult struct{ determine.Result }

func (r demoResult) outcome() string {
	if r.Err != "" {
		return r.Err
	}
	return string(r.Judgement.Outcome)
}

func (s *demoScript) determineAll(ctx context.Context) ([]demoResult, error) {
	d, err := s.determiner(ctx)
	if err != nil {
		return []demoResult{{}}, err
	}
	results, err := d.All(ctx)
	if err == nil && len(results) != 1 {
		err = fmt.Errorf("determined %d pull requests instead of one", len(results))
	}
	if err != nil {
		return []demoResult{{}}, err
	}
	return []demoResult{{results[0]}}, nil
}

func (s *demoScript) stewards(ctx context.Context) error {
	kim, err := s.review(ctx, "kim", "", "A fair use of the data")
	if err != nil {
		return err
	}
	lea, err := s.review(ctx, "lea", resource.Duration(fmt.Sprintf("%dd", demoDays)), "Contact data stays masked; a month is enough")
	if err != nil {
		return err
	}
	_, lines, err := s.explained(ctx)
	s.step("Kim (finance) approves; then Lea (privacy) approves, for 30 days only; "+s.either("both reviews are signed", "both are reviews on GitHub"), "kim counts, lea counts", "kim "+kim+", lea "+lea, lines...)
	return err
}

func (s *demoScript) merge(ctx context.Context) error {
	results, err := s.determineAll(ctx)
	if err != nil {
		return err
	}
	r := results[0]
	until := ""
	for _, d := range r.Judgement.Determinations {
		until = fmt.Sprintf("%g days", d.Until.Sub(s.now()).Round(time.Hour).Hours()/24)
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	s.step("The engine determines: the rules agree, it merges, judges the merge again and signs a record",
		fmt.Sprintf("temporarily-approved for %d days, 1 record", demoDays), fmt.Sprintf("%s for %s, %d record", r.outcome(), until, len(r.Records)),
		fmt.Sprintf("%s: %s", r.PullRequest, r.Judgement.Reason), fmt.Sprintf("merged as %.12s, record %v on %s", r.Merged, r.Records, s.settings.Spec.LedgerBranch()))
	return nil
}

func (s *demoScript) proof(ctx context.Context) error {
	v, err := s.verify(ctx)
	if err != nil {
		return err
	}
	s.step("Before any grant, every link is verified: signatures, chain, merge, reviews, and the judgement made again",
		"1 approval proven, 0 findings", fmt.Sprintf("%d approval proven, %d findings", v.Approvals, len(v.Findings)), fmt.Sprintf("%d records, head %s", v.Records, v.Head))
	return nil
}

func (s *demoScript) planned(ctx context.Context) error {
	r, err := s.reconciler(ctx, false)
	if err != nil {
		return err
	}
	rep, err := r.Plan(ctx)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	writePlan(&buf, rep)
	s.step("The plan: what would change, and the exact statements", "1 grant", summary(rep), strings.Split(strings.TrimSpace(buf.String()), "\n")...)
	return nil
}

func (s *demoScript) applied(ctx context.Context) error {
	sum, lines, err := s.round(ctx)
	s.step("The reconciler applies it and reads it back", "1 grant applied", sum, lines...)
	return err
}

func (s *demoScript) again(ctx context.Context) error {
	sum, lines, err := s.round(ctx)
	s.step("A second run does nothing", "nothing to change", sum, lines...)
	return err
}

func (s *demoScript) answered(ctx context.Context) error {
	sql, rows, observed, err := s.ask(ctx)
	if err != nil {
		return err
	}
	lines := []string{"ana> " + sql}
	masked := len(rows) > 0
	for _, r := range rows {
		lines = append(lines, strings.Join(r, " | "))
		masked = masked && len(r) == 3 && strings.Contains(r[1], " ") && !strings.Contains(r[2], "@")
	}
	if masked {
		observed += ", email masked"
	}
	s.step("Ana runs the same query again", "answered with 2 rows, email masked", observed, lines...)
	return nil
}

func (s *demoScript) elsewhere(ctx context.Context) error {
	wish := grant.Desired(s.snapshot.Set, nil, s.clock)
	c, _ := resource.Get[*resource.Connection](s.snapshot.Set, resource.KindConnection, "warehouse")
	p, err := s.openPlatform(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	sql := "SELECT * FROM " + address(p, wish, "salaries", "salaries")
	_, observed, err := s.askSQL(ctx, sql)
	s.step("What she did not ask for stays shut", "refused", observed, "ana> "+sql)
	return err
}

func (s *demoScript) expires(ctx context.Context) error {
	s.clock = s.now().AddDate(0, 0, demoDays)
	sum, lines, err := s.round(ctx)
	s.step(fmt.Sprintf("The clock moves to the end, %s: the reconciler revokes", s.clock.Format(time.RFC3339)), "1 revoke applied", sum, lines...)
	return err
}

func (s *demoScript) refusedAfter(ctx context.Context) error {
	sql, _, observed, err := s.ask(ctx)
	s.step("Ana runs the same query once more", "refused", observed, "ana> "+sql)
	return err
}

func (s *demoScript) over(ctx context.Context) error {
	st, lines, err := s.explained(ctx)
	state := ""
	for _, g := range st.Grants {
		state = g.State
	}
	s.step("How does the request stand now?", "expired, its grant revoked", fmt.Sprintf("%s, its grant %s", st.State, state), lines...)
	return err
}

func (s *demoScript) ledgerHolds(ctx context.Context) error {
	v, err := s.verify(ctx)
	if err != nil {
		return err
	}
	s.step("An auditor verifies the whole ledger, offline", "0 findings", fmt.Sprintf("%d findings", len(v.Findings)),
		fmt.Sprintf("%d records, each signed, dense and chained; %d determination made again; head %s", v.Records, v.Determinations, v.Head))
	return nil
}
