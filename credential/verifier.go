// Package credential answers one question: is this credential genuine, and
// whose is it? It knows JWT-SVIDs, Kubernetes service-account tokens, JWTs of
// OpenID providers, assertions that an agent signs itself, X.509-SVIDs and the
// client certificates that agents register.
//
// What it does not do: it does not decide whether the agent may have anything
// (packages grants and policy), does not look at whether agent or blueprint
// are enabled (grants), does not parse JOSE (package jose), does not fetch keys
// (package jwks) and does not remember what was used before (package audit).
// Our own access tokens are read by package token; here they are refused.
package credential

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/registry"
)

// Config says what a Verifier works with.
type Config struct {
	Issuer   string           // our own issuer identifier: `aud` of what is meant for us
	Model    *registry.Model  // trusted issuers, agents and bindings
	Outbound *outbound.Client // fetches the keys of trusted issuers and agents, and asks clusters

	// TokenEndpoint is the URL of our token endpoint, which the assertion of a
	// jwt-bearer grant may name instead; empty = the issuer identifier alone.
	TokenEndpoint string

	Skew time.Duration    // how far another clock may be ahead of ours; 0 = 30 s
	Now  func() time.Time // nil = time.Now

	// Roots gives the authorities of client certificates that are no SVIDs
	// (RFC 8705, Section 2.1); nil = there are none, and such certificates are
	// refused. SVIDs are never verified with them.
	Roots func() (*x509.CertPool, error)

	// Reviews is how many questions a second a cluster is asked about one account;
	// 0 = 50.
	Reviews float64

	// Report hears of an issuer's keys that were skipped, of fetches that failed,
	// and of a cluster that gives no answer; nil = nobody does.
	Report func(registry.IssuerName, error)

	// ReportAgent hears the same of the keys of agents; nil = nobody does.
	ReportAgent func(registry.AgentName, error)
}

// Verifier verifies credentials. It is safe for concurrent use.
type Verifier struct {
	config  Config
	model   *registry.Model
	sources *sources
	agents  *agentKeys
}

// New returns a Verifier. It fetches nothing: the keys of an issuer or an agent
// are fetched when its first credential comes.
func New(c Config) (*Verifier, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("credential: no issuer")
	case c.Model == nil:
		return nil, errors.New("credential: no model")
	case c.Outbound == nil:
		return nil, errors.New("credential: no outbound client")
	case c.Skew < 0:
		return nil, errors.New("credential: negative skew")
	}
	if c.Skew == 0 {
		c.Skew = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Reviews == 0 {
		c.Reviews = 50
	}
	v := &Verifier{config: c, model: c.Model, agents: &agentKeys{open: c.openAgent, sets: make(map[string]agentSet)}}
	v.sources = &sources{open: v.openSet, sets: make(map[string]source)}
	return v, nil
}

// Close ends what keeps the keys of trusted issuers. What is verified after it
// may find keys unavailable.
func (v *Verifier) Close() { v.sources.close() }

// Token type URIs of foreign tokens: RFC 8693, Section 3. A foreign token is
// never an access_token, which means one that this server issued.
const (
	jwtType     = "urn:ietf:params:oauth:token-type:jwt"
	idTokenType = "urn:ietf:params:oauth:token-type:id_token"
)

// Client assertion types.
const (
	bearerAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523, Section 2.2
	spiffeAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe" // draft-ietf-oauth-spiffe-client-auth-02
)

// Subject verifies a subject_token or an actor_token of a foreign issuer
// (RFC 8693, Section 2.1). typ is the token type URI of its *_token_type
// parameter. The error is always a *Fault.
func (v *Verifier) Subject(ctx context.Context, raw, typ string) (*Identity, error) {
	e, err := v.read(raw, asSubject)
	if err != nil {
		return nil, err
	}
	if err := e.foreign(ctx, typ); err != nil {
		return nil, err
	}
	return e.done(), nil
}

// foreign verifies the token of a trusted issuer.
func (e *exam) foreign(ctx context.Context, typ string) error {
	if err := e.route(); err != nil {
		return err
	}
	return e.platform(ctx, typ)
}

// platform verifies a token by the rules of the type of its issuer.
func (e *exam) platform(ctx context.Context, typ string) error {
	switch e.issuer.Spec.Type {
	case registry.SPIFFE:
		return e.svid(ctx, typ)
	case registry.Kubernetes:
		return e.serviceAccount(ctx, typ)
	case registry.OIDC:
		return e.oidc(ctx, typ)
	}
	return e.fail(CheckIssuer, FaultIssuerUnknown, string(e.issuer.Spec.Type), "spiffe, kubernetes or oidc")
}
