package credential

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// outline is a certificate as far as its extensions: RFC 5280, Section 4.1.
type outline struct {
	TBS struct {
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     *big.Int
		Signature  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		IssuerID   asn1.BitString   `asn1:"optional,tag:1"`
		SubjectID  asn1.BitString   `asn1:"optional,tag:2"`
		Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
	}
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

const tagURI = 6 // of GeneralName: RFC 5280, Section 4.2.1.6

// subjectURIs returns the URIs among the subject alternative names of a
// certificate, byte for byte, and how many names there are of any kind.
//
// Package x509 gives them as parsed URLs, which is another text: escapes and
// the case of the scheme are lost, and a certificate with a control character
// there cannot be read at all, though why should be told.
func subjectURIs(der []byte) (uris []string, names int, err error) {
	var c outline
	if rest, err := asn1.Unmarshal(der, &c); err != nil {
		return nil, 0, err
	} else if len(rest) > 0 {
		return nil, 0, errors.New("bytes behind the certificate")
	}
	seen := false
	for _, x := range c.TBS.Extensions {
		if !x.Id.Equal(oidSubjectAltName) {
			continue
		}
		if seen { // RFC 5280, Section 4.2: not more than one of a kind
			return nil, 0, errors.New("two lists of subject alternative names")
		}
		seen = true
		var list []asn1.RawValue
		if rest, err := asn1.Unmarshal(x.Value, &list); err != nil {
			return nil, 0, err
		} else if len(rest) > 0 {
			return nil, 0, errors.New("bytes behind the subject alternative names")
		}
		names = len(list)
		for _, name := range list {
			if name.Class == asn1.ClassContextSpecific && name.Tag == tagURI {
				uris = append(uris, string(name.Bytes))
			}
		}
	}
	return uris, names, nil
}

// CertificateURIs returns the URIs among the subject alternative names of a DER
// certificate, byte for byte. Nothing of the certificate has been verified.
func CertificateURIs(der []byte) ([]string, error) {
	uris, _, err := subjectURIs(der)
	return uris, err
}

const goodKeys = "RSA of 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"

// keyKind names a key for whoever must replace it. Whether it is any good is for
// package jose to say.
func keyKind(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA of %d bits", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	}
	return "another kind of key"
}

// visible returns s if people can read it, else s in quotes with escapes: what
// stands in a certificate is any bytes, and the trail cannot keep a NUL.
func visible(s string) string {
	s = cut(s)
	if strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}
