package grants

import (
	"errors"
	"strings"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/token"
)

// verifyOwn verifies an access token of ours. Only our own may be declared
// access_token (RFC 8693, Section 3).
func (e *Endpoint) verifyOwn(raw string) (*token.Claims, error) {
	return token.Verify(raw, token.VerifyConfig{Issuer: e.Issuer, Key: e.Ring.Public, Now: e.Now, Skew: e.Skew})
}

// ownSubject reads our own token as subject: the top-level `sub` stays, its
// actors become the chain. Whoever it names must still be active.
func (g tokenExchange) ownSubject(d *Decision) (policy.Subject, *oauth.Error) {
	c, err := g.verifyOwn(d.Request.SubjectToken)
	if err != nil {
		return policy.Subject{}, d.ownFault(oauth.AreaSubject, "subject token", err)
	}
	d.own = c
	d.pass("subject token signature", "a key of ours", "")
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
		if i == nil || i.State != registry.Active {
			return gone("issuer " + issuer + " is not active")
		}
		s.Issuer = i.Name
		s.Claims = carriedClaims(c, i.Spec.Issuer, user)
	} else {
		s.Agent = g.party(d.rules, registry.AgentName(c.Subject))
		if !s.Agent.Active(d.Time) {
			return gone(inactive(s.Agent, d.Time))
		}
	}
	if r := d.rules.ResourceByIdentifier(c.Audience); r != nil && r.State != registry.Active {
		return gone("resource " + string(r.Name) + " is " + string(r.State))
	}
	if client := g.party(d.rules, registry.AgentName(c.ClientID)); !client.Active(d.Time) {
		return gone("its client: " + inactive(client, d.Time))
	}
	return s, g.chain(d, c, &s)
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
		return d.ownFault(oauth.AreaSubject, "subject token", err)
	}
	for _, a := range actors {
		p := g.party(d.rules, registry.AgentName(a.Subject))
		if a.Issuer != g.Issuer || !p.Active(d.Time) {
			return d.refuse(oauth.Refuse(oauth.ReasonActorDisabled, nil), "actors", inactive(p, d.Time), "active agents of this server")
		}
		s.Chain = append(s.Chain, p)
	}
	d.pass("subject", s.Sub, "our token "+c.JTI)
	return nil
}

// carriedClaims are what a rule's condition can see on a later hop: what our
// token kept of the user's own. A condition on anything else does not hold
// there.
func carriedClaims(c *token.Claims, iss, sub string) map[string]any {
	claims := map[string]any{"iss": iss, "sub": sub, "scope": c.Scope}
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
	name := credential.FaultType
	var j *jose.Error
	var t *token.Error
	switch {
	case errors.As(err, &j):
		name = string(j.Fault)
	case errors.As(err, &t):
		name = string(t.Reason)
	}
	d.checks = append(d.checks, policy.Check{Name: place, Shown: name, Wanted: "a valid access token of this server"})
	return oauth.Refuse(oauth.TokenFault(area, name), err)
}
