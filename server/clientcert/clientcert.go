// Package clientcert is the strict door for client certificates that a proxy
// forwards in a header: RFC 9440, Envoy's X-Forwarded-Client-Cert and nginx'
// escaped PEM. It gives DER, the leaf first, and believes nothing else that a
// header says. Whom a header is taken from is decided in package server, what a
// certificate is worth in package credential.
package clientcert

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Format is the way in which a proxy forwards certificates.
type Format string

// Formats. Only one of them is read: a proxy that sets one header leaves the
// others to its clients.
const (
	None    Format = ""
	XFCC    Format = "xfcc"    // X-Forwarded-Client-Cert
	RFC9440 Format = "rfc9440" // Client-Cert and Client-Cert-Chain
	Nginx   Format = "nginx"   // X-SSL-Client-Cert: $ssl_client_escaped_cert
)

var (
	// ErrAmbiguous says that a header occurs twice, or holds more than one
	// client's certificate.
	ErrAmbiguous = errors.New("more than one client certificate")
	// ErrMalformed says that a header cannot be read, or contradicts itself.
	ErrMalformed = errors.New("the client certificate's header is malformed")
)

const (
	maxHeader       = 64 << 10 // bytes
	maxCertificates = 32       // far above what package credential takes
)

// Names are the headers of the format, the one with the leaf first.
func (f Format) Names() []string {
	switch f {
	case XFCC:
		return []string{"X-Forwarded-Client-Cert"}
	case RFC9440:
		return []string{"Client-Cert", "Client-Cert-Chain"}
	case Nginx:
		return []string{"X-Ssl-Client-Cert"} // as net/http spells it
	}
	return nil
}

// Read returns the certificates that the headers of the format hold, as DER,
// the leaf first; nil when there is no such header. The error is ErrAmbiguous
// or ErrMalformed.
func (f Format) Read(h http.Header) ([][]byte, error) {
	names := f.Names()
	present := false
	for _, name := range names {
		values := h.Values(name)
		if len(values) > 1 {
			return nil, ErrAmbiguous
		}
		present = present || len(values) == 1
		if len(values) == 1 && (values[0] == "" || len(values[0]) > maxHeader) {
			return nil, ErrMalformed
		}
	}
	if !present {
		return nil, nil
	}
	value := h.Get(names[0])
	switch f {
	case XFCC:
		return readXFCC(value)
	case RFC9440:
		return readRFC9440(value, h.Get(names[1]))
	}
	chain, err := escapedPEM(value)
	if err == nil && len(chain) != 1 {
		return nil, ErrAmbiguous // nginx forwards the leaf alone
	}
	return chain, err
}

// escapedPEM reads one or more certificates in PEM, percent-encoded. A plus is
// a plus: it occurs in base64, and no proxy writes a space that way.
func escapedPEM(text string) ([][]byte, error) {
	text, err := url.PathUnescape(text)
	if err != nil {
		return nil, ErrMalformed
	}
	var chain [][]byte
	rest := []byte(text)
	for len(rest) > 0 {
		// pem.Decode passes over what stands before a block; there must be nothing.
		if !strings.HasPrefix(string(rest), "-----BEGIN CERTIFICATE-----") || len(chain) == maxCertificates {
			return nil, ErrMalformed
		}
		before := len(rest)
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || len(block.Bytes) == 0 {
			return nil, ErrMalformed
		}
		// A broken first block makes it find the second; it has then eaten both.
		if strings.Count(text[len(text)-before:len(text)-len(rest)], "-----BEGIN") != 1 {
			return nil, ErrMalformed
		}
		chain = append(chain, block.Bytes)
	}
	if len(chain) == 0 {
		return nil, ErrMalformed
	}
	return chain, nil
}
