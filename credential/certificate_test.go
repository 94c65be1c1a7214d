package credential_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/registry"
)

// certWorld trusts td.example, whose bundle holds mesh's certificate, and
// knows agent a by its SVID, dns by a name and own by its certificate.
type certWorld struct {
	*world
	clock *authtest.Clock
	mesh  *authtest.Authority
	own   *authtest.ClientCert
}

// authority is a certificate authority as bundles show it.
func authority(a *authtest.Authority) object {
	public, _ := a.Certificate.PublicKey.(*ecdsa.PublicKey)
	point, err := public.Bytes() // 4, x, y: SEC 1, Section 2.3.3
	if err != nil {
		panic(err) // the kit made it, on P-256
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return object{
		"kty": "EC", "use": "x509-svid", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]),
		"x5c": []string{base64.StdEncoding.EncodeToString(a.Certificate.Raw)},
	}
}

func newCertWorld(t testing.TB) *certWorld {
	t.Helper()
	clock := &authtest.Clock{}
	w := &certWorld{world: newWorld(t, clock.Now()), clock: clock, mesh: authtest.NewAuthority(t, clock, "mesh", nil)}
	bundle := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(object{"keys": []object{authority(w.mesh)}})
	}))
	t.Cleanup(bundle.Close)
	w.put(registry.KindTrustedIssuer, "prod", &registry.TrustedIssuer{Type: registry.SPIFFE, TrustDomain: "td.example", Keys: registry.KeySource{BundleURL: bundle.URL}})
	w.agent("a", "researcher", exact("prod", svidSubject))
	w.own = authtest.SelfSigned(t, clock, "", nil)
	set, err := json.Marshal(object{"keys": []object{{"kty": "EC", "x5c": []string{base64.StdEncoding.EncodeToString(w.own.Chain[0])}}}})
	if err != nil {
		t.Fatal(err)
	}
	w.put(registry.KindAgent, "dns", &registry.Agent{TLS: &registry.ClientCertificate{SANDNS: "dns.example"}})
	w.put(registry.KindAgent, "own", &registry.Agent{TLS: &registry.ClientCertificate{SelfSigned: true}, JWKS: set})
	return w
}

// TestX509SVID proves the rules of a leaf, where each stands alone.
func TestX509SVID(t *testing.T) {
	t.Parallel()
	w := newCertWorld(t)
	at := w.now
	for id, r := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"good":                 {nil, ""},
		"XS-03_ca":             {func(c *x509.Certificate) { c.IsCA = true }, "svid_constraints"},
		"XS-03_certsign":       {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "svid_constraints"},
		"XS-03_crlsign":        {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }, "svid_constraints"},
		"XS-04_none":           {func(c *x509.Certificate) { c.KeyUsage = 0 }, "svid_constraints"},
		"XS-04_other":          {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, "svid_constraints"},
		"XS-05_client":         {func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }, "svid_constraints"},
		"XS-05_server":         {func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }, "svid_constraints"},
		"XS-05_none":           {func(c *x509.Certificate) { c.ExtKeyUsage = nil }, ""},
		"last_instant":         {func(c *x509.Certificate) { c.NotAfter = at.Truncate(time.Second).Add(time.Second) }, ""},
		"a_second_ago":         {func(c *x509.Certificate) { c.NotAfter = at.Add(-2 * time.Second) }, "svid_time"},
		"ahead_within_skew":    {func(c *x509.Certificate) { c.NotBefore = at.Add(20 * time.Second) }, ""},
		"ahead_beyond_skew":    {func(c *x509.Certificate) { c.NotBefore = at.Add(40 * time.Second) }, "svid_time"},
		"a_hundred_names":      {func(c *x509.Certificate) { c.DNSNames = slices.Repeat([]string{"a.example"}, 99) }, ""},
		"a_hundred_one_names":  {func(c *x509.Certificate) { c.DNSNames = slices.Repeat([]string{"a.example"}, 100) }, "svid_chain"},
		"no_names_of_any_kind": {func(c *x509.Certificate) { c.URIs = nil }, "svid_uri_count"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			c, err := w.Certificate(t.Context(), w.mesh.Leaf(t, svidSubject, r.change).Chain, svidSubject)
			if r.want != "" {
				wantFault(t, err, r.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Method != credential.SPIFFEX509 || c.Agent != "a" || c.Binding != "main" || c.Issuer != "prod" || c.IssuerURL != "spiffe://td.example" ||
				c.Subject != svidSubject || c.SPIFFEID != svidSubject || c.Alg != "ECDSA" || len(c.KeyID) != 43 || c.Expires.IsZero() || c.Claims["sub"] != svidSubject || len(c.Claims) != 1 {
				t.Errorf("certificate %+v", c)
			}
		})
	}
}

