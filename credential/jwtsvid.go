package credential

import (
	"context"
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/tokenry/tokenry/jose"
)

// routeSVID finds the issuer of a JWT-SVID by the trust domain in its `sub`
// and by nothing else; `iss` is optional and means nothing (JWT-SVID, Section
// 3). Yet an `iss` that we trust for other tokens shows that an OpenID
// provider is posing as a trust domain.
func (e *exam) routeSVID(iss, sub string) error {
	if iss == e.config.Issuer {
		return e.fail(CheckIssuer, FaultType, iss, "a token of another issuer")
	}
	if iss != "" {
		if issuer := e.rules.IssuerByURL(iss); issuer != nil {
			e.issuer = issuer
			return e.fail(CheckIssuer, FaultNoBinding, sub, "a SPIFFE ID only from its trust domain")
		}
	}
	id, err := parseSPIFFEID(sub)
	if err != nil {
		return e.failed(CheckIssuer, &Fault{Name: FaultSPIFFEID, Shown: sub, Wanted: "spiffe://<trust domain>/<path>", Err: err})
	}
	domain := id.TrustDomain()
	issuer := e.rules.IssuerByTrustDomain(domain.Name())
	if issuer == nil {
		return e.fail(CheckIssuer, FaultIssuerUnknown, domain.Name(), "a trusted trust domain")
	}
	e.identity.SPIFFEID = sub
	return e.believe(issuer, domain.IDString())
}

// parseSPIFFEID reads a SPIFFE ID of a workload. The library leaves out what
// SPIFFE-ID, Section 2 also asks for: the lengths, and a path, without which
// the id is that of the trust domain itself.
func parseSPIFFEID(s string) (spiffeid.ID, error) {
	const (
		longest       = 2048
		longestDomain = 255
	)
	if len(s) > longest {
		return spiffeid.ID{}, errors.New("the SPIFFE ID is longer than 2048 bytes")
	}
	id, err := spiffeid.FromString(s)
	if err != nil {
		return spiffeid.ID{}, err
	}
	if len(id.TrustDomain().Name()) > longestDomain {
		return spiffeid.ID{}, errors.New("the trust domain is longer than 255 bytes")
	}
	if id.Path() == "" {
		return spiffeid.ID{}, errors.New("the SPIFFE ID has no path")
	}
	return id, nil
}

// svid verifies a JWT-SVID.
func (e *exam) svid(ctx context.Context, typ string) error {
	if e.position == asSubject && typ != jwtType {
		return e.fail(CheckType, FaultType, typ, jwtType)
	}
	switch e.token.Typ { // JWT-SVID, Section 2.3: these, as they are written
	case "", "JWT", "JOSE":
	default:
		return e.wrongTyp("JWT or JOSE")
	}
	e.pass(CheckType, e.token.Typ, "")
	// JWT-SVID, Section 2.1: an operator cannot add others.
	switch e.token.Alg {
	case "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512":
	default:
		return e.fail(CheckSignature, string(jose.FaultAlgNotAllowed), e.token.Alg, "RS, ES or PS with 256, 384 or 512")
	}
	return e.workload(ctx)
}
