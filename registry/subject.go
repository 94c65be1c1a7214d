package registry

import "strings"

// maxPattern bounds the work that one pattern can make.
const maxPattern = 512

// border reports whether c stands between two segments of a subject. Wildcards
// never cross one: "repo:acme/*" is no claim on what follows the repository.
func border(c byte) bool { return c == '/' || c == ':' }

// Pattern returns the prefix or glob, and whether the subject is one of these
// and not an exact one.
func (s SubjectMatch) Pattern() (string, bool) {
	switch {
	case s.Prefix != "":
		return s.Prefix, true
	case s.Glob != "":
		return s.Glob, true
	}
	return "", false
}

// Literal returns what every subject that matches begins with.
func (s SubjectMatch) Literal() string {
	switch {
	case s.Exact != "":
		return s.Exact
	case s.Prefix != "":
		return s.Prefix
	}
	if i := strings.IndexAny(s.Glob, "*?"); i >= 0 {
		return s.Glob[:i]
	}
	return s.Glob
}

// Matches compares byte for byte: no case is folded, nothing is trimmed,
// decoded or normalised.
//
// A prefix matches what continues it by at least one byte. A glob matches the
// whole of a subject; `*` is at least one byte and `?` exactly one, of neither
// "/" nor ":".
func (s SubjectMatch) Matches(subject string) bool {
	switch {
	case s.Exact != "":
		return subject == s.Exact
	case s.Prefix != "":
		return len(subject) > len(s.Prefix) && strings.HasPrefix(subject, s.Prefix)
	case s.Glob != "":
		return globMatches(s.Glob, subject)
	}
	return false
}

// String shows the subject to people.
func (s SubjectMatch) String() string {
	switch {
	case s.Prefix != "":
		return "prefix " + s.Prefix
	case s.Glob != "":
		return "glob " + s.Glob
	}
	return s.Exact
}

// Suffix returns what of subject follows the literal part: the end of the name
// of an instance. subject must match.
func (s SubjectMatch) Suffix(subject string) string { return subject[len(s.Literal()):] }

// globMatches goes through both segment by segment, so that a wildcard has only
// one segment to try itself on.
func globMatches(glob, subject string) bool {
	for {
		p, s := strings.IndexAny(glob, "/:"), strings.IndexAny(subject, "/:")
		switch {
		case p < 0 && s < 0:
			return segmentMatches(glob, subject)
		case p < 0 || s < 0 || glob[p] != subject[s] || !segmentMatches(glob[:p], subject[:s]):
			return false
		}
		glob, subject = glob[p+1:], subject[s+1:]
	}
}

// segmentMatches is the usual matcher that goes back to the last `*` alone.
func segmentMatches(pattern, s string) bool {
	i, j, star, taken := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, taken = i, j+1
			i, j = i+1, j+1
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			taken++
			i, j = star+1, taken
		default:
			return false
		}
	}
	return i == len(pattern)
}

// atom is a step of a pattern, for comparing two of them.
type atom struct {
	kind   byte // 'c' = the byte c, 's' = any byte but a border, 'a' = any byte
	c      byte
	repeat bool // none or more of them
}

func (s SubjectMatch) atoms() []atom {
	text := s.Literal()
	list := make([]atom, 0, len(text)+4)
	for i := range len(text) {
		list = append(list, atom{kind: 'c', c: text[i]})
	}
	switch {
	case s.Prefix != "":
		list = append(list, atom{kind: 'a'}, atom{kind: 'a', repeat: true})
	case s.Glob != "":
		for i := len(text); i < len(s.Glob); i++ {
			switch c := s.Glob[i]; c {
			case '*':
				list = append(list, atom{kind: 's'}, atom{kind: 's', repeat: true})
			case '?':
				list = append(list, atom{kind: 's'})
			default:
				list = append(list, atom{kind: 'c', c: c})
			}
		}
	}
	return list
}

// Overlaps reports whether there is a subject that both match.
func (s SubjectMatch) Overlaps(other SubjectMatch) bool {
	a, b := s.atoms(), other.atoms()
	seen := make(map[[2]int]bool)
	var meet func(i, j int) bool
	meet = func(i, j int) bool {
		switch {
		case seen[[2]int{i, j}]:
			return false
		case i == len(a) && j == len(b):
			return true
		}
		seen[[2]int{i, j}] = true
		if i < len(a) && a[i].repeat && meet(i+1, j) || j < len(b) && b[j].repeat && meet(i, j+1) {
			return true
		}
		return i < len(a) && j < len(b) && a[i].shares(b[j]) && meet(i+a[i].step(), j+b[j].step())
	}
	return meet(0, 0)
}

// step is how far one byte leads.
func (a atom) step() int {
	if a.repeat {
		return 0
	}
	return 1
}

// shares reports whether one byte fits both.
func (a atom) shares(b atom) bool {
	if b.kind == 'c' {
		a, b = b, a
	}
	if a.kind != 'c' {
		return true
	}
	switch b.kind {
	case 'c':
		return a.c == b.c
	case 's':
		return !border(a.c)
	}
	return true
}