// TestCertificateBounds: what costs is refused before it costs.
func TestCertificateBounds(t *testing.T) {
	t.Parallel()
	w := newCertWorld(t)
	verify := func(chain [][]byte) error {
		_, err := w.Certificate(t.Context(), chain, svidSubject)
		return err
	}
	wantFault(t, verify(nil), "cert_malformed")
	wantFault(t, verify([][]byte{{}}), "cert_malformed")
	good := w.mesh.Leaf(t, svidSubject, nil).Chain
	wantFault(t, verify([][]byte{append(slices.Clone(good[0]), 0)}), "cert_malformed") // another spelling of it
	if err := verify(append(slices.Clone(good), slices.Repeat([][]byte{w.mesh.Certificate.Raw}, 8)...)); err != nil {
		t.Errorf("eight intermediates: %v", err)
	}
	wantFault(t, verify(append(slices.Clone(good), slices.Repeat([][]byte{w.mesh.Certificate.Raw}, 9)...)), "svid_chain")
	wantFault(t, verify(append(slices.Clone(good), []byte("x"))), "svid_chain")
	wantFault(t, verify(append(slices.Clone(good), make([]byte, 16<<10+1))), "svid_chain")

	for bits, want := range map[uint]string{1024: "svid_key", 2047: "svid_key", 2048: "", 8192: "", 8193: "svid_key", 16384: "svid_key"} {
		n := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), bits-1), 0, 1)
		err := verify(w.mesh.Sign(t, svidSubject, &rsa.PublicKey{N: n, E: 65537}, nil))
		if want != "" {
			wantFault(t, err, want)
		} else if err != nil {
			t.Errorf("RSA of %d bits: %v", bits, err)
		}
	}
	odd := func(bits uint) *big.Int { return new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), bits-1), 0, 1) }
	for name, bad := range map[string]*rsa.PublicKey{ // the rule is that of package jose
		"CVE-2017-15361":  {N: new(big.Int).Exp(big.NewInt(65537), big.NewInt(130), nil), E: 65537},
		"an even modulus": {N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537},
		"a long exponent": {N: odd(2048), E: 1<<31 + 1},
		"an exponent 1":   {N: odd(2048), E: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			svid, plain := w.mesh.Sign(t, svidSubject, bad, nil), w.mesh.Sign(t, "", bad, nil)
			for _, r := range []struct {
				chain        [][]byte
				client, want string
			}{
				{svid, svidSubject, "svid_key"},
				{append(slices.Clone(good), plain[0]), svidSubject, "svid_key"}, // an intermediate's
				{plain, "own", "cert_key"},
				{append(slices.Clone(w.own.Chain), plain[0]), "own", "cert_key"},
			} {
				_, err := w.Certificate(t.Context(), r.chain, r.client)
				wantFault(t, err, r.want)
			}
		})
	}
	some := func(n int) [][]byte {
		return w.mesh.Intermediate(t, "i", func(c *x509.Certificate) {
			for i := range n {
				c.ExcludedDNSDomains = append(c.ExcludedDNSDomains, fmt.Sprintf("n%d.example", i))
			}
		}).Leaf(t, svidSubject, nil).Chain
	}
	if err := verify(some(100)); err != nil {
		t.Errorf("a hundred constraints: %v", err)
	}
	wantFault(t, verify(some(101)), "svid_chain")
}

