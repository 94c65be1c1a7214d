package outbound_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/outbound"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	s := serve(t, lo, true, text("{}"))
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t, "other.example", time.Hour).Certificate[0]})
	client := newClient(t, outbound.Config{AllowNetworks: nets(t, lo+"/32"), Resolver: newNames(t, lo).resolver()})
	for _, row := range []struct{ id, host, caFile, want string }{
		{"own CA", "example.com", s.caFile(t), ""}, // the name in httptest's certificate
		{"SEC-SF-19 unknown CA", "example.com", "", "unknown authority"},
		{"SEC-SF-19 another CA", "example.com", writeFile(t, other), "unknown authority"},
		{"SEC-SF-19 wrong name", "idp.test", s.caFile(t), "another name"},
		{"no such file", "example.com", "/nowhere/ca.pem", "reading the CA file"},
		{"no certificate in it", "example.com", writeFile(t, []byte("hello")), "holds no certificate"},
		{"too large", "example.com", writeFile(t, make([]byte, 1<<20+1)), "larger than 1 MiB"},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			_, err := client.Get(t.Context(), outbound.Request{URL: "https://" + row.host + ":" + s.port() + "/", CAFile: row.caFile})
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("error = %v, want %q", err, row.want)
			}
		})
	}
}

// The file is read for each fetch: its owner may replace it at any time.
func TestCAFileIsReplaced(t *testing.T) {
	t.Parallel()
	s := serve(t, lo, true, text("{}"))
	client := newClient(t, outbound.Config{AllowNetworks: nets(t, lo+"/32"), Resolver: newNames(t, lo).resolver()})
	good, err := os.ReadFile(s.caFile(t))
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t, "old.example", time.Hour).Certificate[0]}))
	request := outbound.Request{URL: "https://example.com:" + s.port() + "/", CAFile: file}
	if _, err := client.Get(t.Context(), request); err == nil {
		t.Fatal("accepted with another CA")
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), request); err != nil {
		t.Error(err)
	}
}

// The system's roots are read once in a process, so this test is another one:
// there the site's CA is a root of the system.
func TestPinnedCAStandsAlone(t *testing.T) {
	t.Parallel()
	const site, pinned = "OUTBOUND_TEST_SITE", "OUTBOUND_TEST_CA"
	if url := os.Getenv(site); url != "" {
		client := newClient(t, outbound.Config{AllowNetworks: nets(t, "127.0.0.0/8")})
		if _, err := client.Get(t.Context(), outbound.Request{URL: url}); err != nil {
			t.Errorf("with the system's roots: %v", err)
		}
		if _, err := client.Get(t.Context(), outbound.Request{URL: url, CAFile: os.Getenv(pinned)}); err == nil {
			t.Error("the system's roots vouch beside the pinned one")
		}
		return
	}
	s := serve(t, "127.0.0.1", true, text("{}")) // an address in httptest's certificate
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t, "other.example", time.Hour).Certificate[0]})
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPinnedCAStandsAlone$")
	child.Env = append(os.Environ(), "SSL_CERT_FILE="+s.caFile(t), "SSL_CERT_DIR=/nowhere", site+"="+s.URL, pinned+"="+writeFile(t, other))
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestServerCertificates(t *testing.T) { // SEC-SF-19
	t.Parallel()
	for _, row := range []struct {
		name   string
		config *tls.Config
		want   string
	}{
		{"good", &tls.Config{Certificates: []tls.Certificate{certificate(t, "idp.test", time.Hour)}}, ""},
		{"expired", &tls.Config{Certificates: []tls.Certificate{certificate(t, "idp.test", -time.Hour)}}, "expired"},
		{"TLS 1.1", &tls.Config{
			Certificates: []tls.Certificate{certificate(t, "idp.test", time.Hour)},
			MinVersion:   tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		}, "no sound TLS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(text("{}"))
			s.Config.ErrorLog = nil
			s.TLS = row.config
			s.StartTLS()
			t.Cleanup(s.Close)
			file := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: row.config.Certificates[0].Certificate[0]}))
			client := newClient(t, outbound.Config{AllowNetworks: nets(t, "127.0.0.1/32"), Resolver: newNames(t, "127.0.0.1").resolver()})
			_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
			_, err := client.Get(t.Context(), outbound.Request{URL: "https://idp.test:" + port + "/", CAFile: file})
			switch {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("error = %v, want %q", err, row.want)
			}
		})
	}
}

// No client certificate, whatever the server asks for.
func TestNoClientCertificate(t *testing.T) { // SEC-SF-23
	t.Parallel()
	sent := -1
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = len(r.TLS.PeerCertificates)
		w.Write([]byte("{}"))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	file := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	client := newClient(t, outbound.Config{AllowNetworks: nets(t, "127.0.0.0/8")})
	if _, err := client.Get(t.Context(), outbound.Request{URL: s.URL, CAFile: file}); err != nil || sent != 0 {
		t.Errorf("%d certificates, %v", sent, err)
	}
}

// certificate is signed with its own key and ends so long from now.
func certificate(t testing.TB, name string, ends time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(ends),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
