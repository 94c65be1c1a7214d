package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/oauth"
)

// token is POST /token. The decision is opened before anything is read and
// closed in the one defer, whatever happens between: not issued is refused,
// and recorded.
func (s *Server) token(w http.ResponseWriter, r *http.Request) (err error) {
	start := time.Now()
	d := s.Endpoint.Open()
	defer func() {
		var cause *oauth.Error
		if p := recover(); p != nil {
			cause = oauth.Refuse(oauth.ReasonInternal, fmt.Errorf("panic: %v", p))
		} else if err != nil {
			cause = oauth.AsError(err)
		}
		if cause = s.Endpoint.Close(r.Context(), d, cause); cause != nil {
			err = &refusal{cause: cause, decision: d.ID, basic: d.Request.Basic}
		}
		s.metrics.observe(d, cause, time.Since(start))
	}()
	form, refused := s.readForm(w, r)
	if refused != nil {
		return refused
	}
	d.Request = tokenRequest(form, r)
	d.Request.Source = source(s.address(r))
	s.certificate(r, d.Request)
	if refused := checkGrantType(d.Request, s.Endpoint); refused != nil {
		return refused
	}
	r.Form, r.PostForm = form, form // fosite shall not parse the body again
	return s.exchange(w, r, d)
}

// source is what a client's address counts as when failures are counted: of
// IPv6 the /64, because whoever has one address has all of them.
func source(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	if a = a.Unmap(); a.Is4() {
		return a.String()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return p.String()
}

// exchange lets fosite dispatch the grant: it calls authenticate, then the
// grant handler's two halves, Decide and Issue (see fosite.go).
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, d *grants.Decision) error {
	session := &session{decision: d}
	request, err := s.fosite.NewAccessRequest(r.Context(), r, session)
	if err != nil {
		return err
	}
	if _, err := s.fosite.NewAccessResponse(r.Context(), request); err != nil {
		return err
	}
	return respondIssued(w, d, session.issued)
}

// checkGrantType answers before fosite, which splits grant_type on spaces and
// calls an unknown one invalid_request. RFC 6749, Section 5.2.
func checkGrantType(r *grants.Request, e *grants.Endpoint) *oauth.Error {
	if r.GrantType == "" {
		return oauth.Refuse(oauth.ReasonMissingParam, nil)
	}
	if !slices.Contains(e.GrantTypes(), r.GrantType) {
		return oauth.Refuse(oauth.ReasonGrantType, nil)
	}
	return nil
}

// tokenRequest names the parameters. Unknown ones are ignored (RFC 6749,
// Section 3.2), and the query is never read: what is sent there does not
// authenticate (Section 2.3.1).
func tokenRequest(form url.Values, r *http.Request) *grants.Request {
	q := &grants.Request{
		GrantType:           oauth.GrantType(form.Get("grant_type")),
		ClientID:            form.Get("client_id"),
		ClientSecret:        form.Get("client_secret"),
		ClientAssertion:     form.Get("client_assertion"),
		ClientAssertionType: form.Get("client_assertion_type"),
		Assertion:           form.Get("assertion"),
		SubjectToken:        form.Get("subject_token"),
		SubjectTokenType:    form.Get("subject_token_type"),
		ActorToken:          form.Get("actor_token"),
		ActorTokenType:      form.Get("actor_token_type"),
		RequestedTokenType:  form.Get("requested_token_type"),
		RequestedActor:      form.Get("requested_actor"),
		Resources:           form["resource"],
		Audiences:           form["audience"],
		Scope:               form.Get("scope"),
	}
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		q.Basic = true
		var err error
		if len(headers) > 1 {
			q.BasicAmbiguous = true
		} else if q.BasicID, q.BasicSecret, err = basicCredentials(headers[0]); err != nil {
			q.BasicMalformed = true
		}
	}
	return q
}

var errBasic = errors.New("not Basic credentials")

// basicCredentials decodes the header of RFC 6749, Section 2.3.1: user name
// and password are form-encoded inside the base64.
func basicCredentials(header string) (id, secret string, err error) {
	scheme, encoded, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return "", "", errBasic
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", errBasic
	}
	id, secret, ok = strings.Cut(string(raw), ":")
	if !ok || hasControl(string(raw)) {
		return "", "", errBasic
	}
	if id, err = url.QueryUnescape(id); err != nil {
		return "", "", errBasic
	}
	if secret, err = url.QueryUnescape(secret); err != nil || hasControl(id) || hasControl(secret) {
		return "", "", errBasic
	}
	return id, secret, nil
}

// hasControl: RFC 6749, Appendix A.1 and A.2 let ids and secrets hold printable
// characters alone.
func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }
