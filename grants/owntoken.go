package grants

import (
	"context"
	"errors"
	"strings"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/token"
)

// carried are the claims of a user that our tokens carry on, so that a rule's
// condition can look at them on a later hop too.
func carried() []string { return []string{"iss", "sub", "acr", "amr"} }

// verifyOwn verifies an access token of ours. Only our own may be declared
// access_token (RFC 8693, Section 3).
func (e *Endpoint) verifyOwn(raw string) (*token.Claims, error) {
	return token.Verify(raw, token.VerifyConfig{Issuer: e.Issuer, Key: e.Ring.Public, Now: e.Now, Skew: e.Skew, AnyAudience: true})
}

// ownSubject reads our own token as subject: the top-level `sub` stays, its
// actors become the chain. Whoever it names must still be active.
func (g tokenExchange) ownSubject(ctx context.Context, d *Decision) (policy.Subject, *oauth.Error) {
	c, err := g.verifyOwn(d.Request.SubjectToken)
	if err != nil {
		return policy.Subject{}, d.ownFault(oauth.AreaSubject, "subject token", err)
	}
	d.own = c
	g.hearOf(ctx, d, c)
	d.pass("subject token signature", "a key of ours", "")
	if c.Confirmation != nil {
		// No proof of the key can be given yet, and nothing unbound may come of it.
		return policy.Subject{}, d.refuse(oauth.Refuse(oauth.TokenFault(oauth.AreaSubject, credential.FaultConfirmation), nil),
			"subject token", "cnf", "a token that is bound to no key")
	}
	s := policy.Subject{
		Sub: c.Subject, Own: true, ClientID: c.ClientID, Audience: c.Audience,
		Expires: c.Expires, Scope: []string{},
	}
	if c.Scope != "" {
		s.Scope = strings.Split(c.Scope, " ")
	}
	gone := func(what string) (policy.Subject, *oauth.Error) {
		return policy.Subject{}, d.refuse(oauth.Refuse(oauth.ReasonSubjectDisabled, nil), "subject", what, "everybody and everything the token names active")
	}
	if issuer, user, ok := strings.Cut(c.Subject, "|"); ok {
		i := d.rules.Issuer(registry.IssuerName(issuer))
		if i == nil || !i.Admits() {
			return gone("issuer " + issuer + " is not active")
		}
		s.Issuer = i.Name
		s.Claims, s.Known = carriedClaims(c, i.Spec.Issuer, user), carried()
	} else {
		s.Agent = g.party(d.rules, registry.AgentName(c.Subject))
		if why := g.stale(d, s.Agent, c); why != "" {
			return gone(why)
		}
	}
	if r := d.rules.ResourceByIdentifier(c.Audience); r == nil || r.State != registry.Active {
		return gone("the resource that it is for is gone or not active")
	}
	if why := g.stale(d, g.party(d.rules, registry.AgentName(c.ClientID)), c); why != "" {
		return gone("its client: " + why)
	}
	chainErr := g.chain(d, c, &s)
	return s, chainErr
}

// stale says why an agent that our token c names is not the one it was issued
// about, or is not active.
func (g tokenExchange) stale(d *Decision, p policy.Party, c *token.Claims) string {
	return p.Stale(d.rules, c.IssuedAt, d.Time, g.Skew)
}

// chain reads the actors of our own token. Each must be ours and active: a
// disabled agent in the middle of a chain stops it.
func (g tokenExchange) chain(d *Decision, c *token.Claims, s *policy.Subject) *oauth.Error {
	if c.Act == nil {
		d.pass("subject", s.Sub, "our token "+c.JTI)
		return nil
	}
	actors, err := c.Act.Chain()
	if err != nil {
		return d.ownFault(oauth.AreaSubject, "subject token", &token.Error{Reason: token.ReasonClaims, Err: err})
	}
	for _, a := range actors {
		p := g.party(d.rules, registry.AgentName(a.Subject))
		if a.Issuer != g.Issuer {
			return d.refuse(oauth.Refuse(oauth.ReasonActorDisabled, nil), "actors", "an actor of "+a.Issuer, "active agents of this server")
		}
		if why := g.stale(d, p, c); why != "" {
			return d.refuse(oauth.Refuse(oauth.ReasonActorDisabled, nil), "actors", why, "active agents of this server")
		}
		s.Chain = append(s.Chain, p)
	}
	d.pass("subject", s.Sub, "our token "+c.JTI)
	return nil
}

// carriedClaims are what a rule's condition can see on a later hop: what our
// token kept of the user's own (see carried). A condition on anything else does
// not hold there.
func carriedClaims(c *token.Claims, iss, sub string) map[string]any {
	claims := map[string]any{"iss": iss, "sub": sub}
	if c.ACR != "" {
		claims["acr"] = c.ACR
	}
	if len(c.AMR) > 0 {
		amr := make([]any, len(c.AMR))
		for i, m := range c.AMR {
			amr[i] = m
		}
		claims["amr"] = amr
	}
	return claims
}

// ownFault turns a fault of our own token into the refusal of its place.
func (d *Decision) ownFault(area, place string, err error) *oauth.Error {
	var name string
	var j *jose.Error
	var t *token.Error
	switch {
	case errors.Is(err, keys.ErrRevoked):
		name = "key_revoked"
	case errors.As(err, &j):
		name = string(j.Fault)
	case errors.As(err, &t):
		name = string(t.Reason)
	default: // no fault of the token's
		return oauth.Refuse(oauth.ReasonInternal, err)
	}
	d.checks = append(d.checks, policy.Check{Name: place, Shown: name, Wanted: "a valid access token of this server"})
	return oauth.Refuse(oauth.TokenFault(area, name), err)
}
