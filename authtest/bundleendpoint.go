package authtest

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// BundleEndpoint serves a trust domain's bundle over TLS: SPIFFE Federation,
// Section 5.
type BundleEndpoint struct {
	URL    string
	CAFile string // of profile https_web: what its certificate is verified with

	domain *SPIFFE
	mu     sync.Mutex
	svid   func() *ClientCert // of profile https_spiffe
	asked  int
}

// WebEndpoint serves the bundle with a certificate of the web: https_web.
func (s *SPIFFE) WebEndpoint(t testing.TB) *BundleEndpoint {
	t.Helper()
	e := &BundleEndpoint{domain: s}
	server := e.start(t, nil)
	e.CAFile = writeFile(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return e
}

// SPIFFEEndpoint serves the bundle with an X.509-SVID of path in the trust
// domain by, which may be s itself: https_spiffe.
func (s *SPIFFE) SPIFFEEndpoint(t testing.TB, by *SPIFFE, path string) *BundleEndpoint {
	t.Helper()
	e := &BundleEndpoint{domain: s}
	e.Show(func() *ClientCert { return by.X509SVID(t, path) })
	// Not GetCertificate, which is not asked by clients that name no host.
	e.start(t, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		e.mu.Lock()
		svid := e.svid
		e.mu.Unlock()
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{svid().TLS()}}, nil
	}})
	return e
}

// Show has the endpoint show what svid returns from now on.
func (e *BundleEndpoint) Show(svid func() *ClientCert) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.svid = svid
}

// Fetches is how often the bundle was fetched.
func (e *BundleEndpoint) Fetches() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

func (e *BundleEndpoint) start(t testing.TB, config *tls.Config) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bundle", func(w http.ResponseWriter, _ *http.Request) {
		e.mu.Lock()
		e.asked++
		e.mu.Unlock()
		writeJSON(w, e.domain.Bundle())
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not like what they are shown
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	e.URL = server.URL + "/bundle"
	return server
}

// CAFile writes the authorities of X.509-SVIDs as they are now.
func (s *SPIFFE) CAFile(t testing.TB) string {
	t.Helper()
	var text []byte
	for _, c := range s.Authorities() {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return writeFile(t, "ca.pem", text)
}

// BundleFile writes the bundle as it is now.
func (s *SPIFFE) BundleFile(t testing.TB) string {
	t.Helper()
	raw, err := json.Marshal(s.Bundle())
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "bundle.json", raw)
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
