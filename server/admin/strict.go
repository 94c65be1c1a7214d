package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tokenry/tokenry/api"
)

// maxDepth is how deep JSON may nest.
const maxDepth = 32

// checkJSON refuses what encoding/json would let through: a member given twice
// (it takes the last), a second document behind the first, text that is not
// Unicode (it replaces), U+0000 (Postgres cannot store it) and numbers that no
// float can hold.
func checkJSON(data []byte) *problem {
	if !utf8.Valid(data) {
		return refuse(http.StatusBadRequest, api.CodeMalformed, "the body is not UTF-8")
	}
	s := &scan{dec: json.NewDecoder(bytes.NewReader(data))}
	s.dec.UseNumber()
	err := s.value("", 0)
	var found *problem
	switch {
	case errors.As(err, &found):
		return found
	case err != nil:
		return refuse(http.StatusBadRequest, api.CodeMalformed, "the body is not JSON (at byte "+strconv.FormatInt(s.dec.InputOffset(), 10)+")")
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return invalid(item("", "something follows the JSON document"))
	}
	return nil
}

type scan struct{ dec *json.Decoder }

// value reads one value that stands at path.
func (s *scan) value(path string, depth int) error {
	t, err := s.dec.Token()
	if err != nil {
		return err
	}
	switch v := t.(type) {
	case json.Delim:
		if depth == maxDepth {
			return invalid(item(path, "nested too deep"))
		}
		if v == '{' {
			return s.members(path, depth)
		}
		return s.elements(path, depth)
	case string:
		return checkText(path, v)
	case json.Number:
		if _, err := v.Float64(); err != nil {
			return invalid(item(path, "number out of range"))
		}
	}
	return nil
}

func (s *scan) members(path string, depth int) error {
	seen := make(map[string]bool)
	for s.dec.More() {
		t, err := s.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		at := join(path, name)
		if seen[name] {
			return invalid(item(at, "given more than once"))
		}
		seen[name] = true
		if err := checkText(at, name); err != nil {
			return err
		}
		if err := s.value(at, depth+1); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

func (s *scan) elements(path string, depth int) error {
	for i := 0; s.dec.More(); i++ {
		if err := s.value(index(path, i), depth+1); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

// checkText refuses U+0000 and U+FFFD; the decoder writes the latter for a lone
// surrogate, and nobody means it.
func checkText(path, text string) error {
	if strings.ContainsAny(text, "\x00\uFFFD") {
		return invalid(item(path, "holds a character that is not text"))
	}
	return nil
}

// join and index build a location: metadata.labels.team, objects[2].spec.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func index(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}
