package authtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Authority is somebody's X.509 certificate authority: of a company, or of a
// trust domain that a TrustDomain publishes. It signs whatever it is told, sound
// or not.
type Authority struct {
	Certificate *x509.Certificate
	Key         *ecdsa.PrivateKey

	clock *Clock
	above [][]byte // intermediates between this one and the root, this one first
}

// ClientCert is a client's certificate and its key.
type ClientCert struct {
	Chain [][]byte // DER, the leaf first
	Key   crypto.Signer
}

// NewAuthority makes a root. change may be nil.
func NewAuthority(t testing.TB, clock *Clock, name string, change func(*x509.Certificate)) *Authority {
	t.Helper()
	key := newKey(t)
	c := authorityTemplate(t, clock, name, change)
	return &Authority{Certificate: sign(t, c, c, key.Public(), key), Key: key, clock: clock}
}

// AuthorityOf makes a root of a key that is there already.
func AuthorityOf(t testing.TB, clock *Clock, name string, key *ecdsa.PrivateKey) *Authority {
	t.Helper()
	c := authorityTemplate(t, clock, name, nil)
	return &Authority{Certificate: sign(t, c, c, key.Public(), key), Key: key, clock: clock}
}

// Intermediate makes an authority below a. change may be nil.
func (a *Authority) Intermediate(t testing.TB, name string, change func(*x509.Certificate)) *Authority {
	t.Helper()
	key := newKey(t)
	c := sign(t, authorityTemplate(t, a.clock, name, change), a.Certificate, key.Public(), a.Key)
	return &Authority{Certificate: c, Key: key, clock: a.clock, above: append([][]byte{c.Raw}, a.above...)}
}

// Cross signs the key and name of another authority.
func (a *Authority) Cross(t testing.TB, other *Authority) []byte {
	t.Helper()
	return sign(t, authorityTemplate(t, a.clock, other.Certificate.Subject.CommonName, nil), a.Certificate, other.Key.Public(), a.Key).Raw
}

// Leaf signs a client's certificate; change may be nil. It begins as the
// X.509-SVID of id, or without a name when id is empty.
func (a *Authority) Leaf(t testing.TB, id string, change func(*x509.Certificate)) *ClientCert {
	t.Helper()
	key := newKey(t)
	return &ClientCert{Chain: a.Sign(t, id, key.Public(), change), Key: key}
}

// Sign is Leaf for a key that is the caller's.
func (a *Authority) Sign(t testing.TB, id string, key crypto.PublicKey, change func(*x509.Certificate)) [][]byte {
	t.Helper()
	c := leafTemplate(t, a.clock, id)
	if change != nil {
		change(c)
	}
	return append([][]byte{sign(t, c, a.Certificate, key, a.Key).Raw}, a.above...)
}

// SelfSigned makes a certificate that its own key signs.
func SelfSigned(t testing.TB, clock *Clock, id string, change func(*x509.Certificate)) *ClientCert {
	t.Helper()
	key := newKey(t)
	c := leafTemplate(t, clock, id)
	if change != nil {
		change(c)
	}
	return &ClientCert{Chain: [][]byte{sign(t, c, c, key.Public(), key).Raw}, Key: key}
}

func authorityTemplate(t testing.TB, clock *Clock, name string, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: clock.Now().Add(-time.Hour), NotAfter: clock.Now().Add(240 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(c)
	}
	return c
}

func leafTemplate(t testing.TB, clock *Clock, id string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{Country: []string{"US"}, Organization: []string{"SPIRE"}}, BasicConstraintsValid: true,
		NotBefore: clock.Now().Add(-time.Minute), NotAfter: clock.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if id != "" {
		u, err := url.Parse(id)
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = []*url.URL{u}
	}
	return c
}

func sign(t testing.TB, c, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil { // it may be broken on purpose
		return &x509.Certificate{Raw: der}
	}
	return signed
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

// PEM is the certificates of the chain from first to last-1.
func (c *ClientCert) PEM(first, last int) string {
	var b bytes.Buffer
	for _, der := range c.Chain[first:last] {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // to memory
	}
	return b.String()
}

// XFCC is an element of Envoy's X-Forwarded-Client-Cert with the whole chain.
func (c *ClientCert) XFCC() string {
	return `Chain="` + url.PathEscape(c.PEM(0, len(c.Chain))) + `"`
}

// jwk is the authority as an entry of a bundle: X509-SVID, Section 6.2.
func (a *Authority) jwk() map[string]any {
	jwk := publicJWK(a.Key.Public())
	jwk["use"], jwk["x5c"] = "x509-svid", []string{base64.StdEncoding.EncodeToString(a.Certificate.Raw)}
	return jwk
}

// TLS is the certificate as package crypto/tls shows it.
func (c *ClientCert) TLS() tls.Certificate {
	return tls.Certificate{Certificate: c.Chain, PrivateKey: c.Key}
}

// TrustDomain is the bundle endpoint, on real HTTP, of a SPIFFE trust domain
// whose authorities the test has in its hand and replaces at will. For one that
// behaves, over its Workload API or TLS, see SPIFFE.
type TrustDomain struct {
	URL string // of the bundle

	mu          sync.Mutex
	sequence    int
	authorities []*Authority
	signer      *Party
}

// NewTrustDomain publishes a bundle of authorities for X.509-SVIDs, with the
// keys of signer for JWT-SVIDs unless it is nil.
func NewTrustDomain(t testing.TB, signer *Party, authorities ...*Authority) *TrustDomain {
	t.Helper()
	d := &TrustDomain{authorities: authorities, signer: signer}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.bundle()) }))
	t.Cleanup(srv.Close)
	d.URL = srv.URL + "/bundle"
	return d
}

// Publish replaces the authorities.
func (d *TrustDomain) Publish(authorities ...*Authority) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.authorities = authorities
	d.sequence++
}

func (d *TrustDomain) bundle() map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := []any{}
	for _, a := range d.authorities {
		keys = append(keys, a.jwk())
	}
	if d.signer != nil {
		for _, jwk := range d.signer.JWKS()["keys"].([]map[string]any) {
			jwk["use"] = "jwt-svid"
			delete(jwk, "alg")
			keys = append(keys, jwk)
		}
	}
	return map[string]any{"keys": keys, "spiffe_sequence": d.sequence, "spiffe_refresh_hint": 10}
}
