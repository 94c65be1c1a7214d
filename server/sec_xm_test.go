package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/oauth"
)

// san replaces the subject alternative names by URIs of any bytes.
func san(t *testing.T, list ...string) func(*x509.Certificate) {
	t.Helper()
	var names []asn1.RawValue
	for _, s := range list {
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(s)})
	}
	value, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *x509.Certificate) {
		c.URIs = nil
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value})
	}
}

// TestSECXM proves the abuse cases of client certificates that come over TLS.
// Each answer is 401 client_auth.failed, with the reason in the event.
func TestSECXM(t *testing.T) {
	t.Parallel()
	m := newMutual(t, nil)
	fault := func(t *testing.T, name string, a *authtest.Answer) {
		t.Helper()
		m.WantRefused(t, a, oauth.InvalidClient, clientFault(name))
	}
	now := m.Clock.Now()
	proveOn(t, m.Server, []row{
		m.svid("SEC-XM-01", clientFault("svid_uri_count"), uris(meshID, "spiffe://mesh.example/agents/b"), uris("https://mesh.example/", meshID)),
		m.svid("SEC-XM-02", clientFault("svid_uri_count"),
			func(c *x509.Certificate) { c.URIs, c.Subject.CommonName = nil, meshID },
			func(c *x509.Certificate) { c.URIs, c.DNSNames = nil, []string{meshID} }),
		m.svid("SEC-XM-03", clientFault("svid_constraints"),
			func(c *x509.Certificate) { c.IsCA = true },
			func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		m.svid("SEC-XM-04", clientFault("svid_constraints"),
			func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment },
			func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		m.svid("SEC-XM-05", clientFault("svid_time"),
			func(c *x509.Certificate) { c.NotAfter = now.Add(-2 * time.Second) },
			func(c *x509.Certificate) { c.NotBefore = now.Add(10 * time.Minute) }),
		{"SEC-XM-06", func(t *testing.T, as *authtest.Server) {
			// The other domain's bundle is at hand once one of its SVIDs came.
			fault(t, "no_binding", as.PostMTLS(t, m.other.Leaf(t, otherID, nil), asking(otherID)))
			fault(t, "svid_trust_domain", as.PostMTLS(t, m.other.Leaf(t, meshID, nil), asking(meshID)))
			fault(t, "svid_trust_domain", as.PostMTLS(t, m.other.Intermediate(t, "1", nil).Leaf(t, meshID, nil), asking(meshID)))
		}},
		{"SEC-XM-07", func(t *testing.T, as *authtest.Server) {
			id := "spiffe://unknown.example/agents/a"
			fault(t, "svid_trust_domain", as.PostMTLS(t, m.mesh.Leaf(t, id, nil), asking(id)))
		}},
		{"SEC-XM-08", func(t *testing.T, as *authtest.Server) {
			// What the strict parser refuses does not come as far as the chain.
			narrow := m.mesh.Intermediate(t, "narrow", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"elsewhere.example"} })
			fault(t, "svid_chain", as.PostMTLS(t, narrow.Leaf(t, meshID, nil), asking(meshID)))
			closed := m.mesh.Intermediate(t, "closed", func(c *x509.Certificate) { c.ExcludedURIDomains = []string{"mesh.example"} })
			fault(t, "svid_chain", as.PostMTLS(t, closed.Leaf(t, meshID, nil), asking(meshID)))
			for _, id := range []string{"spiffe://[fe80::1%25en0.mesh.example]/agents/a", "spiffe://MESH.example/agents/a", "SPIFFE://mesh.example/agents/a"} {
				fault(t, "svid_uri", as.PostMTLS(t, m.mesh.Leaf(t, "", san(t, id)), asking(meshID)))
			}
		}},
		{"SEC-XM-09", m.costlyChains},
		{"SEC-XM-17", func(t *testing.T, as *authtest.Server) {
			// Nothing of HTTP has come, so nothing is refused but the connection, and no
			// event is kept. TLS 1.3 has no renegotiation, and Go no authentication
			// after the handshake.
			u, _ := url.Parse(as.MTLSURL)
			config := as.ClientWith(t, m.mesh.Leaf(t, meshID, nil)).Transport.(*http.Transport).TLSClientConfig
			config.MinVersion, config.MaxVersion, config.Renegotiation = tls.VersionTLS12, tls.VersionTLS12, tls.RenegotiateFreelyAsClient
			if conn, err := tls.Dial("tcp", u.Host, config); err == nil {
				conn.Close()
				t.Error("TLS 1.2 was accepted")
			}
		}},
		{"SEC-XM-18", func(t *testing.T, as *authtest.Server) {
			user := as.User(t, "alice", authtest.Claims{"cnf": authtest.Claims{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}})
			form := authtest.ExchangeForm(user, "client_id", meshID)
			as.WantRefused(t, as.PostMTLS(t, m.mesh.Leaf(t, meshID, nil), form), oauth.InvalidRequest, subjectFault("cnf"))
		}},
		{"SEC-XM-19", m.fetchesNothing},
		{"SEC-XM-20", adminTakesNoCertificate},
		{"SEC-XM-21", m.twoIdentities},
		{"SEC-XM-22", func(t *testing.T, as *authtest.Server) {
			// Some of them package crypto/tls itself cannot read: TestSECXMProxy.
			for _, id := range []string{meshID + "%00", meshID + "%0a", "spiffe://mesh.example/%61gents/a", meshID + " "} {
				fault(t, "svid_uri", as.PostMTLS(t, m.mesh.Leaf(t, "", san(t, id)), asking(meshID)))
			}
			for _, id := range []string{meshID + "\x00", meshID + "\n"} {
				if _, err := as.ClientWith(t, m.mesh.Leaf(t, "", san(t, id))).PostForm(as.MTLSURL+"/token", asking(meshID)); err == nil {
					t.Errorf("%q: the handshake went well", id)
				}
			}
		}},
		{"SEC-XM-23", func(t *testing.T, as *authtest.Server) {
			many := func(c *x509.Certificate) {
				for i := range 1000 {
					c.DNSNames = append(c.DNSNames, fmt.Sprintf("n%d.example", i))
				}
			}
			fault(t, "svid_chain", as.PostMTLS(t, m.mesh.Leaf(t, meshID, many), asking(meshID)))
			large := func(c *x509.Certificate) { c.Subject.Organization = []string{strings.Repeat("x", 64<<10)} }
			fault(t, "svid_chain", as.PostMTLS(t, m.mesh.Leaf(t, meshID, large), asking(meshID)))
		}},
		{"SEC-XM-24", m.mixedBundle},
	})
}

