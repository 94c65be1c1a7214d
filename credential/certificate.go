package credential

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jwks/spiffe"
	"github.com/tokenry/tokenry/registry"
)

// Certificate is a verified client certificate: that the client has its key was
// shown to whoever ended TLS (RFC 8705, Section 2).
type Certificate struct {
	Identity
	Method CertificateMethod
}

// CertificateMethod is the way in which a certificate was verified.
type CertificateMethod string

// Ways to verify a certificate.
const (
	SPIFFEX509    CertificateMethod = "spiffe_x509"     // draft-ietf-oauth-spiffe-client-auth-02
	PKICert       CertificateMethod = "tls"             // RFC 8705, Section 2.1
	SelfSignedTLS CertificateMethod = "self_signed_tls" // RFC 8705, Section 2.2
)

// Certificate verifies the certificate of a client that authenticates by mutual
// TLS. chain is DER, the leaf first; clientID says who the client claims to be:
// the name of an agent, or a SPIFFE ID. The error is always a *Fault.
//
// A leaf that has a SPIFFE ID is an X.509-SVID whatever clientID says, so that
// no other authority than its trust domain's can speak for it. That the
// identity is the one that clientID names is for the caller to check.
func (v *Verifier) Certificate(ctx context.Context, chain [][]byte, clientID string) (*Certificate, error) {
	e := v.open(asCertificate)
	agent := e.model.Agent(registry.AgentName(clientID))
	words := svidWords
	if agent != nil && agent.Spec.TLS != nil {
		words = certWords
	}
	if err := e.bounds(chain, words); err != nil {
		return nil, err
	}
	uris, names, err := subjectURIs(chain[0])
	if err != nil {
		return nil, e.failed(CheckForm, &Fault{Name: FaultCertMalformed, Wanted: "an X.509 certificate", Err: err})
	}
	if names > spiffe.MaxNames {
		return nil, e.fail(CheckForm, words.chain, fmt.Sprintf("%d subject alternative names", names), fmt.Sprintf("at most %d", spiffe.MaxNames))
	}
	e.pass(CheckForm, GoodCertificate, "")
	switch {
	case claimsSPIFFE(clientID) || slices.ContainsFunc(uris, claimsSPIFFE):
		return e.x509SVID(ctx, chain, uris)
	case agent == nil:
		return nil, e.fail(CheckIssuer, FaultUnknown, visible(clientID), "an agent, or a certificate with a SPIFFE ID")
	case agent.Spec.TLS == nil:
		return nil, e.fail(CheckIssuer, FaultCertNotRegistered, clientID, "an agent with tls, or a certificate with a SPIFFE ID")
	}
	return e.registered(chain, uris, agent)
}

// IsSVID reports whether the leaf of chain claims a SPIFFE ID. Nothing of it has
// been verified.
func IsSVID(chain [][]byte) bool {
	if len(chain) == 0 || len(chain[0]) > spiffe.MaxCertificate {
		return false
	}
	uris, _, err := subjectURIs(chain[0])
	return err == nil && slices.ContainsFunc(uris, claimsSPIFFE)
}

// words are the names of the faults that both kinds of certificate can have.
type words struct{ chain, key, time, constraints string }

var (
	svidWords = words{FaultSVIDChain, FaultSVIDKey, FaultSVIDTime, FaultSVIDConstraints}
	certWords = words{FaultCertChain, FaultCertKey, FaultCertTime, FaultCertConstraints}
)

// bounds refuses chains that are too long or too large before they are parsed.
func (e *exam) bounds(chain [][]byte, w words) error {
	if len(chain) == 0 {
		return e.fail(CheckForm, FaultCertMalformed, "no certificate", "a certificate")
	}
	if n := len(chain) - 1; n > spiffe.MaxIntermediates {
		return e.fail(CheckForm, w.chain, fmt.Sprintf("%d intermediates", n), fmt.Sprintf("at most %d", spiffe.MaxIntermediates))
	}
	for _, der := range chain {
		if len(der) > spiffe.MaxCertificate {
			return e.fail(CheckForm, w.chain, fmt.Sprintf("a certificate of %d bytes", len(der)), fmt.Sprintf("at most %d", spiffe.MaxCertificate))
		}
	}
	return nil
}

// parse reads the chain, and refuses keys that are weak or costly to verify
// with: CVE-2023-29409 was an RSA key of 16384 bits in a client's certificate.
func (e *exam) parse(chain [][]byte, w words) (leaf *x509.Certificate, more *x509.CertPool, err error) {
	more = x509.NewCertPool()
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		switch {
		case err != nil && i == 0:
			return nil, nil, e.failed(CheckLeaf, &Fault{Name: FaultCertMalformed, Wanted: "an X.509 certificate", Err: err})
		case err != nil:
			return nil, nil, e.failed(CheckLeaf, &Fault{Name: w.chain, Shown: fmt.Sprintf("certificate %d cannot be read", i+1), Wanted: "X.509 certificates", Err: err})
		}
		if flaw := (jose.Key{Public: c.PublicKey}).Flaw(); flaw != "" {
			return nil, nil, e.fail(CheckLeaf, w.key, fmt.Sprintf("certificate %d: %s, %s", i+1, keyKind(c.PublicKey), flaw), goodKeys)
		}
		if n := spiffe.Constraints(c); n > spiffe.MaxNames {
			return nil, nil, e.fail(CheckLeaf, w.chain, fmt.Sprintf("certificate %d: %d name constraints", i+1, n), fmt.Sprintf("at most %d", spiffe.MaxNames))
		}
		if i == 0 {
			leaf = c
		} else {
			more.AddCert(c)
		}
	}
	sum := sha256.Sum256(leaf.Raw)
	e.identity.KeyID = base64.RawURLEncoding.EncodeToString(sum[:]) // as x5t#S256: RFC 8705, Section 3.1
	e.identity.Alg = leaf.PublicKeyAlgorithm.String()
	return leaf, more, nil
}

// validNow checks the leaf's own times. As with tokens, skew is granted at the
// beginning and never at the end. It returns the instant to verify the chain at.
func (e *exam) validNow(leaf *x509.Certificate, w words) (time.Time, error) {
	latest := e.now.Add(e.config.Skew)
	switch {
	case leaf.NotBefore.After(latest):
		return time.Time{}, e.fail(CheckTimes, w.time, stamp("notBefore", leaf.NotBefore), stamp("at most", latest))
	case e.now.After(leaf.NotAfter): // which is the last instant of its life: RFC 5280, Section 4.1.2.5
		return time.Time{}, e.fail(CheckTimes, w.time, stamp("notAfter", leaf.NotAfter), stamp("now", e.now))
	}
	e.identity.Expires = leaf.NotAfter
	e.pass(CheckTimes, stamp("notAfter", leaf.NotAfter), stamp("now", e.now))
	if leaf.NotBefore.After(e.now) {
		return leaf.NotBefore, nil
	}
	return e.now, nil
}

// certified closes an exam that passed.
func (e *exam) certified(m CertificateMethod) *Certificate {
	return &Certificate{Identity: *e.done(), Method: m}
}
