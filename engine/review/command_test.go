package review_test

import (
	"strings"
	"testing"

	"github.com/assent-dev/assent/engine/review"
)

func TestParseCommand(t *testing.T) {
	for _, tc := range []struct {
		body  string
		want  review.Command
		found bool
		err   string
	}{
		{body: "/recheck", want: review.Command{Name: review.CommandRecheck}, found: true},
		{body: "/Recheck  \r\nplease", want: review.Command{Name: review.CommandRecheck}, found: true},
		{body: "/explain\n/cancel", want: review.Command{Name: review.CommandExplain}, found: true},
		{body: "/remind", want: review.Command{Name: review.CommandRemind}, found: true},
		{body: "/cancel", want: review.Command{Name: review.CommandCancel}, found: true},
		{body: "/extend 30d", want: review.Command{Name: review.CommandExtend, Duration: "30d"}, found: true},
		{body: "/extend\u202830d", found: true, err: "for how long"},
		{body: "/extend", found: true, err: "for how long"},
		{body: "/extend 30d for @kim", found: true, err: "for how long"},
		{body: "/extend indefinite", found: true, err: "whole number"},
		{body: "/extend -3d", found: true, err: "whole number"},
		{body: "/extend 999999999999999999999d", found: true, err: "whole number"},
		{body: "/cancel now", found: true, err: "stands alone"},
		{body: "/approve", found: true, err: "decides nothing"},
		{body: "/approve for 30d", found: true, err: "decides nothing"},
		{body: "/deny", found: true, err: "decides nothing"},
		{body: "/shrug", found: true, err: "/recheck, /explain"},
		{body: "/etc/passwd is readable"},
		{body: "/ cancel"}, {body: "//cancel"}, {body: "/"}, {body: ""}, {body: " /cancel"}, {body: "> /cancel"}, {body: "`/cancel`"},
		{body: "please /cancel"}, {body: "\n/cancel"}, {body: "/cancel\u200b"}, {body: "/cancél"}, {body: "/cancel,"},
	} {
		got, found, err := review.ParseCommand(tc.body)
		if got != tc.want && tc.err == "" || found != tc.found || (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q is %+v, %v, %v; want %+v, %v, %q", tc.body, got, found, err, tc.want, tc.found, tc.err)
		}
	}
}