// costlyChains answers within 100 ms, of the best of a few tries: the machine
// that tests may be busy with something else.
func (m *mutual) costlyChains(t *testing.T, as *authtest.Server) {
	evil := authtest.NewAuthority(t, m.Clock, "evil", nil)
	long := evil
	for range 19 {
		long = long.Intermediate(t, "evil", nil)
	}
	loop := authtest.NewAuthority(t, m.Clock, "loop", nil)
	crossed := loop.Leaf(t, meshID, nil)
	for range 4 {
		crossed.Chain = append(crossed.Chain, evil.Cross(t, loop), loop.Cross(t, evil))
	}
	constrained := evil.Intermediate(t, "many", func(c *x509.Certificate) {
		for i := range 10_000 {
			c.ExcludedDNSDomains = append(c.ExcludedDNSDomains, fmt.Sprintf("n%d.example", i))
		}
	})
	some := evil.Intermediate(t, "some", func(c *x509.Certificate) {
		for i := range 200 {
			c.ExcludedURIDomains = append(c.ExcludedURIDomains, fmt.Sprintf("n%d.example", i))
		}
	})
	for name, cert := range map[string]*authtest.ClientCert{
		"self-signed": authtest.SelfSigned(t, m.Clock, meshID, nil), "20 certificates": long.Leaf(t, meshID, nil),
		"cross-signed loop": crossed, "10,000 constraints": constrained.Leaf(t, meshID, nil), "200 constraints": some.Leaf(t, meshID, nil),
	} {
		client := as.ClientWith(t, cert)
		best := time.Hour
		for range 5 {
			start := time.Now()
			a := as.PostBy(t, client, asking(meshID))
			best = min(best, time.Since(start))
			as.WantRefused(t, a, oauth.InvalidClient, clientFault("svid_chain"))
		}
		if best > time.Second {
			t.Errorf("%s: answered after %s", name, best)
		}
	}
}

