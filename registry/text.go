package registry

import (
	"net"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxText = 256  // owner, sponsor, a label's value
	maxURL  = 2048 // URLs, identifiers, subjects
)

var labelKey = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`)

// checkText checks a free text: what it holds ends up in terminals, logs and
// the dashboard, where invisible and direction-changing characters deceive.
func checkText(ps *problems, at, text string, most int) {
	switch {
	case !utf8.ValidString(text):
		ps.add(at, "is not UTF-8")
	case len(text) > most:
		ps.add(at, "is longer than %d bytes", most)
	case strings.ContainsFunc(text, invisible):
		ps.add(at, "holds a control or an invisible character")
	case strings.TrimSpace(text) != text:
		ps.add(at, "begins or ends with a space")
	}
}

// invisible includes letters and marks that show nothing, such as U+3164: an
// owner made of them would look as if it were missing.
func invisible(r rune) bool {
	return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// checkScope checks a scope token: RFC 6749, Section 3.3 (%x21 / %x23-5B /
// %x5D-7E).
func checkScope(ps *problems, at, scope string) {
	switch {
	case scope == "":
		ps.add(at, "is missing")
	case len(scope) > maxText:
		ps.add(at, "is longer than %d bytes", maxText)
	}
	for i := range len(scope) {
		if c := scope[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			ps.add(at, `must be made of visible ASCII characters without '"' and '\' (RFC 6749, Section 3.3)`)
			return
		}
	}
}

// checkURI checks what every URI of a configuration has to be, and returns it;
// nil when it is not.
func checkURI(ps *problems, at, raw string) *url.URL {
	switch {
	case raw == "":
		ps.add(at, "is missing")
		return nil
	case len(raw) > maxURL:
		ps.add(at, "is longer than %d bytes", maxURL)
		return nil
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '"' || r == '<' || r == '>' }):
		ps.add(at, `must be ASCII without spaces, '\', '"', '<' and '>'`)
		return nil
	case strings.Contains(raw, "#"):
		ps.add(at, "must not have a fragment")
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" {
		ps.add(at, `must be an absolute URI like "https://api.example.com"`)
		return nil
	}
	if u.User != nil {
		ps.add(at, "must not have a user or a password")
		return nil
	}
	return u
}

// checkURL checks a URL that is fetched or that names a server: https, or http
// to this machine. It returns nil when there was a problem.
func checkURL(ps *problems, at, raw string) *url.URL {
	u := checkURI(ps, at, raw)
	switch {
	case u == nil:
		return nil
	case u.Host == "" || u.Hostname() == "":
		ps.add(at, `must be an absolute URL like "https://idp.example.com"`)
		return nil
	case u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())):
		ps.add(at, "must begin with https://; http:// is only for this machine (localhost, 127.0.0.1, [::1])")
		return nil
	}
	return u
}

// Loopback reports whether host names this machine.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// near folds what people and proxies change in a URL without meaning to. Two
// identifiers that are equal then are never both registered.
func near(raw string) string {
	s := strings.TrimRight(strings.ToLower(raw), "/")
	return strings.TrimSuffix(s, ":443")
}
