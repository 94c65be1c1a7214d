package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
)

const maxCAFile = 1 << 20

// Check reports what is wrong with a URL before anything is resolved or
// connected to: ErrBlocked is inside.
func (c *Client) Check(raw string) error {
	_, err := c.target(raw)
	return err
}

// target reads the URL of a request and refuses those that are wrong whatever
// their host resolves to.
func (c *Client) target(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, blocked("it is not a URL") // the parser's error quotes it, with a password
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !c.allowHTTP):
		return nil, blocked("the scheme %q is not https", u.Scheme)
	case u.Opaque != "" || host == "":
		return nil, blocked("the URL has no host")
	case u.User != nil:
		return nil, blocked("the URL of %q has a user or password", u.Host)
	case u.Fragment != "":
		return nil, blocked("the URL of %q has a fragment", u.Host)
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }):
		// A zone id would choose one of our own interfaces; other alphabets have
		// characters that become dots and slashes when they are mapped.
		return nil, blocked("the host is not plain ASCII")
	case oddNumber(host):
		return nil, blocked("the host %q is a number and no IP address", host)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return u, c.guard.check(addr, port(u))
	}
	return u, nil
}

// port is the port that a URL leads to; 0 when it is none.
func port(u *url.URL) uint16 {
	switch {
	case u.Port() != "":
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return 0
		}
		return uint16(n)
	case u.Scheme == "http":
		return 80
	}
	return 443
}

// oddNumber reports whether host is one of the spellings of an IPv4 address
// that some resolvers accept: 127.1, 0x7f.1, 2130706433. A last label that is
// a number is never a name of the public DNS.
func oddNumber(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == ""
}

// transport is made anew for each fetch: a connection that stays open would
// outlive the check of its address and the roots it was made with.
func (c *Client) transport(r Request) (*http.Transport, error) {
	secure, err := tlsConfig(r)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Resolver: c.resolver, ControlContext: c.guard.control}
	return &http.Transport{
		Proxy:                  nil, // not from the environment: a proxy resolves names where no check is made
		DialContext:            dialer.DialContext,
		TLSClientConfig:        secure,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}, nil
}

func tlsConfig(r Request) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case r.VerifyServer != nil:
		// Not VerifyPeerCertificate, which a resumed session passes by.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if err := r.VerifyServer(state.PeerCertificates); err != nil {
				return &serverError{err}
			}
			return nil
		}
	case r.CAFile != "":
		// A pinned CA stands alone: with the public ones beside it, any of those
		// could vouch for the host.
		roots, err := ReadCAFile(r.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		for _, root := range roots {
			c.RootCAs.AddCert(root)
		}
	}
	return c, nil
}

// ReadCAFile reads the certificates of a PEM file, at least one. Nothing is
// kept, so that its owner can replace it while the server runs.
func ReadCAFile(file string) ([]*x509.Certificate, error) {
	// Opening a pipe would wait for its writer, for ever.
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the CA file %s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the CA file: %w", err)
	}
	defer f.Close()
	rest, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the CA file: %w", err)
	case len(rest) > maxCAFile:
		return nil, fmt.Errorf("the CA file %s is larger than 1 MiB", file)
	}
	var all []*x509.Certificate
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			continue
		}
		// As x509.CertPool does: what cannot be read vouches for nobody.
		if one, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the CA file %s holds no certificate", file)
	}
	return all, nil
}
