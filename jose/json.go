package jose

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may be nested; a delegation chain
// takes one level per actor.
const maxDepth = 32

// parser reads one JSON document (RFC 8259, Section 2) in one pass. It accepts
// less than encoding/json, which takes the last of two members of one name and
// mends broken Unicode so that two subjects become one; what both accept they
// read alike.
type parser struct {
	text string
	at   int  // the byte to be read next
	nul  bool // strings may have \u0000
}

// fail refuses the document. It tells where and never what: the text is a
// token's.
func (p *parser) fail(f Fault) error {
	return &Error{Fault: f, Err: fmt.Errorf("at byte %d of the JSON", p.at)}
}

// document reads an object that is the whole text.
func (p *parser) document() (Object, error) {
	if p.next() != '{' {
		return nil, p.fail(FaultJSONMalformed) // RFC 7519, Section 7.2, step 10
	}
	o, err := p.object(1)
	if err != nil {
		return nil, err
	}
	if p.next(); p.at < len(p.text) {
		return nil, p.fail(FaultJSONMalformed)
	}
	return o, nil
}

// next passes over white space and returns the byte behind it without taking
// it; 0 at the end, which begins nothing.
func (p *parser) next() byte {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\n', '\r': // RFC 8259, Section 2
			p.at++
		default:
			return c
		}
	}
	return 0
}

func (p *parser) value(depth int) (any, error) {
	switch c := p.next(); {
	case c == '"':
		return p.string()
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '-' || isDigit(c):
		return p.number()
	}
	return p.literal()
}

// object reads from the opening brace.
func (p *parser) object(depth int) (map[string]any, error) {
	if depth > maxDepth {
		return nil, p.fail(FaultTooDeep)
	}
	p.at++
	likely := 0
	if depth == 1 && len(p.text) > 300 {
		likely = 16 // a map that grows on the way costs more than one that is too big
	}
	o := make(map[string]any, likely)
	if p.next() == '}' {
		p.at++
		return o, nil
	}
	for {
		if p.next() != '"' {
			return nil, p.fail(FaultJSONMalformed)
		}
		name, err := p.string()
		if err != nil {
			return nil, err
		}
		// Names are compared after their escapes were read, byte by byte: RFC
		// 7515, Section 5.3. The last of two might be taken instead (RFC 7519,
		// Section 4), but somebody on the way may have looked at the first.
		if _, has := o[name]; has {
			return nil, p.fail(FaultJSONDuplicate)
		}
		if p.next() != ':' {
			return nil, p.fail(FaultJSONMalformed)
		}
		p.at++
		if o[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		more, err := p.more('}')
		if err != nil || !more {
			return o, err
		}
	}
}

// array reads from the opening bracket.
func (p *parser) array(depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, p.fail(FaultTooDeep)
	}
	p.at++
	list := []any{}
	if p.next() == ']' {
		p.at++
		return list, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		more, err := p.more(']')
		if err != nil || !more {
			return list, err
		}
	}
}

// more takes a comma and reports true, or takes end and reports false.
func (p *parser) more(end byte) (bool, error) {
	switch p.next() {
	case ',':
		p.at++
		return true, nil
	case end:
		p.at++
		return false, nil
	}
	return false, p.fail(FaultJSONMalformed)
}

func (p *parser) literal() (any, error) {
	for _, l := range [...]struct {
		text  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if len(p.text)-p.at >= len(l.text) && p.text[p.at:p.at+len(l.text)] == l.text {
			p.at += len(l.text)
			return l.value, nil
		}
	}
	return nil, p.fail(FaultJSONMalformed)
}

// number keeps the text of a number, so that nothing is lost of an integer
// beyond 2^53 (RFC 8259, Section 6).
func (p *parser) number() (json.Number, error) {
	start := p.at
	if p.text[p.at] == '-' {
		p.at++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.text[p.at-whole] == '0' {
		return "", p.fail(FaultJSONMalformed)
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		if p.digits() == 0 {
			return "", p.fail(FaultJSONMalformed)
		}
	}
	exponent := p.at < len(p.text) && (p.text[p.at] == 'e' || p.text[p.at] == 'E')
	if exponent {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return "", p.fail(FaultJSONMalformed)
		}
	}
	text := p.text[start:p.at]
	// What is beyond a float64 would be infinite in a condition. 300 digits are
	// within it.
	if exponent || len(text) > 300 {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return "", p.fail(FaultClaimType)
		}
	}
	return json.Number(text), nil
}

// digits passes over digits and reports how many they were.
func (p *parser) digits() int {
	start := p.at
	for p.at < len(p.text) && isDigit(p.text[p.at]) {
		p.at++
	}
	return p.at - start
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// string reads from the opening quote. A string without escapes, as nearly all
// are, is a piece of the text and costs nothing.
func (p *parser) string() (string, error) {
	start, all := p.at+1, byte(0)
	for p.at = start; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			if all >= utf8.RuneSelf && !utf8.ValidString(s) {
				return "", p.fail(FaultJSONInvalidUnicode) // RFC 8259, Section 8.1
			}
			p.at++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", p.fail(FaultJSONMalformed) // RFC 8259, Section 7
		default:
			all |= c
		}
	}
	return "", p.fail(FaultJSONMalformed)
}

// escaped reads the rest of a string that begins at start and has its first
// escape here.
func (p *parser) escaped(start int) (string, error) {
	buf := append(make([]byte, 0, 2*(p.at-start)+16), p.text[start:p.at]...)
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '"':
			if !utf8.Valid(buf) {
				return "", p.fail(FaultJSONInvalidUnicode)
			}
			return string(buf), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		case c < ' ':
			return "", p.fail(FaultJSONMalformed)
		default:
			buf = append(buf, c)
		}
	}
	return "", p.fail(FaultJSONMalformed)
}

// escape reads what follows a backslash: RFC 8259, Section 7.
func (p *parser) escape() (rune, error) {
	if p.at >= len(p.text) {
		return 0, p.fail(FaultJSONMalformed)
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return p.unicode()
	}
	return 0, p.fail(FaultJSONMalformed)
}

// unicode reads the digits of \u, and those of the second half of a pair.
func (p *parser) unicode() (rune, error) {
	r, err := p.hex()
	switch {
	case err != nil:
		return 0, err
	case r == 0 && !p.nul:
		// Postgres refuses NUL in a text, and C ends one there.
		return 0, p.fail(FaultControlChar)
	case !utf16.IsSurrogate(r):
		return r, nil
	}
	// Half a pair is no character (RFC 8259, Section 8.2): replaced by U+FFFD,
	// all of them would be one subject.
	if len(p.text)-p.at < 2 || p.text[p.at:p.at+2] != `\u` {
		return 0, p.fail(FaultJSONInvalidUnicode)
	}
	p.at += 2
	low, err := p.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, p.fail(FaultJSONInvalidUnicode)
	}
	return r, nil
}

func (p *parser) hex() (rune, error) {
	if len(p.text)-p.at < 4 {
		return 0, p.fail(FaultJSONMalformed)
	}
	var r rune
	for _, c := range []byte(p.text[p.at : p.at+4]) {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, p.fail(FaultJSONMalformed)
		}
	}
	p.at += 4
	return r, nil
}
