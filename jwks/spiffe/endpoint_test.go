package spiffe_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/jwks/spiffe"
	"github.com/tokenry/tokenry/outbound"
)

// world is a set and what it reported.
type world struct {
	*jwks.Set
	t     *testing.T
	clock *authtest.Clock

	mu  sync.Mutex
	say []string
}

func newWorld(t *testing.T, source jwks.Source, clock *authtest.Clock) *world {
	t.Helper()
	client, err := outbound.New(outbound.Config{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: clock}
	w.Set, err = jwks.New(jwks.Config{Source: source, Client: client, Now: clock.Now, Report: func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.say = append(w.say, err.Error())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func (w *world) reported() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.say, "\n")
}

// want checks how many authorities there are.
func (w *world) want(n int) {
	w.t.Helper()
	if got, err := w.Authorities(w.t.Context()); err != nil || len(got) != n {
		w.t.Fatalf("%d authorities, error %v, want %d", len(got), err, n)
	}
}

// wantSoon waits until that is so.
func (w *world) wantSoon(n int) {
	w.t.Helper()
	until(w.t, func() bool {
		got, err := w.Authorities(w.t.Context())
		return err == nil && len(got) == n
	})
}

func (w *world) wantError(want error, report string) {
	w.t.Helper()
	if got, err := w.Authorities(w.t.Context()); !errors.Is(err, want) {
		w.t.Fatalf("%d authorities, error %v, want %v", len(got), err, want)
	}
	if !strings.Contains(w.reported(), report) {
		w.t.Fatalf("reported %q, want %q", w.reported(), report)
	}
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

func id(t *testing.T, s string) spiffeid.ID {
	t.Helper()
	id, err := spiffeid.FromString(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// What an endpoint may not show: SPIFFE Federation, Section 5.2.2.
func TestEndpointCertificates(t *testing.T) { // SB-05, SEC-SF-27
	t.Parallel()
	clock := &authtest.Clock{}
	domain, other := authtest.NewSPIFFE(t, "prod.example", clock), authtest.NewSPIFFE(t, "other.example", clock)
	imposter := authtest.NewSPIFFE(t, "prod.example", clock) // the name, and other keys
	ca := domain.CAFile(t)
	with := func(change func(*x509.Certificate)) func() *authtest.ClientCert {
		return func() *authtest.ClientCert { return domain.X509SVIDWith(t, "/spire/server", change) }
	}
	plain := authtest.NewAuthority(t, clock, "plain", nil)
	behind := func(more ...[]byte) func() *authtest.ClientCert {
		return func() *authtest.ClientCert {
			shown := *domain.X509SVID(t, "/spire/server")
			shown.Chain = append(slices.Clone(shown.Chain), more...)
			return &shown
		}
	}
	for _, row := range []struct {
		name string
		show func() *authtest.ClientCert
		want string // part of the report; "" = it may
	}{
		{"its own", with(nil), ""},
		{"without extended usages", with(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), ""},
		{"another workload's", func() *authtest.ClientCert { return domain.X509SVID(t, "/web") }, "another's"},
		{"a longer ID", func() *authtest.ClientCert { return domain.X509SVID(t, "/spire/server/x") }, "another's"},
		{"other domain's", func() *authtest.ClientCert { return other.X509SVID(t, "/spire/server") }, "another trust domain"},
		{"by other keys", func() *authtest.ClientCert { return imposter.X509SVID(t, "/spire/server") }, "no authority"},
		{"two URIs", with(func(c *x509.Certificate) {
			c.URIs = append(c.URIs, &url.URL{Scheme: "spiffe", Host: "prod.example", Path: "/x"})
		}), "exactly one URI"},
		{"no URI", with(func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{"prod.example"} }), "exactly one URI"},
		{"a URI of the web", with(func(c *x509.Certificate) {
			c.URIs = []*url.URL{{Scheme: "https", Host: "prod.example", Path: "/spire/server"}}
		}), "exactly one URI"},
		{"the domain's", with(func(c *x509.Certificate) { c.URIs[0].Path = "" }), "that of a trust domain"},
		{"an authority's", with(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, c.KeyUsage|x509.KeyUsageCertSign }), "a certificate authority"},
		{"a signer's", with(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }), "keyCertSign"},
		{"a signer's of lists", with(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }), "cRLSign"},
		{"for encryption", with(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), "no key usage digitalSignature"},
		{"for clients", with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "without both"},
		{"for servers alone", with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "without both"},
		{"for anything", with(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), "without both"},
		{"without key usage", with(func(c *x509.Certificate) { c.KeyUsage = 0 }), "no critical key usage"},
		{"with key usage that is not critical", with(func(c *x509.Certificate) {
			c.KeyUsage = 0
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{3, 2, 7, 0x80}}}
		}), "no critical key usage"},
		{"eight intermediates", behind(slices.Repeat([][]byte{domain.Authorities()[0].Raw}, 8)...), ""},
		{"nine intermediates", behind(slices.Repeat([][]byte{domain.Authorities()[0].Raw}, 9)...), "9 intermediates"},
		{"a hundred names", with(func(c *x509.Certificate) { c.DNSNames = slices.Repeat([]string{"a.example"}, 99) }), ""},
		{"more names", with(func(c *x509.Certificate) { c.DNSNames = slices.Repeat([]string{"a.example"}, 100) }), "101 names"},
		{"a large certificate", with(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473}, Value: make([]byte, 16<<10)}}
		}), "larger than 16384 bytes"},
		{"many name constraints", behind(plain.Intermediate(t, "many", func(c *x509.Certificate) {
			c.ExcludedDNSDomains = slices.Repeat([]string{"a.example"}, 101)
		}).Certificate.Raw), "101 name constraints"},
		{"CVE-2017-15361", behind(plain.Sign(t, "", &rsa.PublicKey{N: new(big.Int).Exp(big.NewInt(65537), big.NewInt(130), nil), E: 65537}, nil)[0]), "key_weak"},
		{"expired", with(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = clock.Now().Add(-time.Hour), clock.Now().Add(-time.Second)
		}), "expired"},
		{"not valid yet", with(func(c *x509.Certificate) { c.NotBefore = clock.Now().Add(time.Minute) }), "not valid yet"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at := domain.SPIFFEEndpoint(t, domain, "/spire/server")
			at.Show(row.show)
			w := newWorld(t, jwks.Source{
				BundleURL: at.URL, Endpoint: spiffe.Endpoint{ID: id(t, "spiffe://prod.example/spire/server"), CAFile: ca, Now: clock.Now}.Verify,
			}, clock)
			if row.want == "" {
				w.want(1)
				return
			}
			w.wantError(jwks.ErrUnavailable, row.want)
			if at.Fetches() != 0 || !strings.Contains(w.reported(), "spiffe://prod.example/spire/server") {
				t.Errorf("%d requests were sent; reported %q", at.Fetches(), w.reported())
			}
		})
	}
}

