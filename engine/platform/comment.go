package platform

import (
	"regexp"
	"slices"
	"strings"
)

var tagWord = regexp.MustCompile(`(^|\s)@tag\s+([A-Za-z0-9][A-Za-z0-9_.-]*)`)

// SplitComment separates the tags of a comment on a table or column from its
// text: words of the form "@tag pii.email" are tags, ordered and without repeats.
func SplitComment(comment string) (text string, tags []string) {
	for _, m := range tagWord.FindAllStringSubmatch(comment, -1) {
		tags = append(tags, strings.TrimRight(m[2], "."))
	}
	slices.Sort(tags)
	return strings.TrimSpace(tagWord.ReplaceAllString(comment, "$1")), slices.Compact(tags)
}