// TestCertificateRoutes: who may speak for whom follows from the certificate and
// not from what the client says.
func TestCertificateRoutes(t *testing.T) {
	t.Parallel()
	w := newCertWorld(t)
	dns := func(c *x509.Certificate) { c.DNSNames = []string{"dns.example"} }
	for _, r := range []struct {
		chain  [][]byte
		client string
		want   string
	}{
		{w.mesh.Leaf(t, svidSubject, nil).Chain, "a", ""},
		{w.mesh.Leaf(t, svidSubject, nil).Chain, "nobody", ""}, // whose it is, is proven; the caller compares
		{w.mesh.Leaf(t, "", nil).Chain, svidSubject, "svid_uri_count"},
		{w.mesh.Leaf(t, "", nil).Chain, "a", "cert_not_registered"},
		{w.mesh.Leaf(t, "", nil).Chain, "nobody", "unknown"},
		{w.mesh.Leaf(t, "", dns).Chain, "dns", "cert_roots"}, // nobody configured any: SVID authorities are none
		{w.own.Chain, "own", ""},
		{authtest.SelfSigned(t, w.clock, svidSubject, nil).Chain, "own", "svid_chain"}, // it says whose it is
		{authtest.SelfSigned(t, w.clock, "", nil).Chain, "own", "cert_mismatch"},
	} {
		_, err := w.Certificate(t.Context(), r.chain, r.client)
		if r.want != "" {
			wantFault(t, err, r.want)
		} else if err != nil {
			t.Errorf("client %s: %v", r.client, err)
		}
	}
	w.now = w.now.Add(2 * time.Hour)
	_, err := w.Certificate(t.Context(), w.own.Chain, "own")
	wantFault(t, err, "cert_time")
}

// TestBundleAway: a certificate is neither good nor bad when the bundle cannot
// be had.
func TestBundleAway(t *testing.T) {
	t.Parallel()
	w := newCertWorld(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)
	w.put(registry.KindTrustedIssuer, "prod", &registry.TrustedIssuer{Type: registry.SPIFFE, TrustDomain: "td.example", Keys: registry.KeySource{BundleURL: gone.URL}})
	_, err := w.Certificate(t.Context(), w.mesh.Leaf(t, svidSubject, nil).Chain, svidSubject)
	wantFault(t, err, credential.FaultUnavailable)
	w.write(registry.KindTrustedIssuer, "prod", func(o *registry.Object) { o.State = registry.Disabled })
	_, err = w.Certificate(t.Context(), w.mesh.Leaf(t, svidSubject, nil).Chain, svidSubject)
	wantFault(t, err, "issuer_disabled")
}

// FuzzCertificate mutates real certificates: nothing but themselves may pass,
// and nothing panics.
func FuzzCertificate(f *testing.F) {
	w := newCertWorld(f)
	leaf := w.mesh.Leaf(f, svidSubject, nil).Chain[0]
	f.Add(leaf, []byte{}, svidSubject)
	f.Add(w.own.Chain[0], w.mesh.Certificate.Raw, "own")
	f.Fuzz(func(t *testing.T, first, second []byte, client string) {
		chain := [][]byte{first}
		if len(second) > 0 {
			chain = append(chain, second)
		}
		_, err := w.Certificate(t.Context(), chain, client)
		if err == nil && !slices.Equal(first, leaf) && !slices.Equal(first, w.own.Chain[0]) {
			t.Fatal("another certificate was accepted")
		}
		var fault *credential.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("error %T is no Fault", err)
		}
	})
}
