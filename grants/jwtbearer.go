package grants

import (
	"context"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
)

// jwtBearer is RFC 7523, Section 2.1, for the tokens of workloads: the agent
// that `assertion` is bound to is the subject, and without client credentials
// the presenter as well. Users' tokens go to token exchange, which says who
// acts for them.
//
// What belongs to token exchange (actor_token, requested_actor, …) is ignored
// here, as every parameter is that a grant does not know: RFC 6749, Section 3.2.
type jwtBearer struct{ *Endpoint }

func (jwtBearer) name() string { return "jwt_bearer" }

// bootstrap takes the assertion for client authentication too (RFC 7523,
// Section 3.1: it may be optional; when it is there it is checked first).
func (g jwtBearer) bootstrap(ctx context.Context, d *Decision) (*Presenter, *oauth.Error) {
	if !d.Request.hasAssertion() {
		return nil, d.unauthenticated("no credentials")
	}
	return g.proven(ctx, d, g.shown(d.Request))
}

// subject verifies the assertion.
func (g jwtBearer) subject(ctx context.Context, d *Decision) (policy.Subject, *oauth.Error) {
	if d.bootstrap != nil {
		return g.bootstrapped(d)
	}
	if !d.Request.hasAssertion() { // RFC 7521, Section 4.1: required
		return policy.Subject{}, d.refuse(oauth.Refuse(oauth.ReasonAssertionMissing, nil), "parse", "none", "assertion")
	}
	id, err := g.foreign(ctx, d, g.shown(d.Request))
	if err != nil {
		return policy.Subject{}, err
	}
	return g.workloadSubject(d, id, oauth.TokenFault(oauth.AreaGrant, "disabled"))
}

// shown is the assertion of a request. Whatever is wrong with it is
// invalid_grant: RFC 7523, Section 3.1.
func (g jwtBearer) shown(r *Request) shown {
	return shown{raw: r.Assertion, area: oauth.AreaGrant, place: placeGrant, verify: func(ctx context.Context) (*credential.Identity, error) {
		return g.Verifier.Grant(ctx, r.Assertion)
	}}
}
