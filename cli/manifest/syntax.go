package manifest

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// lines hands out at most one line per Read, so that given tells how far the
// parser has come when it stops.
type lines struct {
	rest   []byte
	given  int  // lines handed out, the last perhaps in part
	within bool // it was in part
}

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

// syntaxError returns the line and the text of an error of the YAML library,
// which counts in three ways: its scanner from 1, its parser from 0, and where
// it means its first line, or looks at characters alone, it says nothing.
func syntaxError(err error, given int, data []byte) (line int, message string) {
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
	case fromParser(message):
		line++
	case line == 0:
		line = 1
	}
	last := bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) + 1
	return min(line, last), "is not YAML: " + message // the end of the file is below it
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
