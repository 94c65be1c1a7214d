package grants

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// Wrong secrets allowed per client and address before 429 (RFC 6749, Section
// 2.3.1 wants guessing to be slowed down).
const (
	failuresPerSecond = 0.2
	failureBurst      = 20
)

// Authenticate establishes the presenter of the request: by credentials if
// there are any, else by the workload token that the request shows as its
// subject. On success the presenter and its blueprint are active and the
// blueprint allows the way in which it authenticated, whichever that was.
func (e *Endpoint) Authenticate(ctx context.Context, d *Decision) *oauth.Error {
	if err := e.stale(d); err != nil {
		return err
	}
	d.Time, d.rules = e.Now(), e.Model.Rules()
	p, err := e.presenter(ctx, d)
	if err != nil {
		return err
	}
	d.claimed = p.Agent.Name
	if err := d.mayAuthenticate(p); err != nil {
		return err
	}
	if err := d.sameClient(p); err != nil {
		return err
	}
	d.Presenter = p
	d.pass("presenter", string(p.Agent.Name)+" by "+p.Method, "blueprint "+string(p.Blueprint.Name))
	return nil
}

// stale refuses while the registry in memory is too old to decide by.
func (e *Endpoint) stale(d *Decision) *oauth.Error {
	if e.Model.Fresh() {
		return nil
	}
	return d.refuse(oauth.Refuse(oauth.ReasonRegistryStale, nil), "registry", "not read for 4s", "a read within 4s")
}

// mayAuthenticate checks that agent and blueprint are active, and that the
// blueprint allows the way in which the agent proved itself.
func (d *Decision) mayAuthenticate(p *Presenter) *oauth.Error {
	if why := p.Inactive(d.Time); why != "" {
		return d.refuse(oauth.Refuse(oauth.ReasonAuthDisabled, nil), "agent", why, "an active agent of an active blueprint")
	}
	if !p.Blueprint.Allows(p.clientAuth()) {
		return d.refuse(oauth.Refuse(oauth.ReasonAuthMethod, nil), "method", string(p.clientAuth()), "a method of clientAuth in blueprint "+string(p.Blueprint.Name))
	}
	return nil
}

// clientAuth is the blueprint's word for how the presenter authenticated.
func (p *Presenter) clientAuth() registry.ClientAuth {
	switch p.Method {
	case "secret":
		return registry.SecretAuth
	case "private_key_jwt":
		return registry.PrivateKeyJWTAuth
	case string(credential.PKICert), string(credential.SelfSignedTLS):
		return registry.TLSAuth
	}
	return registry.FederatedAuth // a platform's credential, wherever it stood
}

// presenter chooses the one way in which the request authenticates. A
// certificate beside it must not belong to somebody else.
func (e *Endpoint) presenter(ctx context.Context, d *Decision) (*Presenter, *oauth.Error) {
	r := d.Request
	if f := r.CertificateFault; f != "" && f != oauth.ReasonAuthProxy {
		return nil, d.refuse(oauth.Refuse(f, nil), "presenter", "a forwarded certificate that cannot be taken", "one header with one certificate, in the configured format")
	}
	if len(r.Certificates) == 0 {
		return e.byParameters(ctx, d)
	}
	if !r.hasCredentials() {
		return e.byCertificate(ctx, d)
	}
	p, err := e.byParameters(ctx, d)
	if err != nil {
		return nil, err
	}
	return p, e.sameCertificate(ctx, d, p)
}

