package credential

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jwks/spiffe"
	"github.com/tokenry/tokenry/registry"
)

// x509SVID verifies an X.509-SVID. uris are those of its leaf.
func (e *exam) x509SVID(ctx context.Context, chain [][]byte, uris []string) (*Certificate, error) {
	if err := e.routeCertificate(uris); err != nil {
		return nil, err
	}
	leaf, more, err := e.parse(chain, svidWords)
	if err != nil {
		return nil, err
	}
	if err := spiffe.CheckLeaf(leaf); err != nil {
		return nil, e.fail(CheckLeaf, FaultSVIDConstraints, err.Error(), "a leaf with digitalSignature, which signs nothing else")
	}
	e.pass(CheckLeaf, "a leaf for authentication", "")
	at, err := e.validNow(leaf, svidWords)
	if err != nil {
		return nil, err
	}
	set, err := e.sources.set(e.rules, e.issuer)
	if err != nil {
		return nil, e.refused(CheckChain, err)
	}
	authorities, err := set.Authorities(ctx)
	if err != nil {
		return nil, e.refused(CheckChain, err)
	}
	// Never nil: then the roots of the system would do (X509-SVID, Section 5.1;
	// SP-07). Nothing is fetched either: not for AIA, CRLs or OCSP.
	roots := x509.NewCertPool()
	for _, a := range authorities {
		roots.AddCert(a)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: more, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // CheckLeaf has looked at them
	})
	if err != nil {
		return nil, e.badChain(chain, err)
	}
	e.pass(CheckChain, e.identity.Alg, "an authority of "+e.identity.IssuerURL)
	e.claims = jose.Object{"sub": e.identity.Subject}
	e.identity.Claims = map[string]any{"sub": e.identity.Subject}
	e.identity.Audience = e.config.Issuer // whom it connected to; a binding to another audience is not for this
	if err := e.match(); err != nil {
		return nil, err
	}
	return e.certified(SPIFFEX509), nil
}

// routeCertificate finds the issuer of an X.509-SVID by the trust domain in its
// one URI (X509-SVID, Section 2), and by nothing else.
func (e *exam) routeCertificate(uris []string) error {
	if len(uris) != 1 {
		return e.fail(CheckIssuer, FaultSVIDURICount, fmt.Sprintf("%d URIs", len(uris)), "one URI among the subject alternative names")
	}
	id, err := parseSPIFFEID(uris[0])
	if err != nil {
		return e.failed(CheckIssuer, &Fault{Name: FaultSVIDURI, Shown: visible(uris[0]), Wanted: "spiffe://<trust domain>/<path>", Err: err})
	}
	domain := id.TrustDomain()
	issuer := e.rules.IssuerByTrustDomain(domain.Name())
	if issuer == nil {
		return e.fail(CheckIssuer, FaultSVIDTrustDomain, domain.Name(), "a trusted trust domain")
	}
	e.identity.Subject, e.identity.SPIFFEID = uris[0], uris[0]
	return e.believe(issuer, domain.IDString())
}

// badChain ends the exam of an SVID that no authority of its trust domain has
// signed. An operator who mixed two domains up is told so.
func (e *exam) badChain(chain [][]byte, err error) error {
	if domain := e.otherDomain(chain); domain != "" {
		return e.failed(CheckChain, &Fault{Name: FaultSVIDTrustDomain, Shown: "an authority of " + domain, Wanted: "an authority of " + e.identity.IssuerURL, Err: err})
	}
	return e.failed(CheckChain, &Fault{Name: FaultSVIDChain, Shown: visible(strings.TrimPrefix(err.Error(), "x509: ")), Wanted: "an authority of " + e.identity.IssuerURL, Err: err})
}

// otherDomain returns another trust domain whose authority signed something in the
// chain; "" when none is found among the bundles at hand. It waits for no fetch
// and makes few signature checks: it only finds a better word for a refusal.
func (e *exam) otherDomain(chain [][]byte) string {
	var signed []*x509.Certificate
	for _, der := range chain {
		if c, err := x509.ParseCertificate(der); err == nil {
			signed = append(signed, c)
		}
	}
	left := 16 // signature checks
	for _, issuer := range e.rules.Issuers() {
		if issuer == e.issuer || issuer.Spec.Type != registry.SPIFFE || !issuer.Admits() {
			continue
		}
		set, err := e.sources.set(e.rules, issuer)
		if err != nil {
			continue
		}
		for _, a := range set.HeldAuthorities() {
			for _, c := range signed {
				if !bytes.Equal(c.RawIssuer, a.RawSubject) {
					continue
				}
				if left--; left < 0 {
					return ""
				}
				if c.CheckSignatureFrom(a) == nil {
					return "spiffe://" + issuer.Spec.TrustDomain
				}
			}
		}
	}
	return ""
}
