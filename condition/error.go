package condition

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

// SyntaxError says where a condition is wrong. Line and Column count from 1.
type SyntaxError struct {
	Line, Column int
	Message      string
}

// Error returns "line:column: message".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message)
}

var undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)

// syntaxError turns the first issue into an error with a hint. One is enough:
// those that follow are mostly echoes of it.
func syntaxError(env *cel.Env, issues *cel.Issues) error {
	errs := issues.Errors()
	if len(errs) == 0 {
		return &SyntaxError{Line: 1, Column: 1, Message: "the condition does not compile"}
	}
	first := errs[0]
	e := &SyntaxError{Line: max(first.Location.Line(), 1), Column: max(first.Location.Column(), 0) + 1}
	e.Message, _, _ = strings.Cut(first.Message, "\n")
	e.Message = strings.TrimPrefix(e.Message, "Syntax error: ")
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		e.Message = fmt.Sprintf("nothing is called %q%s", m[1], hint(env, m[1]))
	}
	return e
}

// hint says what name may have been meant for.
func hint(env *cel.Env, name string) string {
	names := append(slices.Collect(maps.Keys(env.Functions())), Variable)
	slices.Sort(names)
	if near := Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Sprintf("; the claims of the token are in %q", Variable)
}

// Nearest returns the one of known that word is most likely a misspelling of,
// or "" when none is near enough.
func Nearest(word string, known []string) string {
	lower := make([]string, len(known))
	for i, k := range known {
		lower[i] = strings.ToLower(k)
	}
	return nearest(strings.ToLower(word), known, lower, 3)
}

// Misspelt returns the one of known that is one or two letters from word (one,
// when word is short) and not word itself, or "" when there is none or word is
// known.
func Misspelt(word string, known []string) string {
	if slices.Contains(known, word) {
		return ""
	}
	return nearest(word, known, known, 2)
}

// nearest returns the one of known whose form is at most so many letters from
// word, and fewer when word is short.
func nearest(word string, known, forms []string, letters int) string {
	best, most := "", max(1, min(len(word)/3, letters))+1
	for i, form := range forms {
		if d := distance(word, form); d < most {
			best, most = known[i], d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with a
// neighbour to get from a to b.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // no key is that long, and the work grows with both
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, prev, cur := rows[0], rows[1], rows[2]
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