// byParameters authenticates by what the request says, without a certificate.
func (e *Endpoint) byParameters(ctx context.Context, d *Decision) (*Presenter, *oauth.Error) {
	r := d.Request
	switch {
	case r.BasicAmbiguous:
		return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthAmbiguous, nil), "presenter", "two Authorization headers", "one")
	case (r.Basic || r.ClientSecret != "") && (r.ClientAssertion != "" || r.ClientAssertionType != ""):
		// RFC 7521, Section 4.2.1: invalid_client if one of them is an assertion.
		return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthAmbiguous, nil), "presenter", "a secret and an assertion", "one of them")
	case r.Basic && r.ClientSecret != "":
		// RFC 6749, Section 2.3: not more than one method per request.
		return nil, d.refuse(oauth.Refuse(oauth.ReasonTwoAuthMethods, nil), "presenter", "Basic and client_secret", "one of them")
	case r.ClientAssertion != "" || r.ClientAssertionType != "":
		return e.byAssertion(ctx, d)
	case r.hasCredentials():
		return e.bySecret(d)
	}
	return e.grants[r.GrantType].bootstrap(ctx, d)
}

// bySecret checks a generated secret. Secrets have 256 random bits, so one
// SHA-256 protects them; a slow hash would only slow us.
func (e *Endpoint) bySecret(d *Decision) (*Presenter, *oauth.Error) {
	r := d.Request
	id, secret := r.ClientID, r.ClientSecret
	if r.Basic {
		if r.BasicMalformed {
			return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthMalformed, nil), "presenter", "Authorization", "Basic with an id and a secret")
		}
		id, secret = r.BasicID, r.BasicSecret
	}
	party := e.party(d.rules, registry.AgentName(id))
	key := r.Source + "|" // what is no agent shares one bucket: its name is input of any length
	if party.Agent != nil {
		key += party.Agent.ID
	}
	if wait, blocked := e.failures.empty(key, d.Time); blocked {
		err := oauth.Refuse(oauth.ReasonAuthRateLimited, nil)
		err.RetryAfter = wait
		return nil, d.refuse(err, "presenter", "too many wrong secrets", "a pause")
	}
	// The comparison runs for unknown agents too, so that time tells nothing.
	sum := sha256.Sum256([]byte(secret))
	var stored []byte
	reason := oauth.ReasonAuthUnknown
	if party.Agent != nil {
		d.claimed, stored, reason = party.Agent.Name, party.Agent.SecretHash, oauth.ReasonAuthSecret
	}
	if len(stored) != sha256.Size {
		stored = make([]byte, sha256.Size)
	}
	if subtle.ConstantTimeCompare(sum[:], stored) != 1 || secret == "" {
		e.failures.take(key, d.Time)
		return nil, d.refuse(oauth.Refuse(reason, nil), "presenter", "a secret that does not match", "the agent's secret")
	}
	return &Presenter{Party: party, Method: "secret"}, nil
}

// byAssertion checks client_assertion. Every fault of it is invalid_client:
// RFC 7523, Section 3.2.
func (e *Endpoint) byAssertion(ctx context.Context, d *Decision) (*Presenter, *oauth.Error) {
	r := d.Request
	kind := oauth.AssertionType(r.ClientAssertionType)
	if r.ClientAssertion == "" || (kind != oauth.JWTBearerAssertion && kind != oauth.SPIFFEAssertion) {
		return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthMalformed, nil), "presenter", r.ClientAssertionType, "client_assertion with a supported client_assertion_type")
	}
	a, err := e.Verifier.Assertion(ctx, r.ClientAssertion, string(kind))
	if err != nil {
		return nil, d.fault(oauth.AreaClient, placeClient, err)
	}
	d.prove(placeClient, &a.Identity)
	p := &Presenter{Party: e.bearer(d.rules, &a.Identity), Identity: &a.Identity, Method: "federated"}
	switch {
	case a.Replay != nil:
		p.Method = "private_key_jwt"
		d.replay = append(d.replay, audit.NewReplayKey(a.Replay.Space, a.Replay.JTI, a.Replay.Expires, string(oauth.ReasonAuthReplay)))
	case kind == oauth.SPIFFEAssertion:
		p.Method = "spiffe_jwt"
	}
	if p.Agent == nil {
		return nil, d.refuse(oauth.Refuse(oauth.ReasonAuthUnknown, nil), "presenter", string(a.Agent), "a registered agent")
	}
	return p, nil
}

