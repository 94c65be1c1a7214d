package grants

import (
	"context"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/policy"
)

// clientCredentials is RFC 6749, Section 4.4: the agent asks for itself. No
// refresh token is ever part of the answer (Section 4.4.3).
type clientCredentials struct{}

func (clientCredentials) name() string { return "client_credentials" }

// bootstrap refuses: this grant has no token that could stand for the client.
func (clientCredentials) bootstrap(_ context.Context, d *Decision) (*Presenter, *oauth.Error) {
	return nil, d.unauthenticated("no credentials")
}

func (clientCredentials) subject(_ context.Context, d *Decision) (policy.Subject, *oauth.Error) {
	return self(d.Presenter.Party), nil
}

// self is an agent acting for itself: sub = client_id (RFC 9068, Section 2.2).
func self(p policy.Party) policy.Subject {
	return policy.Subject{Sub: string(p.Agent.Name), Agent: p}
}
