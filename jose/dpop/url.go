package dpop

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// errURL is an `htu` that no HTTP request can have been sent to.
var errURL = errors.New("dpop: not an absolute http or https URL")

// Normal is raw in the one spelling that proofs are compared in: without query
// and fragment (RFC 9449, Section 4.3, check 9), then by syntax and by scheme
// (RFC 3986, Sections 6.2.2 and 6.2.3): scheme and host in lower case, no default
// port, an empty path as "/", escapes of plain characters undone and the others
// in upper case, dot segments removed. What is behind the host is case-sensitive.
func Normal(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return "", errURL
	}
	scheme := u.Scheme // url.Parse has lowered it
	defaultPort := map[string]string{"https": "443", "http": "80"}[scheme]
	if defaultPort == "" {
		return "", errURL
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") { // IPv6
		host = "[" + host + "]"
	}
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return "", errURL
		}
		if p := strconv.FormatUint(port, 10); p != defaultPort {
			host += ":" + p
		}
	}
	path := removeDots(unescape(u.EscapedPath()))
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, nil
}

// unescape is RFC 3986, Sections 6.2.2.1 and 6.2.2.2 for an escaped path.
func unescape(path string) string {
	const hex = "0123456789ABCDEF"
	if !strings.Contains(path, "%") {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			out = append(out, path[i])
			continue
		}
		c := digit(path[i+1])<<4 | digit(path[i+2]) // EscapedPath has checked that they are there
		if i += 2; unreserved(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out)
}

func digit(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// unreserved: RFC 3986, Section 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// removeDots is RFC 3986, Section 5.2.4 for a path that begins with a slash.
func removeDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	segments := strings.Split(path, "/")[1:]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".", "..":
			if s == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/")
}