// fetchesNothing: a certificate names places to learn more of it. Nobody goes
// there, whoever signed it.
func (m *mutual) fetchesNothing(t *testing.T, as *authtest.Server) {
	var fetched atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fetched.Add(1) }))
	defer trap.Close()
	lure := func(c *x509.Certificate) {
		c.OCSPServer, c.IssuingCertificateURL, c.CRLDistributionPoints = []string{trap.URL + "/ocsp"}, []string{trap.URL + "/ca"}, []string{trap.URL + "/crl"}
	}
	evil := authtest.NewAuthority(t, m.Clock, "evil", nil)
	as.WantRefused(t, as.PostMTLS(t, evil.Leaf(t, meshID, lure), asking(meshID)), oauth.InvalidClient, clientFault("svid_chain"))
	authtest.WantIssued(t, as.PostMTLS(t, m.mesh.Leaf(t, meshID, lure), asking(meshID)))
	as.WantRefused(t, as.PostMTLS(t, evil.Leaf(t, "", func(c *x509.Certificate) { lure(c); dnsA(c) }), asking("dns-a")), oauth.InvalidClient, clientFault("cert_chain"))
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// adminTakesNoCertificate: an agent's SVID is nobody to the admin API, shown
// over TLS or in a header. Failed logins of operators are in the log alone.
func adminTakesNoCertificate(t *testing.T, _ *authtest.Server) {
	m := newMutual(t, behindProxy("xfcc"))
	leaf := m.mesh.Leaf(t, meshID, nil)
	secure := authtest.StartWith(t, authtest.Options{Empty: true, MTLS: true, Config: func(c *config.Config) { c.Admin.TLS = c.Public.TLS }})
	for base, client := range map[string]*http.Client{m.AdminURL: http.DefaultClient, secure.AdminURL: secure.ClientWith(t, leaf)} {
		r, err := http.NewRequest(http.MethodGet, base+"/api/v1/agents", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["X-Forwarded-Client-Cert"] = []string{leaf.XFCC()}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if d := decoded(t, res); res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %d %v", base, res.StatusCode, d)
		}
	}
}

