package mysql

import (
	"fmt"

	"github.com/assent-dev/assent/engine/platform"
)

// fault is a reason of our own for not carrying out a change. The detail is
// what the outcome shows.
type fault struct {
	code   platform.Code
	detail string
}

func (f *fault) Error() string { return f.detail }

func faultf(code platform.Code, format string, args ...any) *fault {
	return &fault{code, fmt.Sprintf(format, args...)}
}
