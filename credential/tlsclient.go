package credential

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// registered verifies the certificate that an agent registered in spec.tls.
func (e *exam) registered(chain [][]byte, uris []string, agent *registry.AgentEntry) (*Certificate, error) {
	e.identity.Tokens, e.identity.Subject = registry.WorkloadTokens, string(agent.Name)
	method := PKICert
	if agent.Spec.TLS.SelfSigned {
		method = SelfSignedTLS
		e.pass(CheckIssuer, "the agent itself", string(agent.Name))
	} else if e.config.Roots == nil {
		return nil, e.fail(CheckIssuer, FaultCertRoots, "no public.mtls_ca_file", "roots for client certificates")
	} else {
		e.pass(CheckIssuer, "public.mtls_ca_file", string(agent.Name))
	}
	leaf, more, err := e.parse(chain, certWords)
	if err != nil {
		return nil, err
	}
	if method == SelfSignedTLS {
		err = e.ownCertificate(leaf, agent)
	} else {
		err = e.issuedCertificate(leaf, more, uris, agent)
	}
	if err != nil {
		return nil, err
	}
	e.identity.Agent, e.identity.AgentID = agent.Name, agent.ID
	return e.certified(method), nil
}

// ownCertificate compares with the certificates in the agent's jwks, byte for
// byte. Who signed it means nothing (RFC 8705, Section 2.2), when it is valid
// does.
func (e *exam) ownCertificate(leaf *x509.Certificate, agent *registry.AgentEntry) error {
	e.pass(CheckLeaf, e.identity.Alg, "")
	if _, err := e.validNow(leaf, certWords); err != nil {
		return err
	}
	same := func(der []byte) bool { return bytes.Equal(der, leaf.Raw) }
	if !slices.ContainsFunc(slices.Collect(maps.Values(registry.Certificates(agent.Spec.JWKS))), same) {
		return e.fail(CheckBinding, FaultCertMismatch, "certificate "+e.identity.KeyID, "one in jwks of "+string(agent.Name))
	}
	e.pass(CheckBinding, "certificate "+e.identity.KeyID, string(agent.Name))
	return nil
}

// issuedCertificate verifies the chain with the roots of public.mtls_ca_file
// and compares the one name that the agent registered (RFC 8705, Section 2.1).
func (e *exam) issuedCertificate(leaf *x509.Certificate, more *x509.CertPool, uris []string, agent *registry.AgentEntry) error {
	if leaf.IsCA {
		return e.fail(CheckLeaf, FaultCertConstraints, "a certificate authority", "the certificate of a client")
	}
	e.pass(CheckLeaf, e.identity.Alg, "")
	at, err := e.validNow(leaf, certWords)
	if err != nil {
		return err
	}
	roots, err := e.config.Roots()
	if err != nil || roots == nil { // never nil in Verify: then the roots of the system would do
		return e.failed(CheckChain, &Fault{Name: FaultCertRoots, Shown: "public.mtls_ca_file cannot be read", Wanted: "roots for client certificates", Err: err})
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: more, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return e.failed(CheckChain, &Fault{Name: FaultCertChain, Shown: visible(strings.TrimPrefix(err.Error(), "x509: ")), Wanted: "a root of public.mtls_ca_file", Err: err})
	}
	e.pass(CheckChain, e.identity.Alg, "a root of public.mtls_ca_file")
	shown, wanted, same := compare(leaf, uris, agent.Spec.TLS)
	if !same {
		return e.fail(CheckBinding, FaultCertMismatch, visible(shown), wanted)
	}
	e.pass(CheckBinding, visible(wanted), string(agent.Name))
	return nil
}

// compare holds the certificate to the name that was registered: RFC 8705,
// Section 2.1.2. A wildcard in the certificate stands for nobody.
func compare(leaf *x509.Certificate, uris []string, want *registry.ClientCertificate) (shown, wanted string, same bool) {
	switch {
	case want.SubjectDN != "":
		dn := subjectDN(leaf)
		return dn, want.SubjectDN, dn != "" && dn == want.SubjectDN
	case want.SANDNS != "":
		return list(leaf.DNSNames), want.SANDNS, slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, want.SANDNS) })
	case want.SANURI != "":
		return list(uris), want.SANURI, slices.Contains(uris, want.SANURI)
	case want.SANIP != "":
		addr, err := netip.ParseAddr(want.SANIP)
		return fmt.Sprint(leaf.IPAddresses), want.SANIP, err == nil && slices.ContainsFunc(leaf.IPAddresses, func(ip net.IP) bool {
			a, ok := netip.AddrFromSlice(ip)
			return ok && a.Unmap() == addr.Unmap()
		})
	case want.SANEmail != "":
		return list(leaf.EmailAddresses), want.SANEmail, slices.Contains(leaf.EmailAddresses, want.SANEmail)
	}
	return "", "a name registered in tls", false
}

// subjectDN is the subject as RFC 4514 writes it, in the spelling of Go's
// pkix.RDNSequence. It is made from what the certificate holds, and not from
// pkix.Name, which forgets the order and what it does not know.
func subjectDN(leaf *x509.Certificate) string {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(leaf.RawSubject, &rdns); err != nil || len(rest) > 0 {
		return ""
	}
	return rdns.String()
}
