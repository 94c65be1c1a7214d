package server_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/oauth"
)

// names of the agents' certificates.
func dnsA(c *x509.Certificate)  { c.DNSNames = []string{"x.agents.example", "A.agents.example"} }
func ipA(c *x509.Certificate)   { c.IPAddresses = []net.IP{{192, 0, 2, 7}} }
func mailA(c *x509.Certificate) { c.EmailAddresses = []string{"a@agents.example"} }

func dnA(c *x509.Certificate) {
	c.Subject = pkix.Name{CommonName: "a", OrganizationalUnit: []string{"agents"}, Organization: []string{"Example, Inc."}}
}

// TestRowsMT proves client authentication by mutual TLS: RFC 8705. MT-05 to
// MT-08 are about bound tokens and listed as not yet in docs/divergences.md.
func TestRowsMT(t *testing.T) {
	t.Parallel()
	m := newMutual(t, nil)
	proveOn(t, m.Server, []row{
		{"MT-01", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.PostMTLS(t, m.pki.Leaf(t, "", dnsA), asking("")), oauth.InvalidClient, oauth.ReasonAuthClientID)
			// Nor does a workload's token say it: a certificate is checked first.
			form := authtest.ExchangeForm(as.ServiceAccount(t, "research", nil))
			as.WantRefused(t, as.PostMTLS(t, m.own, form), oauth.InvalidClient, oauth.ReasonAuthClientID)
		}},
		{"MT-02", m.registeredNames},
		{"MT-02 chains", m.registeredChains},
		{"MT-03", exactlyOneName},
		{"MT-04", func(t *testing.T, as *authtest.Server) {
			c := authtest.WantIssued(t, as.PostMTLS(t, m.own, asking("own-a")))
			if c["sub"] != "own-a" || c["cnf"] != nil {
				t.Errorf("claims %v", c)
			}
			twin := authtest.SelfSigned(t, as.Clock, "", nil)
			as.WantRefused(t, as.PostMTLS(t, twin, asking("own-a")), oauth.InvalidClient, clientFault("cert_mismatch"))
			as.WantRefused(t, as.PostMTLS(t, m.pki.Leaf(t, "", nil), asking("own-a")), oauth.InvalidClient, clientFault("cert_mismatch"))
			as.WantRefused(t, as.PostMTLS(t, nil, asking("own-a")), oauth.InvalidClient, oauth.ReasonAuthNone)
		}},
	})
}

// TestOwnCertificateExpires: nobody asks who signed it, but its times count.
func TestOwnCertificateExpires(t *testing.T) { // MT-04
	t.Parallel()
	m := newMutual(t, nil)
	authtest.WantIssued(t, m.PostMTLS(t, m.own, asking("own-a")))
	m.Advance(t, 61*time.Minute)
	m.WantRefused(t, m.PostMTLS(t, m.own, asking("own-a")), oauth.InvalidClient, clientFault("cert_time"))
}

// registeredNames: each kind of name, byte for byte.
func (m *mutual) registeredNames(t *testing.T, as *authtest.Server) {
	for agent, good := range map[string]func(*x509.Certificate){
		"dns-a": dnsA, "dn-a": dnA, "ip-a": ipA, "mail-a": mailA, "uri-a": uris("urn:example:agents:a"),
	} {
		if c := authtest.WantIssued(t, as.PostMTLS(t, m.pki.Leaf(t, "", good), asking(agent))); c["client_id"] != agent {
			t.Errorf("%s: claims %v", agent, c)
		}
	}
	for agent, wrong := range map[string][]func(*x509.Certificate){
		"dns-a": {nil, func(c *x509.Certificate) { c.DNSNames = []string{"*.agents.example"} }, func(c *x509.Certificate) { c.Subject.CommonName = "a.agents.example" }},
		"dn-a": {nil, func(c *x509.Certificate) { dnA(c); c.Subject.Organization = []string{"Example"} },
			func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "a,OU=agents,O=Example\\, Inc."} }},
		"ip-a":   {nil, func(c *x509.Certificate) { c.IPAddresses = []net.IP{{192, 0, 2, 8}} }, func(c *x509.Certificate) { c.DNSNames = []string{"192.0.2.7"} }},
		"mail-a": {nil, func(c *x509.Certificate) { c.EmailAddresses = []string{"A@agents.example"} }},
		"uri-a":  {nil, uris("urn:example:agents:A"), uris("urn:example:agents:a:b")},
	} {
		for _, change := range wrong {
			as.WantRefused(t, as.PostMTLS(t, m.pki.Leaf(t, "", change), asking(agent)), oauth.InvalidClient, clientFault("cert_mismatch"))
		}
		as.WantRefused(t, as.PostMTLS(t, nil, asking(agent)), oauth.InvalidClient, oauth.ReasonAuthNone)
	}
	as.WantRefused(t, as.PostMTLS(t, m.pki.Leaf(t, "", dnsA), asking("nobody")), oauth.InvalidClient, clientFault("unknown"))
	as.WantRefused(t, as.PostMTLS(t, m.pki.Leaf(t, "", dnsA), asking("mesh-a")), oauth.InvalidClient, clientFault("cert_not_registered"))
	// What has a SPIFFE ID is an SVID, also with the right DNS name.
	as.WantRefused(t, as.PostMTLS(t, m.mesh.Leaf(t, meshID, dnsA), asking("dns-a")), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
}

