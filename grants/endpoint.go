// Package grants is the decision of the token endpoint: one pipeline that every
// grant runs through, so that no grant can forget a check. It knows no HTTP, no
// SQL and no clock of its own.
//
// The pipeline, each step a named check of the decision's trace:
//
//	parse, authenticate presenter, load agent and blueprint, rate, verify
//	subject and actor tokens, map the subject, find the delegation rule, target,
//	scope, lifetime, token binding, approval, record (durable), sign, answer.
//
// A Decision is opened before the first of them and closed after the last; one
// that was not issued is refused and recorded. The pure middle (rule to
// approval) is package policy; whose a credential is, package credential.
package grants

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
)

// Config of an Endpoint. All fields are required but those that say otherwise.
type Config struct {
	Issuer   string // our `iss`
	Limits   policy.Limits
	Skew     time.Duration // clock skew allowed in our own tokens; zero = none
	Model    *registry.Model
	Verifier *credential.Verifier
	Ring     *keys.Ring
	Ledger   *audit.Ledger
	Try      func(ctx context.Context, c []registry.Candidate) ([]registry.Admission, error) // what the store would make of an instance, for Test; nil = it is not asked
	Used     func(agentID string)                                                            // hears of every token issued to an instance; nil = nobody does
	Rate     float64                                                                         // requests per second and agent (limits.token_per_agent); zero = 50
	Now      func() time.Time
}

// Endpoint decides token requests. It is safe for concurrent use.
type Endpoint struct {
	Config
	grants   map[oauth.GrantType]grant
	types    []oauth.GrantType // of grants, sorted
	rates    *limiter
	failures *limiter
}

// grant is what differs between grant types. Everything that they share is in
// the pipeline.
type grant interface {
	// name is the grant's word in a blueprint's `grants`.
	name() string
	// bootstrap authenticates a request without client credentials by the
	// workload token that it shows.
	bootstrap(ctx context.Context, d *Decision) (*Presenter, *oauth.Error)
	// subject verifies the tokens of the request and says for whom it asks.
	subject(ctx context.Context, d *Decision) (policy.Subject, *oauth.Error)
}

// New makes an endpoint.
func New(c Config) (*Endpoint, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("grants: no issuer")
	case c.Model == nil || c.Verifier == nil || c.Ring == nil || c.Ledger == nil:
		return nil, errors.New("grants: model, verifier, ring and ledger are required")
	case c.Now == nil:
		return nil, errors.New("grants: no clock")
	case c.Limits.DefaultTTL <= 0 || c.Limits.MaxTTL <= 0 || c.Limits.MaxDepth <= 0:
		return nil, errors.New("grants: limits must be positive")
	}
	if c.Rate == 0 {
		c.Rate = 50
	}
	e := &Endpoint{Config: c}
	e.grants = map[oauth.GrantType]grant{
		oauth.ClientCredentials: clientCredentials{},
		oauth.TokenExchange:     tokenExchange{e},
		oauth.JWTBearer:         jwtBearer{e},
	}
	e.types = slices.Sorted(maps.Keys(e.grants))
	var err error
	if e.rates, err = newLimiter(c.Rate, int(2*c.Rate)+1); err != nil {
		return nil, err
	}
	e.failures, err = newLimiter(failuresPerSecond, failureBurst)
	return e, err
}

// GrantTypes lists what the endpoint answers, for the metadata. The caller must
// not change it.
func (e *Endpoint) GrantTypes() []oauth.GrantType { return e.types }

// Decide verifies what the request shows and decides it. The presenter must
// have been authenticated. The error is what the client is told.
func (e *Endpoint) Decide(ctx context.Context, d *Decision) *oauth.Error {
	// First of all, so that refusals count too: each of them costs a commit.
	if err := e.rate(d); err != nil {
		return err
	}
	g := e.grants[d.Request.GrantType]
	if err := d.mayUse(g); err != nil {
		return err
	}
	scope, err := d.Request.scopes()
	if err != nil {
		return d.refuse(err, "parse", "scope", "tokens separated by single spaces (RFC 6749, Section 3.3)")
	}
	subject, err := g.subject(ctx, d)
	if err != nil {
		return err
	}
	d.input = policy.Input{
		Now: d.Time, Limits: e.Limits, Rules: d.rules, Presenter: d.Presenter.Party, Subject: subject,
		Resources: d.Request.Resources, Audiences: d.Request.Audiences, Scope: scope,
	}
	verdict, checks, err := policy.Decide(d.input)
	d.checks = append(d.checks, checks...)
	if err != nil {
		return err
	}
	d.verdict = verdict
	return nil
}

// mayUse checks that the blueprint allows this grant (RFC 6749, Section 5.2:
// unauthorized_client).
func (d *Decision) mayUse(g grant) *oauth.Error {
	allowed := d.Presenter.Blueprint.Spec.Grants
	if len(allowed) == 0 || slices.Contains(allowed, g.name()) {
		return nil
	}
	return d.refuse(oauth.Refuse(oauth.ReasonGrantNotAllowed, nil), "grant", g.name(), "a grant of blueprint "+string(d.Presenter.Blueprint.Name))
}

// rate holds an agent to its requests per second.
func (e *Endpoint) rate(d *Decision) *oauth.Error {
	wait, ok := e.rates.take(string(d.Presenter.Agent.ID), d.Time)
	if !ok {
		err := oauth.Refuse(oauth.ReasonQuota, nil)
		err.RetryAfter = wait
		return d.refuse(err, "rate", "too many requests", "limits.token_per_agent")
	}
	d.pass("rate", "within limits.token_per_agent", "")
	return nil
}

// party finds an agent and its blueprint as they are now.
func (e *Endpoint) party(rules *registry.Rules, name registry.AgentName) policy.Party {
	a := e.Model.Agent(name)
	if a == nil {
		return policy.Party{}
	}
	return policy.Party{Agent: a, Blueprint: rules.Blueprint(a.Spec.Blueprint)}
}
