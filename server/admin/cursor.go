package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// checkSize is how many bytes of a cursor tie it to its list.
const checkSize = 6

// after reads the cursor of a list. A cursor of another list, or one that was
// cut, would silently begin somewhere else: it is refused. It is no secret and
// grants nothing, so that a forged one only reads on from where its maker says.
func (p Page) after(list string) (position string, err error) {
	if p.Cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	if err != nil || len(raw) <= checkSize {
		return "", noCursor()
	}
	position = string(raw[checkSize:])
	if !bytes.Equal(raw[:checkSize], cursorCheck(list, position)) || !utf8.ValidString(position) || strings.Contains(position, "\x00") {
		return "", noCursor()
	}
	return position, nil
}

// cursor makes the cursor of what follows a position; empty at the end.
func cursor(list, position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(cursorCheck(list, position), position...))
}

func cursorCheck(list, position string) []byte {
	sum := sha256.Sum256([]byte(list + "\x00" + position))
	return sum[:checkSize]
}

func noCursor() *problem {
	return invalid(item("query.cursor", "is not a cursor of this list; begin without one"))
}
