package credential

import (
	"context"

	"github.com/tokenry/tokenry/registry"
)

// Grant verifies the assertion of a jwt-bearer grant (RFC 7523, Section 2.1): a
// token of a workload, of any type of issuer. The error is always a *Fault.
//
// A user's token is refused: who may act for the user is a matter of token
// exchange. An assertion that an agent signed itself is one for client
// authentication and no grant.
func (v *Verifier) Grant(ctx context.Context, raw string) (*Identity, error) {
	e, err := v.read(raw, asGrant)
	if err != nil {
		return nil, err
	}
	if err := e.route(); err != nil {
		return nil, err
	}
	if e.identity.Tokens != registry.WorkloadTokens {
		return nil, e.fail(CheckType, FaultType, string(e.issuer.Name), "an issuer of workload tokens")
	}
	if err := e.platform(ctx, jwtType); err != nil {
		return nil, err
	}
	return e.done(), nil
}
