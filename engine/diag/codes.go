package diag

// Code names a kind of problem for ever; it is what `assent explain` takes.
type Code string

// Explanation is the long form of a code: what it means, why it is refused and
// how to mend it, with an example of the mended text where that helps.
type Explanation struct {
	Code    Code   `json:"code"`
	Title   string `json:"title"`
	Why     string `json:"why"`
	Fix     string `json:"fix"`
	Example string `json:"example,omitempty"`
}
