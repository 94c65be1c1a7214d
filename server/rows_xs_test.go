package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// proveOn runs rows side by side against a server that is there already.
func proveOn(t *testing.T, as *authtest.Server, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			r.proof(t, as)
		})
	}
}

// svid is a row of SVIDs that are refused for one reason, over TLS.
func (m *mutual) svid(id string, reason oauth.Reason, changes ...func(*x509.Certificate)) row {
	return row{id, func(t *testing.T, _ *authtest.Server) {
		for _, change := range changes {
			m.WantRefused(t, m.PostMTLS(t, m.mesh.Leaf(t, meshID, change), asking(meshID)), oauth.InvalidClient, reason)
		}
	}}
}

func uris(list ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.URIs = nil
		for _, s := range list {
			u, err := url.Parse(s)
			if err != nil {
				panic(err) // written by hand
			}
			c.URIs = append(c.URIs, u)
		}
	}
}

var digitalSignature = []byte{3, 2, 7, 0x80} // BIT STRING

// usage replaces the key usage extension.
func usage(critical bool, bits []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: critical, Value: bits})
	}
}

// TestRowsXS proves X.509-SVIDs, and the rows of
// draft-ietf-oauth-spiffe-client-auth-02 about them.
func TestRowsXS(t *testing.T) {
	t.Parallel()
	m := newMutual(t, nil)
	constraints := clientFault("svid_constraints")
	proveOn(t, m.Server, []row{
		{"XS-01", func(t *testing.T, as *authtest.Server) {
			named := m.mesh.Leaf(t, meshID, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"a.example"}, []net.IP{{192, 0, 2, 1}} })
			authtest.WantIssued(t, as.PostMTLS(t, named, asking(meshID)))
			for _, list := range [][]string{{}, {meshID, "spiffe://mesh.example/agents/b"}, {meshID, "https://mesh.example"}, {meshID, meshID}} {
				as.WantRefused(t, as.PostMTLS(t, m.mesh.Leaf(t, "", uris(list...)), asking(meshID)), oauth.InvalidClient, clientFault("svid_uri_count"))
			}
		}},
		m.svid("XS-02", clientFault("svid_uri"), uris("spiffe://mesh.example"), uris("spiffe://mesh.example/")),
		m.svid("XS-03", constraints,
			func(c *x509.Certificate) { c.IsCA = true },
			func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
			func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }),
		m.svid("XS-04", constraints,
			func(c *x509.Certificate) { c.KeyUsage = 0 },
			func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement },
			usage(false, digitalSignature)),
		m.svid("XS-05", constraints,
			func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
			func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
			func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
			func(c *x509.Certificate) {
				c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 1}}
			}),
		{"XS-05 absent", func(t *testing.T, as *authtest.Server) {
			authtest.WantIssued(t, as.PostMTLS(t, m.mesh.Leaf(t, meshID, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), asking(meshID)))
		}},
		{"XS-06", func(t *testing.T, as *authtest.Server) {
			below := m.mesh.Intermediate(t, "1", nil).Intermediate(t, "2", nil)
			authtest.WantIssued(t, as.PostMTLS(t, below.Leaf(t, meshID, nil), asking(meshID)))
			a := as.PostMTLS(t, m.other.Leaf(t, meshID, nil), asking(meshID))
			if a.Status != http.StatusUnauthorized || a.Error != string(oauth.InvalidClient) || a.AccessToken != "" {
				t.Errorf("another domain's authority: %d %s", a.Status, a.Body)
			}
		}},
		{"XS-07", m.asksAndRequiresNothing},
		{"SP-06", func(t *testing.T, as *authtest.Server) {
			leaf := m.mesh.Leaf(t, meshID, nil)
			for _, id := range []string{meshID, "mesh-a"} { // the agent's name too: docs/divergences.md
				c := authtest.WantIssued(t, as.PostMTLS(t, leaf, asking(id)))
				if agent, _ := c["agent"].(map[string]any); c["sub"] != "mesh-a" || agent["spiffe_id"] != meshID {
					t.Errorf("%s: claims %v", id, c)
				}
			}
			as.WantRefused(t, as.PostMTLS(t, leaf, asking("")), oauth.InvalidClient, oauth.ReasonAuthClientID)
			for _, id := range []string{"spiffe://mesh.example/agents/b", "mesh-b", "spiffe://mesh.example/agents/a/", "SPIFFE://mesh.example/agents/a", "nobody"} {
				as.WantRefused(t, as.PostMTLS(t, leaf, asking(id)), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
			}
			as.WantRefused(t, as.PostMTLS(t, m.mesh.Leaf(t, "spiffe://mesh.example/agents/c", nil), asking("spiffe://mesh.example/agents/c")), oauth.InvalidClient, clientFault("no_binding"))
		}},
		{"SP-07", func(t *testing.T, as *authtest.Server) {
			// pki's root is in public.mtls_ca_file, which is not for SVIDs.
			as.WantRefused(t, as.PostMTLS(t, m.pki.Leaf(t, meshID, nil), asking(meshID)), oauth.InvalidClient, clientFault("svid_chain"))
		}},
	})
}

// asksAndRequiresNothing: who has no certificate, or one of nobody known, is
// not turned away by TLS.
func (m *mutual) asksAndRequiresNothing(t *testing.T, as *authtest.Server) {
	authtest.WantIssued(t, as.PostMTLS(t, nil, itself()(t, as)))
	stranger := authtest.SelfSigned(t, as.Clock, "", nil)
	authtest.WantIssued(t, as.PostMTLS(t, stranger, itself()(t, as)))
	as.WantRefused(t, as.PostMTLS(t, nil, asking(meshID)), oauth.InvalidClient, oauth.ReasonAuthNone)

	asked := false
	config := as.ClientWith(t, nil).Transport.(*http.Transport).TLSClientConfig
	config.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = len(r.AcceptableCAs) == 0 // no list of authorities: any may come
		return &tls.Certificate{}, nil
	}
	u, _ := url.Parse(as.MTLSURL)
	conn, err := tls.Dial("tcp", u.Host, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if !asked {
		t.Error("no certificate was asked for")
	}
	// The listener beside it does not ask.
	leaf := m.mesh.Leaf(t, meshID, nil)
	res, err := as.ClientWith(t, leaf).PostForm(as.PublicURL+"/token", asking(meshID))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d over the listener that does not ask", res.StatusCode)
	}
}