// registeredChains: the roots are those of public.mtls_ca_file and no others.
func (m *mutual) registeredChains(t *testing.T, as *authtest.Server) {
	below := m.pki.Intermediate(t, "issuing", nil)
	authtest.WantIssued(t, as.PostMTLS(t, below.Leaf(t, "", dnsA), asking("dns-a")))
	for reason, cert := range map[string]*authtest.ClientCert{
		"cert_chain":       m.mesh.Leaf(t, "", dnsA),
		"cert_constraints": m.pki.Leaf(t, "", func(c *x509.Certificate) { dnsA(c); c.IsCA = true }),
		"cert_time":        m.pki.Leaf(t, "", func(c *x509.Certificate) { dnsA(c); c.NotAfter = as.Clock.Now().Add(-2 * time.Second) }),
	} {
		as.WantRefused(t, as.PostMTLS(t, cert, asking("dns-a")), oauth.InvalidClient, clientFault(reason))
	}
	server := m.pki.Leaf(t, "", func(c *x509.Certificate) { dnsA(c); c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	as.WantRefused(t, as.PostMTLS(t, server, asking("dns-a")), oauth.InvalidClient, clientFault("cert_chain"))
	as.WantRefused(t, as.PostMTLS(t, authtest.SelfSigned(t, as.Clock, "", dnsA), asking("dns-a")), oauth.InvalidClient, clientFault("cert_chain"))
}

// exactlyOneName: an agent that registered none or two names is refused.
func exactlyOneName(t *testing.T, as *authtest.Server) {
	for spec, want := range map[string]string{
		"{}": "exactly one", "{ sanDns: a.example, sanIp: 192.0.2.1 }": "exactly one", "{ sanDns: a.example, selfSigned: true }": "exactly one",
		"{ selfSigned: true }": "x5c", `{ sanUri: "spiffe://mesh.example/agents/a" }`: "SPIFFE ID",
	} {
		err := as.TryApply(t, `
apiVersion: tokenry/v1
kind: Agent
metadata: { name: two }
spec: { blueprint: certified, owner: ops, sponsor: leads, tls: `+spec+` }
`)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("tls: %s: %v, want %q", spec, err, want)
		}
	}
}

// TestRowsMTProxy proves MT-09: forwarded certificates.
func TestRowsMTProxy(t *testing.T) {
	t.Parallel()
	m := newMutual(t, behindProxy("xfcc"))
	stranger := newMutual(t, func(c *config.Config) {
		behindProxy("xfcc")(c)
		c.Public.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	proveOn(t, m.Server, []row{
		{"MT-09", func(t *testing.T, as *authtest.Server) {
			leaf := m.mesh.Intermediate(t, "1", nil).Leaf(t, meshID, nil)
			authtest.WantIssued(t, m.forward(t, asking(meshID), xfcc(leaf.XFCC())))
			leaf = stranger.mesh.Leaf(t, meshID, nil)
			stranger.WantRefused(t, stranger.forward(t, asking(meshID), xfcc(leaf.XFCC())), oauth.InvalidClient, oauth.ReasonAuthProxy)
			// Dropped, not refused: other credentials stand for themselves.
			authtest.WantIssued(t, stranger.forward(t, itself()(t, stranger.Server), xfcc(leaf.XFCC())))
			authtest.WantIssued(t, stranger.forward(t, authtest.ExchangeForm(stranger.ServiceAccount(t, "research", nil)), xfcc("nonsense")))
			// The connection's own certificate still counts.
			authtest.WantIssued(t, stranger.PostMTLS(t, leaf, asking(meshID)))
		}},
	})
}

// TestForwardedFormats: each format is read where it is configured, and no
// other one.
func TestForwardedFormats(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"xfcc", "rfc9440", "nginx", ""} {
		t.Run("format "+format, func(t *testing.T) {
			t.Parallel()
			m := newMutual(t, behindProxy(format))
			b64 := func(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }
			leaf, below := m.mesh.Leaf(t, meshID, nil), m.mesh.Intermediate(t, "1", nil).Leaf(t, meshID, nil)
			for name, headers := range map[string]http.Header{
				"xfcc":    xfcc(below.XFCC()),
				"rfc9440": {"Client-Cert": {b64(below.Chain[0])}, "Client-Cert-Chain": {b64(below.Chain[1])}},
				"nginx":   {"X-Ssl-Client-Cert": {url.PathEscape(leaf.PEM(0, 1))}},
			} {
				a := m.forward(t, asking(meshID), headers)
				if name == format {
					authtest.WantIssued(t, a)
				} else {
					m.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthProxy)
				}
			}
			// A proxy's own certificate is nobody else's.
			m.WantRefused(t, m.PostMTLS(t, leaf, asking(meshID)), oauth.InvalidClient, oauth.ReasonAuthProxy)
		})
	}
}

// TestMutualMetadata: RFC 8705, Sections 2.1.1, 2.2.1 and 5.
func TestMutualMetadata(t *testing.T) {
	t.Parallel()
	const path = "/.well-known/oauth-authorization-server"
	methods := func(d map[string]any) (certificates []string) {
		for _, name := range d["token_endpoint_auth_methods_supported"].([]any) {
			if strings.Contains(name.(string), "tls") || name == "spiffe_x509" {
				certificates = append(certificates, name.(string))
			}
		}
		return certificates
	}
	plain := document(t, authtest.StartWith(t, authtest.Options{Empty: true}), path)
	if got := methods(plain); got != nil || plain["mtls_endpoint_aliases"] != nil {
		t.Errorf("without certificates: %v, %v", got, plain["mtls_endpoint_aliases"])
	}
	header := document(t, authtest.StartWith(t, authtest.Options{Empty: true, Config: behindProxy("nginx")}), path)
	if got := methods(header); !slices.Equal(got, []string{"spiffe_x509", "self_signed_tls_client_auth"}) {
		t.Errorf("behind a proxy: %v", got)
	}
	m := newMutual(t, func(c *config.Config) {
		behindProxy("xfcc")(c)
		c.Public.MTLSURL = "https://mtls.example/t1"
	})
	res, err := m.ClientWith(t, nil).Get(m.PublicURL + path)
	if err != nil {
		t.Fatal(err)
	}
	full := decoded(t, res)
	if got := methods(full); !slices.Equal(got, []string{"spiffe_x509", "self_signed_tls_client_auth", "tls_client_auth"}) {
		t.Errorf("with roots: %v", got)
	}
	if alias, _ := full["mtls_endpoint_aliases"].(map[string]any); len(alias) != 1 || alias["token_endpoint"] != "https://mtls.example/t1/token" {
		t.Errorf("mtls_endpoint_aliases %v", full["mtls_endpoint_aliases"])
	}
}

// TestRootsAreReadAgain: public.mtls_ca_file may be replaced while the server
// runs, and a broken one changes nothing.
func TestRootsAreReadAgain(t *testing.T) {
	t.Parallel()
	m := newMutual(t, nil)
	next := authtest.NewAuthority(t, m.Clock, "next", nil)
	before, after := m.pki.Leaf(t, "", dnsA), next.Leaf(t, "", dnsA)
	m.WantRefused(t, m.PostMTLS(t, after, asking("dns-a")), oauth.InvalidClient, clientFault("cert_chain"))
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(m.caFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond) // it is looked at once a second
	}
	write("half a certifi")
	authtest.WantIssued(t, m.PostMTLS(t, before, asking("dns-a")))
	root := authtest.ClientCert{Chain: [][]byte{next.Certificate.Raw}}
	write(root.PEM(0, 1))
	authtest.WantIssued(t, m.PostMTLS(t, after, asking("dns-a")))
	m.WantRefused(t, m.PostMTLS(t, before, asking("dns-a")), oauth.InvalidClient, clientFault("cert_chain"))
}

