// Package oauth holds the words of the protocol: grant types, token types,
// client assertion types, error codes and the table of reasons. It imports
// only the standard library and knows nothing about HTTP, storage or policy.
//
// The table of reasons (reasons.go) is the one place where a reason code, the
// OAuth error it maps to, its fixed public text and its meaning for operators
// stand side by side; docs/errors.md is generated from it.
package oauth

import "strings"

// GrantType is the value of the grant_type parameter (RFC 6749, Section 4).
type GrantType string

// Grant types that this server answers.
const (
	ClientCredentials GrantType = "client_credentials"                              // RFC 6749, Section 4.4
	TokenExchange     GrantType = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693, Section 2.1
	JWTBearer         GrantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523, Section 2.1
)

// TokenEndpoint is the URL of the token endpoint of the server whose issuer
// identifier is issuer. Like every published URL it follows from that alone.
func TokenEndpoint(issuer string) string { return strings.TrimRight(issuer, "/") + "/token" }

// TokenType is a token type identifier (RFC 8693, Section 3).
type TokenType string

// Token type identifiers of RFC 8693, Section 3.
const (
	AccessTokenType  TokenType = "urn:ietf:params:oauth:token-type:access_token"
	RefreshTokenType TokenType = "urn:ietf:params:oauth:token-type:refresh_token"
	IDTokenType      TokenType = "urn:ietf:params:oauth:token-type:id_token"
	JWTType          TokenType = "urn:ietf:params:oauth:token-type:jwt"
)

// AssertionType is the value of client_assertion_type (RFC 7521, Section 4.2).
type AssertionType string

// Client assertion types.
const (
	JWTBearerAssertion AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, Section 2.2
	SPIFFEAssertion    AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe" // draft-ietf-oauth-spiffe-client-auth-02
)

// Code is an error code of the token endpoint (RFC 6749, Section 5.2, with
// the additions of RFC 8707 and the two 5xx codes of RFC 6749, Section 4.1.2.1).
type Code string

// Error codes of the token endpoint.
const (
	InvalidRequest          Code = "invalid_request"
	InvalidClient           Code = "invalid_client"
	InvalidGrant            Code = "invalid_grant"
	UnauthorizedClient      Code = "unauthorized_client"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	UnsupportedResponseType Code = "unsupported_response_type"
	InvalidScope            Code = "invalid_scope"
	InvalidTarget           Code = "invalid_target" // RFC 8707, Section 2
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
)
