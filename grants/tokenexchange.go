package grants

import (
	"context"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
)

// tokenExchange is RFC 8693. The authenticated presenter is the actor, with or
// without an actor_token, so that nobody sheds the chain by leaving it out.
type tokenExchange struct{ *Endpoint }

func (tokenExchange) name() string { return "token_exchange" }

// bootstrap takes the subject token of a workload for its authentication. An
// actor that is somebody else could only be proven by its own.
func (g tokenExchange) bootstrap(ctx context.Context, d *Decision) (*Presenter, *oauth.Error) {
	r := d.Request
	switch {
	case !r.hasSubject():
		return nil, d.unauthenticated("no credentials")
	case oauth.TokenType(r.SubjectTokenType) == oauth.AccessTokenType:
		return nil, d.unauthenticated("an access token")
	case !accepted(r.SubjectTokenType):
		return nil, d.refuse(oauth.Refuse(oauth.ReasonSubjectTokenType, nil), "parse", r.SubjectTokenType, "subject_token_type: id_token or jwt")
	}
	p, err := g.proven(ctx, d, g.shown(r))
	switch {
	case err != nil:
		return nil, err
	case r.ActorToken != "" || r.ActorTokenType != "":
		return nil, d.refuse(oauth.Refuse(oauth.ReasonBootstrapActor, nil), "parse", "actor_token", "none without client authentication")
	case r.RequestedActor != "":
		return nil, d.refuse(oauth.Refuse(oauth.ReasonBrokerNotAllowed, nil), "parse", "requested_actor", "none without client authentication")
	}
	return p, nil
}

// shown is the foreign subject token of a request.
func (g tokenExchange) shown(r *Request) shown {
	return shown{raw: r.SubjectToken, area: oauth.AreaSubject, place: placeSubject, verify: func(ctx context.Context) (*credential.Identity, error) {
		return g.Verifier.Subject(ctx, r.SubjectToken, r.SubjectTokenType)
	}}
}

// subject verifies subject_token and actor_token and reports for whom the
// presenter asks.
//
// A token refused for any reason is invalid_request, never invalid_grant:
// RFC 8693, Section 2.2.2.
func (g tokenExchange) subject(ctx context.Context, d *Decision) (policy.Subject, *oauth.Error) {
	if err := d.exchangeParameters(); err != nil {
		return policy.Subject{}, err
	}
	if d.bootstrap != nil {
		return g.bootstrapped(d)
	}
	if err := g.actor(ctx, d); err != nil {
		return policy.Subject{}, err
	}
	if oauth.TokenType(d.Request.SubjectTokenType) == oauth.AccessTokenType {
		// RFC 8693, Section 3: an access token of this server. A provider's own may
		// be called one too, and is a jwt here.
		if i := d.rules.IssuerByURL(claimedIssuer(d.Request.SubjectToken)); i != nil {
			return policy.Subject{}, d.refuse(oauth.Refuse(oauth.TokenFault(oauth.AreaSubject, credential.FaultType), nil),
				"subject token", "a token of issuer "+string(i.Name), "an access token of this server; tokens of others are sent as "+string(oauth.JWTType))
		}
		return g.ownSubject(ctx, d)
	}
	id, err := g.foreign(ctx, d, g.shown(d.Request))
	if err != nil {
		return policy.Subject{}, err
	}
	if id.Tokens == registry.WorkloadTokens {
		return g.workloadSubject(d, id, oauth.ReasonSubjectDisabled)
	}
	// RFC 9068, Section 5: the issuer's name keeps two providers' subjects apart.
	s := policy.Subject{
		Sub: string(id.Issuer) + "|" + id.Subject, Issuer: id.Issuer, Claims: id.Claims,
		Scope: id.Scope, Expires: id.Expires,
	}
	d.pass("subject", s.Sub, "user of issuer "+string(id.Issuer))
	return s, nil
}