// proven lets a workload's own token stand for client authentication (RFC 8693,
// Section 2.1 and RFC 7523, Section 2.1 leave it to the server). A user's token
// or one of ours proves no client.
func (e *Endpoint) proven(ctx context.Context, d *Decision, t shown) (*Presenter, *oauth.Error) {
	id, err := t.verify(ctx)
	var f *credential.Fault
	switch {
	case errors.As(err, &f) && (f.Tokens == registry.UserTokens || e.isOurs(t.raw)):
		return nil, d.unauthenticated("a token that proves no workload")
	case err != nil:
		return nil, d.fault(t.area, t.place, err)
	case id.Tokens != registry.WorkloadTokens:
		return nil, d.unauthenticated("a user's token")
	}
	d.prove(t.place, id)
	d.bootstrap, d.area = id, t.area
	p := &Presenter{Party: e.bearer(d.rules, id), Identity: id, Method: "bootstrap"}
	if p.Agent == nil {
		return nil, d.refuse(oauth.Refuse(faultReason(t.area, credential.FaultNoBinding), nil), "binding", id.Subject, "a registered agent")
	}
	return p, nil
}

// unauthenticated refuses a request in which nothing proves a client.
func (d *Decision) unauthenticated(what string) *oauth.Error {
	reason := oauth.ReasonAuthNone
	if f := d.Request.CertificateFault; f != "" {
		reason, what = f, what+", and a certificate that was dropped"
	}
	return d.refuse(oauth.Refuse(reason, nil), "presenter", what, "client credentials, or a workload credential as subject_token or assertion")
}

// isOurs reports whether raw claims to be a token of ours.
func (e *Endpoint) isOurs(raw string) bool { return claimedIssuer(raw) == e.Issuer }

// claimedIssuer is the `iss` of a token of which nothing has been verified.
func claimedIssuer(raw string) string {
	t, err := jose.Parse(raw)
	if err != nil {
		return ""
	}
	iss, _, err := t.Claims.String("iss")
	if err != nil {
		return ""
	}
	return iss
}

// sameClient holds the client_id parameter to the agent that was proven: its
// name, or its SPIFFE ID (RFC 7521, Section 4.2).
func (d *Decision) sameClient(p *Presenter) *oauth.Error {
	id := d.Request.ClientID
	if id == "" || id == string(p.Agent.Name) || (p.Identity != nil && p.Identity.SPIFFEID != "" && id == p.Identity.SPIFFEID) {
		return nil
	}
	return d.refuse(oauth.Refuse(oauth.ReasonAuthAmbiguous, nil), "presenter", "client_id of somebody else", string(p.Agent.Name))
}

// fault turns a credential's fault into the refusal of its place.
func (d *Decision) fault(area, place string, err error) *oauth.Error {
	var f *credential.Fault
	if !errors.As(err, &f) {
		return oauth.AsError(err)
	}
	d.verified(place, f.Checks)
	if f.Agent != "" && (area == oauth.AreaClient || f.Name == credential.FaultShadow) {
		d.claimed = f.Agent
	}
	refused := oauth.Refuse(reasonOf(area, f), err)
	if errors.Is(f, credential.ErrUnavailable) || errors.Is(f, credential.ErrReviewUnavailable) {
		refused.RetryAfter = 5 * time.Second
	}
	return refused
}

// reasonOf is the reason of a credential's fault at its place.
func reasonOf(area string, f *credential.Fault) oauth.Reason {
	if errors.Is(f, credential.ErrUnavailable) {
		return oauth.ReasonIssuerUnavailable
	}
	return faultReason(area, f.Name)
}

// faultReason is the reason of a fault at a place. Of a subject token that is
// good and finds no agent it has a name of its own.
func faultReason(area, fault string) oauth.Reason {
	if area == oauth.AreaSubject {
		switch fault {
		case credential.FaultNoBinding:
			return oauth.ReasonNoBinding
		case credential.FaultImmutable:
			return oauth.ReasonImmutable
		case credential.FaultAmbiguous:
			return oauth.ReasonAmbiguous
		}
	}
	return oauth.TokenFault(area, fault)
}
