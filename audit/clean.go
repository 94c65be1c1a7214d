package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the length in bytes at which Clean cuts.
const MaxText = 256

// maxNote is the length in bytes above which the Detail of a note is dropped:
// a trace of cleaned values is far below it.
const maxNote = 16 << 10

// replacement stands for whatever could forge a log line or upset a terminal.
const replacement = '\uFFFD'

// Clean makes text that somebody unknown sent fit to be stored and shown: cut
// at MaxText bytes on a character's border, control characters and invalid
// UTF-8 replaced by U+FFFD. Postgres refuses NUL and invalid UTF-8, and one
// refused row would cost its whole batch a second write.
func Clean(s string) string {
	if len(s) <= MaxText && isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s { // an invalid byte reads as U+FFFD
		if unicode.IsControl(r) || isBidi(r) {
			r = replacement
		}
		if b.Len()+utf8.RuneLen(r) > MaxText {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// isPlain is the quick way for what nearly all text is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isBidi names the characters that reorder a line on the screen, and the two
// line separators that are not control characters (CVE-2021-42574).
func isBidi(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

// clean is e with all of its text cleaned. ID and Kind are ours.
func (e Event) clean() Event {
	for _, s := range []*string{&e.Reason, &e.Actor, &e.Subject, &e.Target, &e.JTI, &e.Parent, &e.Txn} {
		*s = Clean(*s)
	}
	e.Detail = cleanJSON(e.Detail)
	return e
}

// cleanJSON cleans every string of a JSON text and leaves the rest, the order
// of members included, as it is. What is not JSON, or far too long, is dropped:
// a record without detail is better than none.
func cleanJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || len(raw) > maxNote || !json.Valid(raw) {
		return nil
	}
	out := make([]byte, 0, len(raw))
	for {
		start := bytes.IndexByte(raw, '"')
		if start < 0 {
			return append(out, raw...)
		}
		end := start + 1
		for raw[end] != '"' { // json.Valid has seen the closing quote
			if raw[end] == '\\' {
				end++
			}
			end++
		}
		var s string
		if err := json.Unmarshal(raw[start:end+1], &s); err != nil {
			return nil
		}
		quoted, err := json.Marshal(Clean(s))
		if err != nil {
			return nil
		}
		out = append(append(out, raw[:start]...), quoted...)
		raw = raw[end+1:]
	}
}
