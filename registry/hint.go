package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/condition"
)

// didYouMean names the one of names that word may have been meant for.
func didYouMean(word string, names []string) string {
	if near := condition.Nearest(word, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// UnknownField says that name is not a field, and which one may have been meant
// or which there are.
func UnknownField(name string, known []string) string {
	hint := didYouMean(name, known)
	if hint == "" && len(known) > 0 {
		hint = "; there are " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
	}
	return "is not a field" + hint
}
