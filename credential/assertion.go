package credential

import (
	"context"
	"strings"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

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

// maxAssertionLife is the longest life of an assertion that an agent signs
// itself. It bounds the table of spent ones.
const maxAssertionLife = 5 * time.Minute

// Assertion verifies a client_assertion; kind is its client_assertion_type.
// The error is always a *Fault.
func (v *Verifier) Assertion(ctx context.Context, raw, kind string) (*Assertion, error) {
	e, err := v.read(raw, asAssertion)
	if err != nil {
		return nil, err
	}
	return e.assertion(ctx, kind)
}

func (e *exam) assertion(ctx context.Context, kind string) (*Assertion, error) {
	switch kind {
	case spiffeAssertion:
		return e.spiffeAssertion(ctx)
	case bearerAssertion:
		return e.bearerAssertion(ctx)
	}
	return nil, e.fail(CheckType, FaultType, kind, bearerAssertion+" or "+spiffeAssertion)
}

// spiffeAssertion takes a JWT-SVID and nothing else
// (draft-ietf-oauth-spiffe-client-auth-02, Section 4.1).
func (e *exam) spiffeAssertion(ctx context.Context) (*Assertion, error) {
	sub, _ := e.claims["sub"].(string)
	if !claimsSPIFFE(sub) {
		return nil, e.fail(CheckIssuer, FaultSPIFFEID, kindOf(e.claims["sub"]), "sub: spiffe://<trust domain>/<path>")
	}
	if err := e.route(); err != nil {
		return nil, err
	}
	if err := e.svid(ctx, ""); err != nil {
		return nil, err
	}
	return &Assertion{Identity: *e.done()}, nil
}

// bearerAssertion takes the token of a trusted workload issuer, or else an
// assertion that the agent signed itself (RFC 7523, Section 2.2).
func (e *exam) bearerAssertion(ctx context.Context) (*Assertion, error) {
	if sub, _ := e.claims["sub"].(string); claimsSPIFFE(sub) {
		return nil, e.fail(CheckType, FaultType, sub, spiffeAssertion+" for a JWT-SVID")
	}
	iss, _, err := e.claims.String("iss")
	if err != nil {
		return nil, e.refused(CheckIssuer, err)
	}
	if e.namesAgent(iss) {
		return e.selfIssued(ctx, iss)
	}
	if err := e.route(); err != nil {
		return nil, err
	}
	switch {
	case e.identity.Tokens != registry.WorkloadTokens:
		return nil, e.failed(CheckType, &Fault{Name: FaultType, Field: "iss", Shown: iss, Wanted: "an issuer of workload tokens"})
	case e.issuer.Spec.Type == registry.Kubernetes:
		err = e.serviceAccount(ctx, "")
	default:
		err = e.oidc(ctx, "")
	}
	if err != nil {
		return nil, err
	}
	return &Assertion{Identity: *e.done()}, nil
}

// namesAgent reports whether iss wants to be the name of an agent, which has no
// "://", as the `iss` of an issuer has.
func (e *exam) namesAgent(iss string) bool {
	return iss != "" && !strings.Contains(iss, "://") && e.rules.IssuerByURL(iss) == nil
}

// selfIssued verifies an assertion that the agent named iss signed itself
// (private_key_jwt).
func (e *exam) selfIssued(ctx context.Context, iss string) (*Assertion, error) {
	if !isTyp(e.token.Typ, "jwt") && !isTyp(e.token.Typ, "client-authentication+jwt") {
		return nil, e.wrongTyp("JWT or client-authentication+jwt") // RFC 10070
	}
	e.pass(CheckType, e.token.Typ, "")
	if err := e.subject(); err != nil {
		return nil, err
	}
	if e.identity.Subject != iss { // RFC 7523, Section 3, rules 1 and 2.B
		return nil, e.fail(CheckIssuer, FaultIssuerSubject, e.identity.Subject, iss)
	}
	agent := e.model.Agent(registry.AgentName(iss))
	if agent == nil {
		return nil, e.fail(CheckIssuer, FaultUnknown, iss, "an agent")
	}
	e.pass(CheckIssuer, iss, iss)
	if err := e.verify(func() (jose.Key, error) { return e.agents.key(ctx, agent, e.token.Alg, e.token.Kid) }); err != nil {
		return nil, err
	}
	e.identity.Tokens, e.identity.Agent, e.identity.AgentID = registry.WorkloadTokens, agent.Name, agent.ID
	if err := e.selfAudience(); err != nil {
		return nil, err
	}
	if err := e.times(maxAssertionLife, false); err != nil {
		return nil, err
	}
	if err := e.shape(); err != nil {
		return nil, err
	}
	jti, err := e.jti()
	if err != nil {
		return nil, err
	}
	e.pass(CheckClaims, e.identity.Subject, "")
	identity := e.done()
	return &Assertion{Identity: *identity, Replay: &ReplayKeyInput{
		Space: "assertion:" + agent.ID,
		JTI:   jti,
		// Kept past exp by two skews: a replica whose clock is behind still
		// takes the assertion then.
		Expires: identity.Expires.Add(2 * e.config.Skew),
	}}, nil
}

// jti reads the value that makes an assertion single-use: RFC 7523, Section 3,
// rule 7.
func (e *exam) jti() (string, error) {
	const longest = 256
	if e.claims["jti"] == nil {
		return "", e.fail(CheckClaims, FaultIDMissing, "", "jti")
	}
	jti, _, err := e.claims.String("jti")
	if err != nil || jti == "" || len(jti) > longest {
		return "", e.fail(CheckClaims, FaultIDMalformed, "", "jti: a string of 1 to 256 bytes")
	}
	return jti, nil
}
