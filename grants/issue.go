package grants

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/token"
)

// Issued is a successful answer (RFC 6749, Section 5.1; RFC 8693, Section
// 2.2.1).
type Issued struct {
	AccessToken     string
	IssuedTokenType oauth.TokenType // empty but for token exchange
	ExpiresIn       time.Duration
	Scope           string
}

// Issue makes the decided token. Instances come first: their rows are durable
// before the event that names them. The event goes to the ledger first, the
// signature is made while the commit runs, and the token is returned only
// after the commit: what is not recorded is not issued.
func (e *Endpoint) Issue(ctx context.Context, d *Decision) (*Issued, *oauth.Error) {
	if refused := e.settle(ctx, d); refused != nil {
		return nil, refused
	}
	if refused := e.outdated(d); refused != nil {
		return nil, refused
	}
	claims, err := e.claims(d)
	if err != nil {
		return nil, oauth.Refuse(oauth.ReasonInternal, err)
	}
	receipt, err := e.Ledger.Append(d.issuedEvent(claims))
	if err != nil {
		return nil, d.refuse(oauth.Refuse(oauth.ReasonLedgerFull, err), "record", "the ledger is full", "room in the queue")
	}
	compact, signErr := e.sign(claims)
	waited := receipt.Wait(ctx)
	var replayed *audit.ReplayedError
	switch {
	case errors.As(waited, &replayed):
		d.recorded = true // the statement itself has written it as refused
		return nil, d.refuse(oauth.Refuse(oauth.Reason(replayed.Reason), nil), "single use", "a value used before", "a new jti")
	case waited != nil:
		// Perhaps it was written, perhaps not: a second event of this decision
		// would only be in the way of the first.
		d.recorded = true
		return nil, d.refuse(oauth.Refuse(oauth.ReasonLedgerUnavailable, waited), "record", "not confirmed", "a durable event")
	}
	d.recorded = true
	if err := e.late(d, claims, signErr); err != nil {
		e.undelivered(d, claims, err.Reason)
		return nil, err
	}
	e.used(d)
	issued := &Issued{AccessToken: compact, ExpiresIn: claims.Expires.Sub(claims.IssuedAt), Scope: claims.Scope}
	if d.Request.GrantType == oauth.TokenExchange {
		issued.IssuedTokenType = oauth.AccessTokenType
	}
	return issued, nil
}

// late finds what came to light while the commit ran: a token that was recorded
// and may not leave.
func (e *Endpoint) late(d *Decision, c *token.Claims, signErr error) *oauth.Error {
	now, subject := e.Now(), d.input.Subject.Expires
	switch {
	case !subject.IsZero() && !now.Before(subject):
		// It was good when it was verified. To come again with it would be of no
		// use, which 503 would advise.
		return d.refuse(oauth.Refuse(oauth.TokenFault(cmp.Or(d.area, oauth.AreaSubject), credential.FaultExpired), nil), "record", "committed after exp of the token that was shown", "a commit before")
	case !now.Before(c.Expires):
		return d.refuse(oauth.Refuse(oauth.ReasonLedgerUnavailable, errors.New("the commit took longer than the token lives")), "record", "committed too late", "a commit within the life of the token")
	case errors.Is(signErr, keys.ErrNoKey):
		return oauth.Refuse(oauth.ReasonNoSigningKey, signErr)
	case signErr != nil:
		return oauth.Refuse(oauth.ReasonInternal, signErr)
	}
	return e.outdated(d)
}

// thought is how long a decision may take and still go by what was known at its
// beginning. With the second that a replica may be behind, what is disabled is
// out everywhere within five, however long a cluster, a key endpoint or the
// database kept the request waiting.
const thought = time.Second

// outdated refuses to issue on a decision that took long and was made on what is
// not so any more. Nothing is decided again here: whoever comes again finds all
// keys fetched and all instances made.
func (e *Endpoint) outdated(d *Decision) *oauth.Error {
	if e.Now().Sub(d.Time) <= thought {
		return nil
	}
	refused := oauth.Refuse(oauth.ReasonRegistryStale, nil)
	refused.RetryAfter = time.Second
	switch {
	case !e.Model.Fresh():
		return d.refuse(refused, "registry", "not read for 4s", "a read within 4s")
	case e.Model.Rules().Edition != d.rules.Edition:
		return d.refuse(refused, "registry", "it has changed while the request was decided", "a decision on what is so now")
	}
	for _, p := range append([]policy.Party{d.Presenter.Party, d.input.Subject.Agent}, d.input.Subject.Chain...) {
		if p.Agent == nil {
			continue
		}
		if now := e.Model.Agent(p.Agent.Name); now == nil || now.Change != p.Agent.Change {
			return d.refuse(refused, "registry", string(p.Agent.Name)+" has changed while the request was decided", "a decision on what is so now")
		}
	}
	return nil
}

func (e *Endpoint) sign(c *token.Claims) (string, error) {
	payload, err := c.Marshal()
	if err != nil {
		return "", err
	}
	return e.Ring.Sign(token.Type, payload)
}

// claims are those of RFC 9068, Section 2.2, and `act` of RFC 8693, Section
// 4.1. From a subject token only auth_time, acr, amr and txn are carried on.
func (e *Endpoint) claims(d *Decision) (*token.Claims, error) {
	p, s := d.Presenter, d.input.Subject
	c := &token.Claims{
		Issuer: e.Issuer, Subject: s.Sub, ClientID: string(p.Agent.Name),
		Audience: d.verdict.Resource.Spec.Identifier, // RFC 8707, Section 2: exactly one
		Scope:    strings.Join(d.verdict.Scope, " "),
		JTI:      audit.NewID("at", d.Time),
		IssuedAt: d.Time.Truncate(time.Second), Expires: d.verdict.Expires.Truncate(time.Second),
		Agent: &token.AgentInfo{Blueprint: string(p.Blueprint.Name), Version: p.Blueprint.Version},
	}
	if p.Identity != nil {
		c.Agent.SPIFFEID = p.Identity.SPIFFEID
	}
	switch {
	case d.own != nil:
		c.AuthTime, c.ACR, c.AMR, c.Txn = d.own.AuthTime, d.own.ACR, d.own.AMR, d.own.Txn
	case d.subjectToken != nil:
		s := d.subjectToken // of a workload, all but txn are empty
		c.AuthTime, c.ACR, c.AMR, c.Txn = s.AuthTime, s.ACR, s.AMR, s.Txn
	}
	switch {
	case d.verdict.Narrowing:
		c.Act = d.own.Act
	case d.verdict.Depth > 0:
		var earlier *token.Actor
		if d.own != nil {
			earlier = d.own.Act
		}
		var err error
		if c.Act, err = earlier.Then(e.Issuer, string(p.Agent.Name), token.ProfileAgent); err != nil {
			return nil, err
		}
	}
	// Minted at the first exchange, unchanged through all that follow.
	if c.Txn == "" && d.Request.GrantType == oauth.TokenExchange {
		c.Txn = audit.NewID("txn", d.Time)
	}
	return c, nil
}
