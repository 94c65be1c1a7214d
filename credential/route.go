package credential

import "strings"

// route finds the trusted issuer that the credential claims to be from. It
// fetches nothing, and an issuer is never learnt from a token.
func (e *exam) route() error {
	iss, _, err := e.claims.String("iss")
	if err != nil {
		return e.refused(CheckIssuer, err)
	}
	if sub, _ := e.claims["sub"].(string); claimsSPIFFE(sub) {
		return e.routeSVID(iss, sub)
	}
	switch iss {
	case "":
		return e.fail(CheckIssuer, FaultIssuerMissing, "", "iss")
	case e.config.Issuer:
		// Through an issuer's door our own token would lose its act and cnf.
		return e.fail(CheckIssuer, FaultType, iss, "a token of another issuer")
	}
	issuer := e.rules.IssuerByURL(iss) // compared byte for byte: RFC 3986, Section 6.2.1; RFC 7519, Section 4.1.1
	if issuer == nil {
		return e.fail(CheckIssuer, FaultIssuerUnknown, iss, "a trusted issuer")
	}
	return e.believe(issuer, iss)
}

// claimsSPIFFE reports whether sub wants to be a SPIFFE ID. Schemes have no
// case (RFC 3986, Section 3.1), so an upper-case one is not left to an OpenID
// provider either; it then fails as a SPIFFE ID.
func claimsSPIFFE(sub string) bool {
	const scheme = "spiffe:"
	return len(sub) >= len(scheme) && strings.EqualFold(sub[:len(scheme)], scheme)
}
