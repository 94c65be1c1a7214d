package credential

import (
	"context"
	"errors"
	"slices"

	"github.com/tokenry/tokenry/registry"
)

// KindSelfIssued is the kind of an assertion that an agent signs with a key of
// its own (private_key_jwt).
const KindSelfIssued = "an assertion that an agent signed itself"

// Report is what Test has found out about a credential. It is for operators: it
// tells claims, and never the text of the token.
type Report struct {
	Kind      string // what it is, in words
	Parameter string // where it would stand in a request: subject_token or client_assertion
	TokenType string // as which it was tested: jwt or id_token; empty for a client assertion

	Issuer    registry.IssuerName // the trusted issuer that it was routed to; empty = none
	IssuerURL string              // `iss` as it says
	Subject   string              // `sub` as it says
	Audience  []string            // `aud` as it says
	KeyID     string              // of the key that verified it, else as it says
	Alg, Typ  string              // as it says

	Verified bool      // the signature is good; otherwise anybody may have written what it says
	Identity *Identity // nil = it was refused
	Fault    *Fault    // why; nil = it was not
	Checks   []Check   // in order

	Bindings []NearBinding // credentials of the issuer, nearest first, at most 10
	Issuers  []NearIssuer  // when its issuer is unknown: those that there are, nearest first, at most 10

	Wrong string // the one thing that is wrong, in a sentence; empty = nothing
	Fix   string // what mends it; empty = see the fault
}

// NearBinding is a credential that was held against the token, to its last check.
type NearBinding struct {
	Agent      registry.AgentName     // whose it is; for a blueprint's that of the instance, or "<blueprint>/…"
	Blueprint  registry.BlueprintName // set when it is a blueprint's
	Credential string
	Admits     bool
	Why        string // how the subject differs, in words; empty = it matches, or is quite another
	Checks     []Check

	likeness int
	bound    registry.BoundCredential
}

// NearIssuer is a trusted issuer that the token is not from.
type NearIssuer struct {
	Name   registry.IssuerName
	Wanted string // its `iss`, or its trust domain
	Why    string // by what the token misses it, in words; empty = it is quite another
	State  registry.State

	likeness int
}

// maxNear is how many bindings and issuers a report tells of.
const maxNear = 10

// Test makes the exam of Subject, or of Assertion for what an agent signed
// itself, and reports all of it. Nothing is spent, kept or made by it; keys are
// fetched as for a request, and a cluster with tokenReview is asked, which then
// sees the token. typ is jwt or id_token; empty = what the issuer
// takes.
func (v *Verifier) Test(ctx context.Context, raw, typ string) *Report {
	r := &Report{Kind: "no token"}
	e, err := v.read(raw, asSubject)
	if err != nil {
		r.failed(nil, err)
		return r
	}
	r.claims(e)
	if e.forAssertion() {
		e.position, r.Parameter = asAssertion, "client_assertion"
		var a *Assertion
		if a, err = e.assertion(ctx, bearerAssertion); err == nil {
			r.Identity = &a.Identity
		}
	} else {
		r.Parameter, r.TokenType = "subject_token", e.typeFor(typ)
		if err = e.foreign(ctx, typeURI(r.TokenType)); err == nil {
			r.Identity = e.done()
		}
	}
	if f := new(Fault); e.nearest != nil && (!errors.As(err, &f) || f != e.nearest.fault) {
		e.nearest = nil // not what the exam failed by
	}
	r.Kind, r.KeyID = e.kind(), e.identity.KeyID
	if e.issuer != nil {
		r.Issuer = e.issuer.Name
		if speaksOf(e.issuer.Spec) == registry.WorkloadTokens {
			r.Bindings = e.bindingsNear()
		}
	}
	if err != nil {
		r.failed(e, err)
	} else {
		r.Checks = r.Identity.Checks
	}
	r.Verified = slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Name == CheckSignature && c.OK })
	return r
}

// claims notes what the token says, true or not.
func (r *Report) claims(e *exam) {
	r.Alg, r.Typ = e.token.Alg, e.token.Typ
	r.IssuerURL, _, _ = e.claims.String("iss")
	r.Subject, _, _ = e.claims.String("sub")
	r.Audience, _, _ = e.claims.Strings("aud")
	r.IssuerURL, r.Subject = cut(r.IssuerURL), cut(r.Subject)
	r.Audience = r.Audience[:min(len(r.Audience), maxNear)]
	for i := range r.Audience {
		r.Audience[i] = cut(r.Audience[i])
	}
}

func (r *Report) failed(e *exam, err error) {
	if !errors.As(err, &r.Fault) {
		return // every error of this package is one
	}
	r.Checks = r.Fault.Checks
	if e == nil {
		r.Wrong = "the text is no token as it must be: " + r.Fault.Shown
		return
	}
	if r.Fault.Name == FaultIssuerUnknown {
		r.Issuers = e.issuersNear()
	}
	r.Wrong, r.Fix = e.wrong(r)
}

// forAssertion reports whether the token can only be a client assertion: one
// that an agent signed itself, or one whose typ says so.
func (e *exam) forAssertion() bool {
	iss, _, err := e.claims.String("iss")
	sub, _ := e.claims["sub"].(string)
	return err == nil && !claimsSPIFFE(sub) && (e.namesAgent(iss) || e.token.Typ != "" && isTyp(e.token.Typ, "client-authentication+jwt"))
}

// typeFor is the token type to test by: the one that was named, else id_token
// where the issuer takes nothing else.
func (e *exam) typeFor(typ string) string {
	if typ != "" {
		return typ
	}
	iss, _, _ := e.claims.String("iss")
	if issuer := e.rules.IssuerByURL(iss); issuer != nil && slices.Equal(issuer.Spec.TokenTypes, []string{"id_token"}) {
		return "id_token"
	}
	return "jwt"
}

func typeURI(typ string) string {
	switch typ {
	case "jwt":
		return jwtType
	case "id_token":
		return idTokenType
	}
	return typ
}

// kind says what the token is.
func (e *exam) kind() string {
	iss, _, _ := e.claims.String("iss")
	sub, _, _ := e.claims.String("sub")
	switch {
	case iss == e.config.Issuer:
		return "a token of this server"
	case e.issuer == nil && claimsSPIFFE(sub):
		return "a JWT-SVID"
	case e.issuer == nil && e.position == asAssertion && e.namesAgent(iss):
		return KindSelfIssued
	case e.issuer == nil:
		return "a JWT"
	case e.issuer.Spec.Type == registry.SPIFFE:
		return "a JWT-SVID"
	case e.issuer.Spec.Type == registry.Kubernetes:
		return "a Kubernetes service-account token"
	case speaksOf(e.issuer.Spec) == registry.UserTokens:
		return "a user's token"
	}
	return "a workload's token of an OpenID provider"
}
