package outbound_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/outbound"
)

// A server that is verified specially is verified in no other way: neither its
// name nor its issuer count.
func TestVerifyServer(t *testing.T) { // SB-05
	t.Parallel()
	certificate := certificate(t, "other.example", time.Hour)
	s := httptest.NewUnstartedServer(text("{}"))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.StartTLS()
	t.Cleanup(s.Close)
	client := newClient(t, outbound.Config{AllowNetworks: nets(t, "127.0.0.1/32"), AllowHTTP: true})
	var shown []*x509.Certificate
	request := outbound.Request{URL: s.URL, VerifyServer: func(chain []*x509.Certificate) error {
		shown = chain
		return nil
	}}
	if _, err := client.Get(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if len(shown) != 1 || shown[0].DNSNames[0] != "other.example" {
		t.Errorf("it was shown %v", shown)
	}

	wrong := errors.New("not one of ours")
	request.VerifyServer = func([]*x509.Certificate) error { return wrong }
	if _, err := client.Get(t.Context(), request); !errors.Is(err, wrong) || !strings.Contains(err.Error(), "fetching from 127.0.0.1") {
		t.Errorf("error = %v, want the one of VerifyServer", err)
	}

	// It is asked for nothing where there is no certificate, or other roots.
	asked := false
	request.VerifyServer = func([]*x509.Certificate) error {
		asked = true
		return nil
	}
	plain := serve(t, "127.0.0.1", false, text("{}"))
	for name, r := range map[string]outbound.Request{
		"http":      {URL: plain.URL, VerifyServer: request.VerifyServer},
		"a CA file": {URL: s.URL, CAFile: writeFile(t, []byte("x")), VerifyServer: request.VerifyServer},
		// The guard on addresses stays.
		"a private address": {URL: "https://127.0.0.2:1/", VerifyServer: request.VerifyServer},
	} {
		if _, err := client.Get(t.Context(), r); !errors.Is(err, outbound.ErrBlocked) || asked {
			t.Errorf("%s: asked %v, error %v, want ErrBlocked", name, asked, err)
		}
	}
	if n := plain.connections.Load(); n != 0 {
		t.Errorf("%d connections to a server without a certificate", n)
	}
}
