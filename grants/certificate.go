package grants

import (
	"context"
	"errors"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
)

// byCertificate authenticates by mutual TLS. The client must say who it is:
// RFC 8705, Section 2; draft-ietf-oauth-spiffe-client-auth-02 for an X.509-SVID.
func (e *Endpoint) byCertificate(ctx context.Context, d *Decision) (*Presenter, *oauth.Error) {
	r := d.Request
	if r.ClientID == "" {
		return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthClientID, nil), "presenter", "a certificate without client_id", "client_id: the agent's name, or its SPIFFE ID")
	}
	c, err := e.Verifier.Certificate(ctx, r.Certificates, r.ClientID)
	if err != nil {
		return nil, d.fault(oauth.AreaClient, placeCertificate, err)
	}
	d.prove(placeCertificate, &c.Identity)
	p := &Presenter{Party: e.bearer(d.rules, &c.Identity), Identity: &c.Identity, Method: string(c.Method)}
	if p.Agent == nil {
		return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthUnknown, nil), "presenter", string(c.Agent), "a registered agent")
	}
	return p, nil
}

// sameCertificate holds a certificate that came beside other credentials to the
// agent that those have proven. One that says who its owner is (an SVID, or the
// certificate of an agent that registered one) must say the same: RFC 7521,
// Section 4.2. Another one is the transport's affair.
func (e *Endpoint) sameCertificate(ctx context.Context, d *Decision, p *Presenter) *oauth.Error {
	if p.Agent.Spec.TLS == nil && !credential.IsSVID(d.Request.Certificates) {
		return nil
	}
	c, err := e.Verifier.Certificate(ctx, d.Request.Certificates, string(p.Agent.Name))
	var f *credential.Fault
	switch {
	case errors.As(err, &f) && (f.Name == credential.FaultNoBinding || f.Name == credential.FaultCertMismatch):
		d.verified(placeCertificate, f.Checks)
		return oauth.Refuse(oauth.ReasonAuthAmbiguous, err)
	case err != nil:
		return d.fault(oauth.AreaClient, placeCertificate, err)
	}
	d.prove(placeCertificate, &c.Identity)
	if !e.proves(d.rules, &c.Identity, p.Agent) {
		return d.refuse(oauth.Refuse(oauth.ReasonAuthAmbiguous, nil), "presenter", "a certificate of "+string(c.Agent), string(p.Agent.Name))
	}
	return nil
}
