package credential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// oidc verifies a JWT of an OpenID provider: of a user, or of a workload (a CI
// job, a cloud function).
func (e *exam) oidc(ctx context.Context, typ string) error {
	if err := e.tokenType(typ); err != nil {
		return err
	}
	// A cluster must be registered as one: here its tokens would escape the
	// rules of kubernetes.go.
	if _, ok := e.claims[kubernetesClaim]; ok {
		return e.fail(CheckType, FaultType, kubernetesClaim, "an issuer of type kubernetes")
	}
	if sub, _ := e.claims["sub"].(string); strings.HasPrefix(sub, serviceAccountPrefix) {
		return e.fail(CheckType, FaultNoBinding, sub, "a service account only from its cluster")
	}
	// Logout tokens and security events look like ID tokens when their typ is
	// missing: OpenID Connect Back-Channel Logout 1.0, Section 2.4.
	if _, ok := e.claims["events"]; ok {
		return e.fail(CheckType, FaultType, "events", "a token that is no event")
	}
	if err := e.purpose(); err != nil {
		return err
	}
	if err := e.tenant(); err != nil {
		return err
	}
	e.pass(CheckType, e.token.Typ, "")
	if e.identity.Tokens == registry.WorkloadTokens {
		return e.hinted(e.workload(ctx))
	}
	return e.user(ctx)
}

// tenant checks `tid` of a token of Microsoft Entra, whose tenants all have the
// same keys: the one in `iss` and the one that the token is from must not
// differ. Users' ID tokens can lack it; a workload's cannot.
func (e *exam) tenant() error {
	want := e.issuer.Spec.Tenant()
	if want == "" {
		return nil
	}
	tid, ok, err := e.claims.String("tid")
	if err != nil {
		return e.refused(CheckIssuer, err)
	}
	if tid != want && (ok || e.identity.Tokens == registry.WorkloadTokens) {
		return e.failed(CheckIssuer, &Fault{Name: FaultTenant, Field: "tid", Shown: "tid " + tid, Wanted: want})
	}
	return nil
}

// hinted adds what is known of the platform to a subject without a binding.
func (e *exam) hinted(err error) error {
	var f *Fault
	if !errors.As(err, &f) || f.Name != FaultNoBinding || len(f.Checks) == 0 {
		return err
	}
	if hint := e.issuer.Spec.SubjectHint(e.identity.Subject); hint != "" {
		f.Wanted = cut(f.Wanted + "; " + hint)
		f.Checks[len(f.Checks)-1].Wanted = f.Wanted
	}
	return err
}

// tokenType checks the token type URI against the issuer's tokenTypes and the
// token's own typ, so that a token made for one purpose cannot serve another
// (RFC 8725, Section 3.11).
func (e *exam) tokenType(uri string) error {
	spec := e.issuer.Spec
	kind := "jwt"
	switch {
	case e.position == asAssertion:
		if !isTyp(e.token.Typ, "jwt") && !isTyp(e.token.Typ, "client-authentication+jwt") {
			return e.wrongTyp("JWT or client-authentication+jwt")
		}
		return nil // tokenTypes speaks of subject tokens
	case uri == jwtType && isTyp(e.token.Typ, "at+jwt") && e.token.Typ != "":
		kind = "access_token" // RFC 9068, Section 2.1
	case uri == jwtType && isTyp(e.token.Typ, "jwt"):
	case uri == idTokenType && isTyp(e.token.Typ, "jwt"):
		kind = "id_token"
	case uri == jwtType || uri == idTokenType:
		return e.wrongTyp("JWT")
	default: // RFC 8693, Section 3: an access_token is one of ours
		return e.fail(CheckType, FaultType, uri, jwtType)
	}
	accepted := spec.TokenTypes
	if len(accepted) == 0 {
		accepted = []string{"jwt"}
	}
	if !slices.Contains(accepted, kind) {
		return e.fail(CheckType, FaultType, kind, list(accepted))
	}
	e.idToken = kind == "id_token"
	if e.idToken && e.identity.Tokens != registry.UserTokens {
		return e.fail(CheckType, FaultType, kind, "jwt")
	}
	return nil
}

// user verifies a user's token.
func (e *exam) user(ctx context.Context) error {
	if err := e.signature(ctx); err != nil {
		return err
	}
	if err := e.userAudience(); err != nil {
		return err
	}
	if err := e.authorizedParty(); err != nil {
		return err
	}
	if err := e.times(maxAge(e.issuer.Spec), e.idToken); err != nil { // OpenID Connect Core 1.0, Section 2: iat is required
		return err
	}
	if err := e.subject(); err != nil {
		return err
	}
	if n := len(e.identity.Subject); n > maxCarried { // OpenID Connect Core 1.0, Section 2
		return e.fail(CheckClaims, FaultSubject, fmt.Sprintf("%d bytes", n), fmt.Sprintf("sub: at most %d bytes", maxCarried))
	}
	if err := e.shape(); err != nil {
		return err
	}
	if err := e.session(); err != nil {
		return err
	}
	if err := e.nonce(); err != nil {
		return err
	}
	e.pass(CheckClaims, e.identity.Subject, "")
	return e.enforced()
}

// authorizedParty checks the client that the token was issued to, `azp`, or
// `client_id` of an access token (RFC 9068, Section 2.2) that has no azp.
//
// Of an ID token it must be one of ours, which matters when it names several
// audiences (OpenID Connect Core 1.0, Section 3.1.3.7, rules 4 and 5). With a
// list, of any token it must be there and on the list: the audience says whom
// a token is for, and many clients can ask for one for us.
func (e *exam) authorizedParty() error {
	azp, ok, err := e.claims.String("azp")
	if err != nil {
		return e.refused(CheckAudience, err)
	}
	if e.idToken && ok && !slices.Contains(e.accepted(), azp) {
		return e.failed(CheckAudience, &Fault{Name: FaultAudience, Field: "azp", Shown: "azp " + azp, Wanted: list(e.accepted())})
	}
	allowed := e.issuer.Spec.AuthorizedParties
	if len(allowed) == 0 {
		return nil
	}
	field := "azp"
	if !ok {
		if azp, ok, err = e.claims.String("client_id"); err != nil {
			return e.refused(CheckAudience, err)
		}
		if ok {
			field = "client_id"
		}
	}
	if !slices.Contains(allowed, azp) {
		return e.failed(CheckAudience, &Fault{Name: FaultAuthorizedParty, Field: field, Shown: field + " " + azp, Wanted: list(allowed)})
	}
	return nil
}

// nonce checks that of an ID token for its type. Its value means nothing here:
// it ties a token to the login of the client that asked for it (OpenID Connect
// Core 1.0, Section 3.1.3.7, rule 11), and that was not us.
func (e *exam) nonce() error {
	if !e.idToken {
		return nil
	}
	if _, _, err := e.claims.String("nonce"); err != nil {
		return e.refused(CheckClaims, err)
	}
	return nil
}
