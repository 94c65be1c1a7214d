package server

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tokenry/tokenry/oauth"
)

// maxParameters is far above what any grant needs.
const maxParameters = 64

// readForm reads the body of a token request strictly. net/http would merge
// the query, keep duplicates and go on after a bad escape; fosite would take
// multipart bodies and the first of two values.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauth.Error) {
	if r.Method != http.MethodPost {
		return nil, oauth.Refuse(oauth.ReasonHTTPMethod, nil) // RFC 6749, Section 3.2
	}
	if len(r.Header.Values("Content-Type")) > 1 {
		return nil, oauth.Refuse(oauth.ReasonHeaderDuplicate, nil)
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, named := params["charset"]
	if err != nil || media != "application/x-www-form-urlencoded" || (named && !strings.EqualFold(charset, "utf-8")) {
		return nil, oauth.Refuse(oauth.ReasonHTTPMediaType, err) // RFC 6749, Section 4.4.2
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, oauth.Refuse(oauth.ReasonHTTPEncoding, nil)
	}
	if r.ContentLength < 0 {
		return nil, oauth.Refuse(oauth.ReasonHTTPLength, nil)
	}
	if r.ContentLength > s.RequestBytes {
		return nil, oauth.Refuse(oauth.ReasonHTTPTooLarge, nil)
	}
	// A recorder in a test has no deadline to set; a connection always has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil && !errors.Is(err, io.EOF) {
		return nil, oauth.Refuse(oauth.ReasonHTTPTimeout, err)
	}
	return ParseForm(string(body))
}

// ParseForm parses application/x-www-form-urlencoded: valid escapes, UTF-8, no
// NUL, each name at most once. Only resource and audience may repeat (RFC
// 8693, Section 2.1). Empty values count as absent (RFC 6749, Section 3.2),
// but an empty and a full one are still two.
func ParseForm(body string) (url.Values, *oauth.Error) {
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
