package admin

import (
	"context"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/grants"
)

// testCredential says what would become of a token. It writes nothing, so there
// is no event of it: a token that is only looked at should leave no trace.
func (s *server) testCredential(ctx context.Context, in *struct{ RawBody []byte }) (*struct{ Body api.CredentialReport }, error) {
	t, err := testOf(in.RawBody)
	if err != nil {
		return nil, err
	}
	return &struct{ Body api.CredentialReport }{reportOf(s.Test(ctx, t.Token, t.TokenType))}, nil
}

// maxToken is the longest token that the strict door of package jose reads.
const maxToken = 16 << 10

// testOf reads the body of POST /credential-tests.
func testOf(body []byte) (api.CredentialTest, error) {
	var t api.CredentialTest
	if len(body) == 0 {
		return t, noBody()
	}
	r := &reader{}
	r.object("", body, members{"token": r.text(&t.Token), "tokenType": r.text(&t.TokenType)})
	if len(r.items) > 0 {
		return t, r.problem()
	}
	switch t.TokenType {
	case "", "jwt", "id_token":
	default:
		r.add("tokenType", "must be jwt or id_token")
	}
	switch {
	case t.Token == "":
		r.add("token", "missing")
	case len(t.Token) > maxToken:
		r.add("token", "longer than any token that is accepted (16384 bytes)")
	}
	return t, r.problem()
}

func reportOf(t grants.Tested) api.CredentialReport {
	r := api.CredentialReport{
		Admitted: t.Admitted, Genuine: t.Genuine, Verified: t.Verified, Kind: t.Kind, Wrong: t.Wrong, Fix: t.Fix, ErrorCode: string(t.Reason),
		Parameter: t.Parameter, TokenType: t.TokenType, Issuer: t.Issuer, IssuerURL: t.IssuerURL, Subject: t.Subject, Audience: t.Audience,
		KeyID: t.KeyID, Algorithm: t.Alg, Type: t.Typ, Agent: t.Agent, Made: t.Made, Checks: checksOf(t.Checks),
	}
	if t.Fault != nil {
		r.Fault = t.Fault.Name
	}
	if t.Identity != nil {
		r.Credential, r.Expires = t.Identity.Binding, &t.Identity.Expires
	}
	for i, b := range t.Bindings {
		r.Bindings = append(r.Bindings, api.TestedBinding{
			Agent: b.Agent, Blueprint: b.Blueprint, Credential: b.Credential, Admits: b.Admits, Why: b.Why, Inactive: t.Inactive[i], Checks: checksOf(b.Checks),
		})
	}
	for _, i := range t.Issuers {
		r.Issuers = append(r.Issuers, api.UnlikelyIssuer{Name: i.Name, Wanted: i.Wanted, Why: i.Why, State: i.State})
	}
	return r
}

func checksOf(checks []credential.Check) []api.Check {
	list := make([]api.Check, len(checks))
	for i, c := range checks {
		list[i] = api.Check{Name: c.Name, OK: c.OK, Shown: c.Shown, Wanted: c.Wanted}
	}
	return list
}
