package clientcert

import (
	"encoding/base64"
	"strings"
)

// readRFC9440 reads Client-Cert, a byte sequence, and Client-Cert-Chain, a list
// of them without the leaf: RFC 9440, Sections 2.2 and 2.3. A chain without a
// leaf is nobody's.
func readRFC9440(leaf, chain string) ([][]byte, error) {
	if strings.Contains(leaf, ",") {
		return nil, ErrAmbiguous
	}
	der, err := byteSequence(leaf)
	if err != nil {
		return nil, err
	}
	certificates := [][]byte{der}
	if chain == "" {
		return certificates, nil
	}
	for item := range strings.SplitSeq(chain, ",") {
		if len(certificates) == maxCertificates {
			return nil, ErrMalformed
		}
		der, err := byteSequence(strings.Trim(item, " \t"))
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, der)
	}
	return certificates, nil
}

// byteSequence reads base64 between colons: RFC 8941, Section 3.3.5. Padding is
// required, as Section 4.1.8 has senders write it, although Section 4.2.7 would
// forgive; parameters mean nothing here and are refused.
func byteSequence(text string) ([]byte, error) {
	inner, opened := strings.CutPrefix(text, ":")
	inner, closed := strings.CutSuffix(inner, ":")
	if !opened || !closed || inner == "" || strings.ContainsAny(inner, "\r\n") {
		return nil, ErrMalformed
	}
	der, err := base64.StdEncoding.Strict().DecodeString(inner)
	if err != nil {
		return nil, ErrMalformed
	}
	return der, nil
}