// twoIdentities: a certificate beside another credential must be of the same
// agent, if it says whose it is.
func (m *mutual) twoIdentities(t *testing.T, as *authtest.Server) {
	a, b := m.mesh.Leaf(t, meshID, nil), m.mesh.Leaf(t, "spiffe://mesh.example/agents/b", nil)
	asserted := func(change authtest.Claims) url.Values {
		now := m.Clock.Now()
		claims := authtest.Claims{"sub": meshID, "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
		for k, v := range change {
			claims[k] = v
		}
		return asking("", "client_assertion_type", string(oauth.SPIFFEAssertion), "client_assertion", m.signer.Sign(t, "JWT", claims))
	}
	issued := as.PostMTLS(t, a, asserted(nil))
	authtest.WantIssued(t, issued)
	if ev := as.Event(t, issued.DecisionID); !strings.Contains(string(ev.Detail), `"m":"spiffe_jwt"`) || !strings.Contains(string(ev.Detail), `"w":"certificate"`) {
		t.Errorf("event %s", ev.Detail)
	}
	ambiguous := func(cert *authtest.ClientCert, form url.Values) {
		t.Helper()
		as.WantRefused(t, as.PostMTLS(t, cert, form), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
	}
	ambiguous(b, asserted(nil))
	ambiguous(m.mesh.Leaf(t, "spiffe://mesh.example/agents/none", nil), asserted(nil)) // of nobody, so not of the same one
	ambiguous(a, itself()(t, as))
	as.WantRefused(t, as.PostMTLS(t, authtest.SelfSigned(t, m.Clock, meshID, nil), asserted(nil)), oauth.InvalidClient, clientFault("svid_chain"))
	// The certificate is not asked first: what is wrong with the assertion is.
	as.WantRefused(t, as.PostMTLS(t, b, asserted(authtest.Claims{"aud": "https://other.example"})), oauth.InvalidClient, clientFault("aud"))

	secret := asking("dns-a", "client_secret", as.Secret(t, "dns-a"))
	authtest.WantIssued(t, as.PostMTLS(t, m.pki.Leaf(t, "", dnsA), secret))
	authtest.WantIssued(t, as.PostMTLS(t, nil, secret))
	ambiguous(m.pki.Leaf(t, "", ipA), secret)
	ambiguous(a, secret)
	as.WantRefused(t, as.PostMTLS(t, m.mesh.Leaf(t, "", dnsA), secret), oauth.InvalidClient, clientFault("cert_chain"))
	// One that says nothing about anybody is the transport's affair.
	plain := asking("mesh-a", "client_secret", as.Secret(t, "mesh-a"))
	authtest.WantIssued(t, as.PostMTLS(t, m.own, plain))
}

// mixedBundle: the keys of a bundle are for one kind of SVID each.
func (m *mutual) mixedBundle(t *testing.T, as *authtest.Server) {
	jwtAuthority := authtest.AuthorityOf(t, m.Clock, "mesh", m.signer.Key(t))
	as.WantRefused(t, as.PostMTLS(t, jwtAuthority.Leaf(t, meshID, nil), asking(meshID)), oauth.InvalidClient, clientFault("svid_chain"))

	reverse := authtest.PartyOf("ca", m.mesh.Key)
	now := m.Clock.Now()
	token := reverse.Sign(t, "JWT", authtest.Claims{"sub": meshID, "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	form := asking("", "client_assertion_type", string(oauth.SPIFFEAssertion), "client_assertion", token)
	as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, clientFault("kid_unknown")) // the name of the same fault in a token
}

// TestSECXM16: a certificate is verified for every request. Neither a connection
// that is kept nor a session that would be resumed remembers an older answer.
func TestSECXM16(t *testing.T) {
	t.Parallel()
	t.Run("SEC-XM-16", everyRequest)
}

func everyRequest(t *testing.T) {
	m := newMutual(t, nil)
	leaf := m.mesh.Leaf(t, meshID, nil)
	client := m.ClientWith(t, leaf)
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	var conns, resumed atomic.Int64
	transport.TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error {
		conns.Add(1)
		if s.DidResume {
			resumed.Add(1)
		}
		return nil
	}
	authtest.WantIssued(t, m.PostBy(t, client, asking(meshID)))
	m.bundle.Publish(authtest.NewAuthority(t, m.Clock, "mesh", nil))
	m.Advance(t, 6*time.Minute) // past the refresh hint, and what serves while it is fetched
	m.WantRefused(t, m.PostBy(t, client, asking(meshID)), oauth.InvalidClient, clientFault("svid_chain"))
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections, want the one that was kept", n)
	}
	transport.CloseIdleConnections()
	m.WantRefused(t, m.PostBy(t, client, asking(meshID)), oauth.InvalidClient, clientFault("svid_chain"))
	if conns.Load() != 2 || resumed.Load() != 0 {
		t.Errorf("%d connections, %d resumed; want a second full handshake", conns.Load(), resumed.Load())
	}
}

// TestSECXMProxy proves the abuse cases of certificates that a proxy forwards.
func TestSECXMProxy(t *testing.T) {
	t.Parallel()
	m := newMutual(t, behindProxy("xfcc"))
	direct := newMutual(t, nil) // trusts no proxy
	leaf := m.mesh.Leaf(t, meshID, nil)
	malformed := func(t *testing.T, value string) {
		t.Helper()
		m.WantRefused(t, m.forward(t, asking(meshID), xfcc(value)), oauth.InvalidClient, oauth.ReasonAuthHeaderMalformed)
	}
	proveOn(t, m.Server, []row{
		{"SEC-XM-10", func(t *testing.T, as *authtest.Server) {
			// Over TLS the handshake fails with it: crypto/tls has the bound too.
			n := new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 16383), 0, 1)
			huge := &authtest.ClientCert{Chain: m.mesh.Sign(t, meshID, &rsa.PublicKey{N: n, E: 65537}, nil)}
			best := time.Hour
			for range 5 {
				start := time.Now()
				a := m.forward(t, asking(meshID), xfcc(huge.XFCC()))
				best = min(best, time.Since(start))
				as.WantRefused(t, a, oauth.InvalidClient, clientFault("svid_key"))
			}
			if best > time.Second {
				t.Errorf("answered after %s", best)
			}
			weak, err := rsa.GenerateKey(rand.Reader, 1024)
			if err != nil {
				t.Fatal(err)
			}
			small := &authtest.ClientCert{Chain: m.mesh.Sign(t, meshID, weak.Public(), nil)}
			as.WantRefused(t, m.forward(t, asking(meshID), xfcc(small.XFCC())), oauth.InvalidClient, clientFault("svid_key"))
		}},
		{"SEC-XM-11", func(t *testing.T, _ *authtest.Server) {
			good := direct.mesh.Leaf(t, meshID, nil)
			for _, name := range []string{"X-Forwarded-Client-Cert", "X-SSL-Cert", "X-Forwarded-Tls-Client-Cert", "Client-Cert", "X-SSL-Client-Cert"} {
				headers := http.Header{http.CanonicalHeaderKey(name): {good.XFCC()}}
				direct.WantRefused(t, direct.forward(t, asking(meshID), headers), oauth.InvalidClient, oauth.ReasonAuthProxy)
			}
			// A client behind no proxy cannot make itself one either.
			headers := xfcc(good.XFCC())
			headers.Set("X-Forwarded-For", "127.0.0.1")
			direct.WantRefused(t, direct.forward(t, asking(meshID), headers), oauth.InvalidClient, oauth.ReasonAuthProxy)
		}},
		{"SEC-XM-12", func(t *testing.T, as *authtest.Server) {
			for _, headers := range []http.Header{xfcc(leaf.XFCC(), leaf.XFCC()), xfcc(leaf.XFCC() + "," + leaf.XFCC()), xfcc(leaf.XFCC(), "x")} {
				as.WantRefused(t, m.forward(t, asking(meshID), headers), oauth.InvalidClient, oauth.ReasonAuthHeaderAmbiguous)
				// Not even beside other credentials: something is wrong in front of us.
				as.WantRefused(t, m.forward(t, itself()(t, as), headers), oauth.InvalidClient, oauth.ReasonAuthHeaderAmbiguous)
			}
		}},
		{"SEC-XM-13", func(t *testing.T, as *authtest.Server) {
			for _, name := range []string{"X_Forwarded_Client_Cert", "X-Forwarded_Client-Cert"} {
				as.WantRefused(t, m.forward(t, asking(meshID), http.Header{name: {leaf.XFCC()}}), oauth.InvalidClient, oauth.ReasonAuthProxy)
			}
		}},
		{"SEC-XM-14", func(t *testing.T, _ *authtest.Server) {
			authtest.WantIssued(t, m.forward(t, asking(meshID), xfcc(`By=spiffe://mesh.example/proxy;Subject="CN=a";URI=`+meshID+`;`+leaf.XFCC())))
			malformed(t, `By=spiffe://mesh.example/proxy;URI=spiffe://admin;`+leaf.XFCC())
			malformed(t, `Subject="CN=a;URI=spiffe://admin";`+leaf.XFCC())
			malformed(t, `Subject="CN=a";URI=spiffe://admin";`+leaf.XFCC())
			malformed(t, `Subject="CN=a";URI=spiffe://mesh.example/agents/b;`+leaf.XFCC())
			malformed(t, `Hash=`+strings.Repeat("0", 64)+`;`+leaf.XFCC())
			malformed(t, `URI=`+meshID) // what a proxy says of a certificate proves nothing
		}},
		{"SEC-XM-15", func(t *testing.T, as *authtest.Server) {
			other := m.mesh.Leaf(t, "spiffe://mesh.example/agents/b", nil)
			send := func(shown, header *authtest.ClientCert) *authtest.Answer {
				r, err := http.NewRequest(http.MethodPost, as.MTLSURL+"/token", strings.NewReader(asking(meshID).Encode()))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", formType)
				r.Header.Set("X-Forwarded-Client-Cert", header.XFCC())
				return as.DoBy(t, as.ClientWith(t, shown), r)
			}
			as.WantRefused(t, send(other, leaf), oauth.InvalidClient, oauth.ReasonAuthHeaderAmbiguous)
			as.WantRefused(t, send(leaf, other), oauth.InvalidClient, oauth.ReasonAuthHeaderAmbiguous)
			authtest.WantIssued(t, send(leaf, leaf))
		}},
		{"SEC-XM-22 forwarded", func(t *testing.T, as *authtest.Server) {
			for _, id := range []string{meshID + "\x00", meshID + "\n", "spiffe://mesh.example/agents/ä", "spiffe://mesh.example/agents/\xff"} {
				bad := m.mesh.Leaf(t, "", san(t, id))
				as.WantRefused(t, m.forward(t, asking(meshID), xfcc(bad.XFCC())), oauth.InvalidClient, clientFault("svid_uri"))
			}
			garbage := &authtest.ClientCert{Chain: [][]byte{[]byte("not a certificate")}}
			as.WantRefused(t, m.forward(t, asking(meshID), xfcc(garbage.XFCC())), oauth.InvalidClient, clientFault("cert_malformed"))
		}},
	})
}

