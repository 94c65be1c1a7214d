package authtest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// serverCertificate writes a certificate for 127.0.0.1 into files.
func serverCertificate(t testing.TB) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	now := &Clock{} // clients have no other
	root := NewAuthority(t, now, "authtest", nil)
	leaf := root.Leaf(t, "", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	key, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := os.WriteFile(certFile, []byte(leaf.PEM(0, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(root.Certificate)
	return certFile, keyFile, roots
}

// ClientWith makes an HTTP client that shows cert, which may be nil, to the
// server; for one that was started with Options.MTLS.
func (s *Server) ClientWith(t testing.TB, cert *ClientCert) *http.Client {
	t.Helper()
	c := &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS13}
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
