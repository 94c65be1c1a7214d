// Package credential answers one question: is this credential genuine, and
// whose is it? It knows JWT-SVIDs, Kubernetes service-account tokens, JWTs of
// OpenID providers and assertions that an agent signs itself.
//
// What it does not do: it does not decide whether the agent may have anything
// (packages grants and policy), does not look at whether agent or blueprint
// are enabled (grants), does not parse JOSE (package jose), does not fetch keys
// (package jwks) and does not remember what was used before (package audit).
// Our own access tokens are read by package token; here they are refused.
package credential

import (
	"context"
	"errors"
	"time"

	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/registry"
)

// Config says what a Verifier works with.
type Config struct {
	Issuer   string           // our own issuer identifier: `aud` of what is meant for us
	Model    *registry.Model  // trusted issuers, agents and bindings
	Outbound *outbound.Client // fetches the keys of trusted issuers

	Skew time.Duration    // how far another clock may be ahead of ours; 0 = 30 s
	Now  func() time.Time // nil = time.Now

	// Report hears of keys that were skipped and fetches that failed; nil =
	// nobody does. It is called from a fetch, never while a request waits.
	Report func(registry.IssuerName, error)
}

// Verifier verifies credentials. It is safe for concurrent use.
type Verifier struct {
	issuer string
	model  *registry.Model
	skew   time.Duration
	now    func() time.Time
}

// New returns a Verifier.
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
	return &Verifier{issuer: c.Issuer, model: c.Model, skew: c.Skew, now: c.Now}, nil
}

// Assertion is a verified client assertion (RFC 7521, Section 4.2).
type Assertion struct {
	Identity

	// Replay is the value that this assertion spends. It is nil for a platform's
	// credential, which is reusable until it expires: SPIRE and the kubelet hand
	// out the same token many times.
	Replay *ReplayKeyInput
}

// ReplayKeyInput is what a replay key is made of.
type ReplayKeyInput struct {
	Space   string // "assertion:<agent id>": no client can burn the value of another
	JTI     string
	Expires time.Time // when the key may be forgotten: exp and twice the skew
}

// Subject verifies a subject_token or an actor_token of a foreign issuer
// (RFC 8693, Section 2.1). typ is the token type URI of its *_token_type
// parameter. The error is always a *Fault.
func (v *Verifier) Subject(ctx context.Context, raw, typ string) (*Identity, error) {
	return nil, &Fault{Name: FaultType}
}

// Assertion verifies a client_assertion; kind is its client_assertion_type.
// The error is always a *Fault.
func (v *Verifier) Assertion(ctx context.Context, raw, kind string) (*Assertion, error) {
	return nil, &Fault{Name: FaultType}
}
