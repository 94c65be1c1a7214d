// Package form is the strict door for application/x-www-form-urlencoded: what
// it lets through reads the same to every program. It knows no HTTP; reading
// the body is in package server.
package form

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/tokenry/tokenry/oauth"
)

// maxParameters is far above what any grant needs.
const maxParameters = 64

// Parse parses application/x-www-form-urlencoded: valid escapes, UTF-8, no
// NUL, each name at most once. Only resource and audience may repeat (RFC
// 8693, Section 2.1). Empty values count as absent (RFC 6749, Section 3.2),
// but an empty and a full one are still two.
func Parse(body string) (url.Values, *oauth.Error) {
	form := make(url.Values)
	seen := 0
	for body != "" {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if pair == "" {
			continue
		}
		if seen++; seen > maxParameters {
			return nil, oauth.Refuse(oauth.ReasonTooManyParams, nil)
		}
		name, value, err := parsePair(pair)
		if err != nil {
			return nil, err
		}
		if _, again := form[name]; again && name != "resource" && name != "audience" {
			return nil, oauth.Refuse(oauth.ReasonDuplicateParam, nil)
		}
		form[name] = append(form[name], value)
	}
	for name, values := range form {
		var kept []string
		for _, v := range values {
			if v != "" {
				kept = append(kept, v)
			}
		}
		form[name] = kept
	}
	return form, nil
}

func parsePair(pair string) (name, value string, refusal *oauth.Error) {
	if strings.Contains(pair, ";") {
		return "", "", oauth.Refuse(oauth.ReasonMalformed, nil)
	}
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(rawName)
	if err == nil {
		value, err = url.QueryUnescape(rawValue)
	}
	switch {
	case err != nil:
		return "", "", oauth.Refuse(oauth.ReasonMalformed, nil) // the cause would quote the input
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return "", "", oauth.Refuse(oauth.ReasonEncoding, nil)
	case strings.Contains(name, "\x00") || strings.Contains(value, "\x00"):
		return "", "", oauth.Refuse(oauth.ReasonControlChar, nil)
	}
	return name, value, nil
}