// The endpoint is verified with what it last served, and with the CA file
// where there is nothing or it does not fit.
func TestEndpointOfItsOwnDomain(t *testing.T) {
	t.Parallel()
	clock := &authtest.Clock{}
	domain := authtest.NewSPIFFE(t, "prod.example", clock)
	at := domain.SPIFFEEndpoint(t, domain, "/spire/server")
	ca := domain.CAFile(t)
	w := newWorld(t, jwks.Source{
		BundleURL: at.URL, Endpoint: spiffe.Endpoint{ID: id(t, "spiffe://prod.example/spire/server"), CAFile: ca, Now: clock.Now}.Verify,
	}, clock)
	w.want(1)
	// Its authorities change one after the other; the CA file knows only the first.
	for range 3 {
		domain.Prepare(t)
		clock.Advance(10 * time.Minute)
		w.wantSoon(2)
		domain.Activate()
		domain.Retire()
		clock.Advance(10 * time.Minute)
		w.wantSoon(1)
	}
	// Rotated behind our back: nothing that we hold fits, and the file neither.
	domain.Rotate(t)
	domain.Rotate(t)
	domain.Retire()
	clock.Advance(10 * time.Minute)
	until(t, func() bool {
		_, _ = w.Authorities(t.Context())
		return strings.Contains(w.reported(), "no authority of the trust domain signed it")
	})
	// Until an operator replaces the file.
	replace(t, ca, domain.CAFile(t))
	before := at.Fetches()
	clock.Advance(10 * time.Minute)
	until(t, func() bool {
		_, err := w.Authorities(t.Context())
		return err == nil && at.Fetches() > before
	})
}

// The endpoint of another domain is verified with that domain's bundle.
func TestEndpointOfAnotherDomain(t *testing.T) {
	t.Parallel()
	clock := &authtest.Clock{}
	domain, other := authtest.NewSPIFFE(t, "prod.example", clock), authtest.NewSPIFFE(t, "other.example", clock)
	at := domain.SPIFFEEndpoint(t, other, "/federation")
	known := other.Authorities
	var err error
	endpoint := spiffe.Endpoint{
		ID: id(t, "spiffe://other.example/federation"), Now: clock.Now, CAFile: domain.CAFile(t),
		Authorities: func(context.Context) ([]*x509.Certificate, error) { return known(), err },
	}
	w := newWorld(t, jwks.Source{BundleURL: at.URL, Endpoint: endpoint.Verify}, clock)
	w.want(1)
	first := newWorld(t, jwks.Source{BundleURL: at.URL, Endpoint: endpoint.Verify}, clock)
	known = domain.Authorities // of the bundle that is fetched: they say nothing about other.example
	first.wantError(jwks.ErrUnavailable, "no authority of the trust domain signed it")
	known, err = other.Authorities, errors.New("nobody knows it")
	second := newWorld(t, jwks.Source{BundleURL: at.URL, Endpoint: endpoint.Verify}, clock)
	second.wantError(jwks.ErrUnavailable, "the authorities of trust domain other.example: nobody knows it")
}

// Neither the system's roots nor no roots at all are roots.
func TestEndpointWithoutRoots(t *testing.T) {
	t.Parallel()
	domain := authtest.NewSPIFFE(t, "prod.example", nil)
	at := domain.SPIFFEEndpoint(t, domain, "/spire/server")
	endpoint := spiffe.Endpoint{ID: id(t, "spiffe://prod.example/spire/server")}
	w := newWorld(t, jwks.Source{BundleURL: at.URL, Endpoint: endpoint.Verify}, &authtest.Clock{})
	w.wantError(jwks.ErrUnavailable, "CA file")
	endpoint.Authorities = func(context.Context) ([]*x509.Certificate, error) { return nil, nil }
	w = newWorld(t, jwks.Source{BundleURL: at.URL, Endpoint: endpoint.Verify}, &authtest.Clock{})
	w.wantError(jwks.ErrUnavailable, "no authority")
}
