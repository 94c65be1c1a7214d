// Package spiffe holds the sources of keys that only trust domains have: bundle
// endpoints that prove who they are by an X.509-SVID, and the SPIFFE Workload
// API. What an X.509-SVID must look like, whoever shows it, is here too.
//
// It is apart from package jwks so that who needs no more than JWK sets does not
// carry gRPC. How old keys may grow is decided there, what a bundle looks like
// too.
package spiffe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/tokenry/tokenry/outbound"
)

// Endpoint is a bundle endpoint of profile https_spiffe: SPIFFE Federation,
// Section 5.2.2.
type Endpoint struct {
	ID spiffeid.ID // of its X.509-SVID

	// Authorities returns those of the trust domain of ID, when that is not the
	// one whose bundle is fetched. nil = it is: then the authorities of the last
	// good bundle count, and CAFile where there are none or they do not fit.
	Authorities func(context.Context) ([]*x509.Certificate, error)
	CAFile      string // PEM; needed without Authorities, for the first fetch

	Now func() time.Time // nil = time.Now
}

// Verify is the jwks.Endpoint of e. Roots of the system never count.
func (e Endpoint) Verify(ctx context.Context, own []*x509.Certificate) (func([]*x509.Certificate) error, error) {
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Authorities == nil {
		return func(chain []*x509.Certificate) error {
			if e.check(chain, own) == nil {
				return nil
			}
			// Read last and anew: whoever rotated all authorities while we were away
			// needs it, nobody else does.
			roots, err := outbound.ReadCAFile(e.CAFile)
			if err != nil {
				return err
			}
			return e.check(chain, roots)
		}, nil
	}
	roots, err := e.Authorities(ctx)
	if err != nil {
		return nil, fmt.Errorf("the authorities of trust domain %s: %w", e.ID.TrustDomain(), err)
	}
	return func(chain []*x509.Certificate) error { return e.check(chain, roots) }, nil
}

// check verifies that chain is an X.509-SVID of e.ID, from one of roots. The
// error says what was wanted and nothing that the server sent.
func (e Endpoint) check(chain, roots []*x509.Certificate) error {
	id, err := verifySVID(chain, e.ID.TrustDomain(), roots, e.Now())
	switch {
	case err != nil:
		return fmt.Errorf("the server's certificate is not the X.509-SVID of %s: %w", e.ID, err)
	case id != e.ID:
		return fmt.Errorf("the server's certificate is not the X.509-SVID of %s: it is another's", e.ID)
	}
	return nil
}

// verifySVID verifies an X.509-SVID of a server. The library leaves out the path
// that X509-SVID, Section 3.1 asks for, and most of CheckLeaf. Its errors quote
// the certificate and are put in words of ours.
func verifySVID(chain []*x509.Certificate, domain spiffeid.TrustDomain, roots []*x509.Certificate, now time.Time) (spiffeid.ID, error) {
	if len(chain) == 0 {
		return spiffeid.ID{}, errors.New("there is none")
	}
	leaf := chain[0]
	id, err := x509svid.IDFromCert(leaf)
	switch {
	case err != nil:
		return spiffeid.ID{}, errors.New("it has not exactly one URI, a SPIFFE ID")
	case id.Path() == "":
		return spiffeid.ID{}, errors.New("it is that of a trust domain")
	case !id.MemberOf(domain):
		return spiffeid.ID{}, errors.New("it is of another trust domain")
	}
	if err := checkChain(chain); err != nil {
		return spiffeid.ID{}, err
	}
	if err := CheckLeaf(leaf); err != nil {
		return spiffeid.ID{}, fmt.Errorf("it is no leaf to authenticate with: %w", err)
	}
	bundle := x509bundle.FromX509Authorities(domain, roots)
	if _, _, err := x509svid.Verify(chain, bundle, x509svid.WithTime(now)); err != nil {
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
			return spiffeid.ID{}, errors.New("it, or what signed it, has expired or is not valid yet")
		}
		return spiffeid.ID{}, errors.New("no authority of the trust domain signed it")
	}
	return id, nil
}
