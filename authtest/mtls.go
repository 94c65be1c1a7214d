package authtest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/tokenry/tokenry/cli/config"
)

// serverCertificate writes a certificate for 127.0.0.1 into files, and what it is
// verified with.
func (s *Server) serverCertificate(t testing.TB, to *config.TLS) {
	t.Helper()
	now := &Clock{} // clients have no other
	root := NewAuthority(t, now, "authtest", nil)
	leaf := root.Leaf(t, "", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	key, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	to.CertFile = writeFile(t, "tls.crt", []byte(leaf.PEM(0, 1)))
	to.KeyFile = writeFile(t, "tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	s.CAFile = writeFile(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate.Raw}))
	s.Roots = x509.NewCertPool()
	s.Roots.AddCert(root.Certificate)
}

// ClientWith makes an HTTP client that shows cert, which may be nil, to the
// server; for one that was started with Options.MTLS.
func (s *Server) ClientWith(t testing.TB, cert *ClientCert) *http.Client {
	t.Helper()
	c := &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS13}
	if cert != nil {
		shown := cert.TLS()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	}
	transport := &http.Transport{TLSClientConfig: c}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// PostMTLS sends a form to the token endpoint of the listener that asks for
// certificates, and shows cert there, which may be nil.
func (s *Server) PostMTLS(t testing.TB, cert *ClientCert, form url.Values) *Answer {
	t.Helper()
	return s.PostBy(t, s.ClientWith(t, cert), form)
}

// PostBy is PostMTLS with a client of the caller's.
func (s *Server) PostBy(t testing.TB, client *http.Client, form url.Values) *Answer {
	t.Helper()
	return s.DoBy(t, client, tokenRequest(t, s.MTLSURL, form))
}
