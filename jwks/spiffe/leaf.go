package spiffe

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"github.com/tokenry/tokenry/jose"
)

// Bounds of a chain of certificates, of clients and of servers. They stand before
// everything that costs more than reading: verifying can take a time that grows
// with their product.
const (
	MaxIntermediates = 8
	MaxCertificate   = 16 << 10 // bytes of DER
	MaxNames         = 100      // subject alternative names, and name constraints, of one certificate
)

// CheckLeaf checks that the leaf of an X.509-SVID is one to authenticate with, as
// client or as server: X509-SVID, Sections 4 and 5.2. The error says what it is
// or has. Its SPIFFE ID is for the caller to read, its chain to verify.
func CheckLeaf(leaf *x509.Certificate) error {
	has := func(u x509.ExtKeyUsage) bool { return slices.Contains(leaf.ExtKeyUsage, u) }
	extended := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	switch {
	case leaf.IsCA: // Section 4.1
		return errors.New("a certificate authority")
	case !criticalUsage(leaf): // Section 4.3, as the next two
		return errors.New("no critical key usage")
	case leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return errors.New("key usage keyCertSign or cRLSign")
	case leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("no key usage digitalSignature")
	case extended && (!has(x509.ExtKeyUsageServerAuth) || !has(x509.ExtKeyUsageClientAuth)): // Section 4.4
		return errors.New("extended key usage without both serverAuth and clientAuth")
	}
	return nil
}

// criticalUsage reports whether the key usage extension is there and critical.
func criticalUsage(c *x509.Certificate) bool {
	keyUsage := asn1.ObjectIdentifier{2, 5, 29, 15} // RFC 5280, Section 4.2.1.3
	for _, x := range c.Extensions {
		if x.Id.Equal(keyUsage) {
			return x.Critical
		}
	}
	return false
}

// Constraints counts the name constraints of a certificate: each is compared
// with each name of those below it.
func Constraints(c *x509.Certificate) int {
	return len(c.PermittedDNSDomains) + len(c.ExcludedDNSDomains) + len(c.PermittedIPRanges) + len(c.ExcludedIPRanges) +
		len(c.PermittedEmailAddresses) + len(c.ExcludedEmailAddresses) + len(c.PermittedURIDomains) + len(c.ExcludedURIDomains)
}

// checkChain holds a server's chain to the bounds that package credential holds
// those of clients to, where each has a fault of its own.
func checkChain(chain []*x509.Certificate) error {
	if n := len(chain) - 1; n > MaxIntermediates {
		return fmt.Errorf("there are %d intermediates, more than %d", n, MaxIntermediates)
	}
	leaf := chain[0]
	if n := len(leaf.DNSNames) + len(leaf.EmailAddresses) + len(leaf.IPAddresses) + len(leaf.URIs); n > MaxNames {
		return fmt.Errorf("it has %d names, more than %d", n, MaxNames)
	}
	for i, c := range chain {
		if len(c.Raw) > MaxCertificate {
			return fmt.Errorf("certificate %d is larger than %d bytes", i+1, MaxCertificate)
		}
		if n := Constraints(c); n > MaxNames {
			return fmt.Errorf("certificate %d has %d name constraints, more than %d", i+1, n, MaxNames)
		}
		if flaw := (jose.Key{Public: c.PublicKey}).Flaw(); flaw != "" {
			return fmt.Errorf("the key of certificate %d: %w", i+1, &jose.Error{Fault: flaw})
		}
	}
	return nil
}
