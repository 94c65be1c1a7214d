package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// printable keeps what came from elsewhere from steering the terminal: no
// escape sequences, and nothing that hides or turns round the text beside it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t': // would begin another column
			return ' '
		case steers(r):
			return '·'
		}
		return r
	}, s)
}

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// escapeJSON escapes the characters of JSON that are bad and that encoding/json
// leaves alone. In well-formed JSON they can stand in strings only, so nothing
// is lost.
func escapeJSON(s string, bad func(rune) bool) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || !bad(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) { // RFC 8259, Section 7
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

func steers(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf) }
