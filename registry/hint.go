package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/condition"
)

// DidYouMean names the one of names that word may have been meant for, as
// `; did you mean "…"?`; empty when none is near.
func DidYouMean(word string, names []string) string {
	if near := condition.Nearest(word, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// Hint is DidYouMean, or else says which names there are.
func Hint(word string, names []string) string {
	if near := DidYouMean(word, names); near != "" || len(names) == 0 {
		return near
	}
	return "; there are " + strings.Join(slices.Sorted(slices.Values(names)), ", ")
}

// UnknownField says that name is not a field, and which one may have been meant
// or which there are.
func UnknownField(name string, known []string) string {
	return "is not a field" + Hint(name, known)
}