// exchangeParameters checks presence and types of the parameters of RFC 8693,
// Section 2.1, in its order.
func (d *Decision) exchangeParameters() *oauth.Error {
	r := d.Request
	deny := func(reason oauth.Reason, shown, wanted string) *oauth.Error {
		return d.refuse(oauth.Refuse(reason, nil), "parse", shown, wanted)
	}
	switch oauth.TokenType(r.RequestedTokenType) {
	case "", oauth.AccessTokenType:
	case oauth.JWTType:
		return deny(oauth.ReasonNoGrantTarget, r.RequestedTokenType, string(oauth.AccessTokenType))
	default:
		return deny(oauth.ReasonRequestedTokenType, r.RequestedTokenType, string(oauth.AccessTokenType))
	}
	if !r.hasSubject() {
		return deny(oauth.ReasonSubjectMissing, "none", "subject_token")
	}
	if !accepted(r.SubjectTokenType) {
		return deny(oauth.ReasonSubjectTokenType, r.SubjectTokenType, "access_token, id_token or jwt")
	}
	if (r.ActorToken == "") != (r.ActorTokenType == "") {
		return deny(oauth.ReasonActorTokenType, "one of actor_token and actor_token_type", "both or neither")
	}
	if r.ActorToken != "" && !accepted(r.ActorTokenType) {
		return deny(oauth.ReasonActorTokenType, r.ActorTokenType, "access_token or jwt")
	}
	if r.RequestedActor != "" {
		// No rule can be brokered in this version, so none can allow it.
		return deny(oauth.ReasonBrokerNotAllowed, "requested_actor", "a brokered hand-off rule")
	}
	return nil
}

func accepted(typ string) bool {
	switch oauth.TokenType(typ) {
	case oauth.AccessTokenType, oauth.IDTokenType, oauth.JWTType:
		return true
	}
	return false
}

// actor verifies an actor_token and holds it to the presenter: whoever
// authenticated is the actor, a token of somebody else adds nothing.
func (g tokenExchange) actor(ctx context.Context, d *Decision) *oauth.Error {
	r := d.Request
	if r.ActorToken == "" {
		return nil
	}
	if oauth.TokenType(r.ActorTokenType) == oauth.AccessTokenType {
		// An access token is for the resource that is its audience, and we are
		// not that: it proves nothing here, even when it is valid.
		c, err := g.verifyOwn(r.ActorToken)
		if err != nil {
			return d.ownFault(oauth.AreaActor, placeActor, err)
		}
		return d.refuse(oauth.Refuse(oauth.TokenFault(oauth.AreaActor, credential.FaultAudience), nil), "actor token", c.Audience, "a credential for this server")
	}
	id, err := g.Verifier.Subject(ctx, r.ActorToken, r.ActorTokenType)
	if err != nil {
		return d.fault(oauth.AreaActor, placeActor, err)
	}
	d.prove(placeActor, id)
	name := id.Agent
	if !g.proves(d.rules, id, d.Presenter.Agent) {
		return d.refuse(oauth.Refuse(oauth.ReasonActorNotClient, nil), "actor", orNobody(name), string(d.Presenter.Agent.Name))
	}
	d.pass("actor", string(name), "the presenter")
	return nil
}

func orNobody(name registry.AgentName) string {
	if name == "" {
		return "no agent"
	}
	return string(name)
}

// mayAct enforces `may_act` of RFC 8693, Section 4.4. It only restricts, and
// it is never copied. It matches when all its members equal one identity of
// the presenter: its name here, or the credential that it used now.
func (d *Decision) mayAct(id *credential.Identity) *oauth.Error {
	if id.MayAct == nil {
		return nil
	}
	p := d.Presenter
	sub, _ := id.MayAct["sub"].(string)
	iss, named := id.MayAct["iss"].(string)
	_, present := id.MayAct["iss"]
	matches := func(ourIss, ourSub string) bool {
		return sub != "" && sub == ourSub && (!present || (named && iss == ourIss))
	}
	for member := range id.MayAct {
		if member != "sub" && member != "iss" && !ignoredMember(member) {
			return d.refuse(oauth.Refuse(oauth.ReasonMayAct, nil), "may_act", "a member that no identity here has", "sub and iss")
		}
	}
	if matches(d.iss, string(p.Agent.Name)) || (p.Identity != nil && matches(p.Identity.IssuerURL, p.Identity.Subject)) {
		d.pass("may_act", sub, "the presenter")
		return nil
	}
	return d.refuse(oauth.Refuse(oauth.ReasonMayAct, nil), "may_act", sub, string(p.Agent.Name))
}

// ignoredMember lists what RFC 8693, Section 4.4 calls meaningless inside
// may_act.
func ignoredMember(name string) bool {
	return name == "exp" || name == "nbf" || name == "aud"
}