// TestNoRoots: without public.mtls_ca_file the names of certificates prove
// nothing, whatever the system trusts.
func TestNoRoots(t *testing.T) {
	t.Parallel()
	m := newMutual(t, func(c *config.Config) { c.Public.MTLSCAFile = "" })
	m.WantRefused(t, m.PostMTLS(t, m.pki.Leaf(t, "", dnsA), asking("dns-a")), oauth.InvalidClient, clientFault("cert_roots"))
	authtest.WantIssued(t, m.PostMTLS(t, m.own, asking("own-a")))
}

// TestBlueprintMustAllowTLS: an SVID is `federated`, a registered certificate
// is `tls`, and each needs its word.
func TestBlueprintMustAllowTLS(t *testing.T) {
	t.Parallel()
	m := newMutual(t, nil)
	m.Apply(t, `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: only-tls }
spec: { resources: [ { name: gateway, scopes: ["llm:read"] } ], clientAuth: [tls] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: strict-a }
spec: { blueprint: only-tls, owner: ops, sponsor: leads, tls: { sanDns: strict.example } }
`)
	cert := m.pki.Leaf(t, "", func(c *x509.Certificate) { c.DNSNames = []string{"strict.example"} })
	authtest.WantIssued(t, m.PostMTLS(t, cert, asking("strict-a")))
	if err := m.TryApply(t, `
apiVersion: tokenry/v1
kind: Agent
metadata: { name: refused-a }
spec: { blueprint: researcher, owner: ops, sponsor: leads, tls: { sanDns: refused.example } }
`); err == nil || !strings.Contains(err.Error(), "does not list tls in clientAuth") {
		t.Errorf("tls below a blueprint without it: %v", err)
	}
}
