// Package syntax reads YAML into nodes, and names the line of what is no YAML.
// What the nodes may say is for its callers: cli/manifest and cli/config.
package syntax

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is why something is not YAML that can be read.
type Error struct {
	Line    int // from 1
	Message string
}

// Error gives the message without the line, which goes with the file's name.
func (e *Error) Error() string { return e.Message }

// Decoder reads one document after the other.
type Decoder struct {
	data   []byte
	source *lines
	yaml   *yaml.Decoder
}

// NewDecoder reads from data.
func NewDecoder(data []byte) *Decoder {
	source := &lines{rest: data}
	return &Decoder{data: data, source: source, yaml: yaml.NewDecoder(source)}
}

// Decode returns the next document, which has one node in it. An error is
// io.EOF behind the last one, or an *Error; then nobody knows where another
// document begins.
func (d *Decoder) Decode() (*yaml.Node, error) {
	var n yaml.Node
	err := d.yaml.Decode(&n)
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		line, message := explain(err, d.source.given, d.data)
		return nil, &Error{Line: line, Message: message}
	}
	return &n, nil
}

// lines hands out at most one line per Read, so that given tells how far the
// parser has come when it stops.
type lines struct {
	rest   []byte
	given  int  // lines handed out, the last perhaps in part
	within bool // it was in part
}

// Read gives what is left of the current line, or the next one.
func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	end := len(l.rest)
	if i := bytes.IndexByte(l.rest, '\n'); i >= 0 {
		end = i + 1
	}
	n := copy(p, l.rest[:end])
	if !l.within {
		l.given++
	}
	l.within = n < end
	l.rest = l.rest[n:]
	return n, nil
}

// explain returns the line and the text of an error of the YAML library,
// which counts in three ways: its scanner from 1, its parser from 0, and where
// it means its first line, or looks at characters alone, it says nothing.
func explain(err error, given int, data []byte) (line int, message string) {
	m := regexp.MustCompile(`^yaml: (?:line (\d+): )?(?s:(.*))$`).FindStringSubmatch(err.Error())
	if m == nil {
		return given, err.Error()
	}
	line, _ = strconv.Atoi(m[1]) // 0 when it is not there
	message = m[2]
	switch {
	case strings.HasPrefix(message, "unknown anchor '"):
		alias := "*" + strings.SplitN(message, "'", 3)[1]
		return lineOf(data, given, alias), "aliases are not supported; write the value out"
	case message == "control characters are not allowed":
		line = given
	case strings.HasPrefix(message, "found a tab character"):
		line = tabbed(data, line)
	case fromParser(message):
		line++
	case line == 0:
		line = 1
	}
	last := bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) + 1
	if strings.Contains(message, "not find expected") {
		// A quote that is not closed, or a wrong indentation, may stand above.
		message += " (look at the indentation and the quotes there and in the lines around it)"
	}
	return min(line, last), "is not YAML: " + message // the end of the file is below it
}

// tabbed returns the first line from the given one on that is indented with a
// tab: the library names the line before it, or one that is further above.
func tabbed(data []byte, from int) int {
	indented := regexp.MustCompile(`^ *\t`)
	number := 0
	for line := range bytes.Lines(data) {
		if number++; number >= from && indented.Match(line) && len(bytes.TrimSpace(line)) > 0 {
			return number
		}
	}
	return from
}

// fromParser tells the messages of the library's parser from its scanner's.
func fromParser(message string) bool {
	return regexp.MustCompile(`^(did not find expected (<|key|node content|'-'|',')|found (undefined|duplicate|incompatible) )`).MatchString(message)
}

// lineOf returns the last of the first given lines that holds text: the scanner
// runs a little ahead of what the parser complains about.
func lineOf(data []byte, given int, text string) int {
	all := bytes.SplitN(data, []byte("\n"), given+1)
	for i := min(given, len(all)) - 1; i >= 0; i-- {
		if bytes.Contains(all[i], []byte(text)) {
			return i + 1
		}
	}
	return given
}