// TestCertificateInEvents: an issued event says which certificate it was, and
// explain computes its checks again.
func TestCertificateInEvents(t *testing.T) {
	t.Parallel()
	m := newMutual(t, nil)
	// Whom the chain leads to; nobody looks at the signature of one's own.
	chains := map[string]string{meshID: "mesh", "dns-a": "public.mtls_ca_file", "own-a": ""}
	for client, cert := range map[string]*authtest.ClientCert{
		meshID: m.mesh.Leaf(t, meshID, nil), "own-a": m.own,
		"dns-a": m.pki.Leaf(t, "", func(c *x509.Certificate) { dnsA(c); c.IPAddresses = []net.IP{{192, 0, 2, 1}} }),
	} {
		a := m.PostMTLS(t, cert, asking(client))
		authtest.WantIssued(t, a)
		ev := m.Event(t, a.DecisionID)
		var detail struct {
			Proofs []struct {
				Place, Alg, Key string
				Expires         int64
			}
		}
		raw := strings.NewReplacer(`"w":`, `"Place":`, `"a":`, `"Alg":`, `"k":`, `"Key":`, `"p":`, `"Proofs":`).Replace(string(ev.Detail))
		if err := json.Unmarshal([]byte(raw), &detail); err != nil || len(detail.Proofs) != 1 {
			t.Fatalf("detail %s: %v", ev.Detail, err)
		}
		if p := detail.Proofs[0]; ev.Kind != audit.TokenIssued || p.Place != "certificate" || p.Alg != "ECDSA" || p.Key != thumbprint(cert) {
			t.Errorf("%s: proof %+v", client, p)
		}
		if ev.Size() > 1024 {
			t.Errorf("%s: an event of %d bytes", client, ev.Size())
		}
		d, err := m.Admin.Decision(t.Context(), a.DecisionID)
		if err != nil {
			t.Fatal(err)
		}
		seen, chain := map[string]string{}, ""
		for _, c := range d.Checks {
			seen[c.Name] = c.Shown
			if c.Name == "certificate chain" {
				chain = c.Wanted
			}
			if !c.OK {
				t.Errorf("%s: check %+v", client, c)
			}
		}
		if seen["certificate leaf"] != "ECDSA" || seen["certificate times"] == "" || seen["presenter"] == "" || client == meshID && seen["certificate binding"] != meshID {
			t.Errorf("%s: checks %v", client, seen)
		}
		if _, there := seen["certificate chain"]; chain != chains[client] || there != (client != "own-a") {
			t.Errorf("%s: the chain leads to %q, want %q", client, chain, chains[client])
		}
	}
}
