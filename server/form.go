package server

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/server/form"
)

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
	return form.Parse(string(body))
}
