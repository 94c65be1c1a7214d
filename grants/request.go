package grants

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/oauth"
)

// Request is a token request after the strict form parser: every parameter at
// most once but resource and audience, empty ones absent. Grants never see
// HTTP.
type Request struct {
	GrantType oauth.GrantType

	// Client authentication (RFC 6749, Section 2.3; RFC 7521, Section 4.2).
	ClientID            string // the client_id parameter
	BasicID             string // user name of HTTP Basic, decoded
	BasicSecret         string
	Basic               bool // an Authorization header was sent
	BasicMalformed      bool // … and could not be read
	BasicAmbiguous      bool // … more than once
	ClientSecret        string
	ClientAssertion     string
	ClientAssertionType string

	Assertion string // the grant of RFC 7523, Section 2.1

	// Certificates is the client's certificate and what it sent to verify it
	// with, DER, the leaf first; nil = there is none. That the client has its key
	// was shown to whoever ended TLS (RFC 8705, Section 2).
	Certificates [][]byte
	// CertificateFault says what was wrong with how one came: ReasonAuthProxy =
	// it was dropped, as if there were none; another reason = it is refused.
	CertificateFault oauth.Reason

	// RFC 8693, Section 2.1.
	SubjectToken       string
	SubjectTokenType   string
	ActorToken         string
	ActorTokenType     string
	RequestedTokenType string
	RequestedActor     string
	Resources          []string
	Audiences          []string
	Scope              string

	Source string // the client's address, for the throttle of wrong secrets; never part of a decision
}

// hasCredentials reports whether the request tries to authenticate a client by
// something else than a certificate.
// Credentials that are present are always checked, even where a grant would
// do without them.
func (r *Request) hasCredentials() bool {
	return r.Basic || r.ClientSecret != "" || r.ClientAssertion != "" || r.ClientAssertionType != ""
}

// hasSubject reports whether there is a subject_token. Spaces are none: a form
// made of an empty variable must not read as a token that is wrong.
func (r *Request) hasSubject() bool { return strings.TrimSpace(r.SubjectToken) != "" }

// hasAssertion reports the same of the assertion of a grant.
func (r *Request) hasAssertion() bool { return strings.TrimSpace(r.Assertion) != "" }

// scopePattern is the grammar of RFC 6749, Section 3.3: tokens of printable
// ASCII without quote and backslash, separated by single spaces.
var scopePattern = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$`)

// scopes splits the scope parameter, each once; nil when it is absent.
func (r *Request) scopes() ([]string, *oauth.Error) {
	if r.Scope == "" {
		return nil, nil
	}
	if !scopePattern.MatchString(r.Scope) {
		return nil, oauth.Refuse(oauth.ReasonScopeSyntax, nil)
	}
	list := strings.Split(r.Scope, " ")
	slices.Sort(list) // a set: their order means nothing (RFC 6749, Section 3.3)
	return slices.Compact(list), nil
}
