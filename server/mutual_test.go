package server_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
)

const (
	meshID  = "spiffe://mesh.example/agents/a"
	otherID = "spiffe://other.example/agents/a"
)

// mutual is a server that takes client certificates, and those who sign them.
type mutual struct {
	*authtest.Server
	mesh, other *authtest.Authority // of the trust domains mesh.example and other.example
	pki         *authtest.Authority // of public.mtls_ca_file
	bundle      *authtest.TrustDomain
	signer      *authtest.Party // JWT-SVIDs of mesh.example
	own         *authtest.ClientCert
	caFile      string
}

// newMutual starts such a server. Agents mesh-a and mesh-b have SVIDs, dns-a,
// dn-a, uri-a, ip-a and mail-a names in certificates of pki, own-a one that it
// signed itself.
func newMutual(t *testing.T, change func(*config.Config)) *mutual {
	t.Helper()
	clock := &authtest.Clock{}
	m := &mutual{
		mesh: authtest.NewAuthority(t, clock, "mesh", nil), other: authtest.NewAuthority(t, clock, "other", nil),
		pki: authtest.NewAuthority(t, clock, "pki", nil), signer: authtest.NewParty(t, true),
		own: authtest.SelfSigned(t, clock, "", nil), caFile: filepath.Join(t.TempDir(), "ca.pem"),
	}
	m.bundle = authtest.NewTrustDomain(t, m.signer, m.mesh)
	root := authtest.ClientCert{Chain: [][]byte{m.pki.Certificate.Raw}}
	if err := os.WriteFile(m.caFile, []byte(root.PEM(0, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Server = authtest.StartWith(t, authtest.Options{Clock: clock, MTLS: true, Config: func(c *config.Config) {
		c.Public.MTLSCAFile = m.caFile
		if change != nil {
			change(c)
		}
	}})
	m.Apply(t, strings.NewReplacer("MESH", m.bundle.URL, "OTHER", authtest.NewTrustDomain(t, nil, m.other).URL, "KEYS", keysOf(t, m.own)).Replace(certified))
	return m
}

// behindProxy has the test's own address be a trusted proxy that forwards
// certificates in a format.
func behindProxy(format string) func(*config.Config) {
	return func(c *config.Config) {
		c.Public.ClientCertHeader = format
		c.Public.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
}

// keysOf is a JWK set with a certificate.
func keysOf(t *testing.T, c *authtest.ClientCert) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	jwk := ecJWK(t, leaf)
	jwk["kid"], jwk["x5c"] = "own", []string{base64.StdEncoding.EncodeToString(c.Chain[0])}
	raw, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func ecJWK(t *testing.T, leaf *x509.Certificate) map[string]any {
	t.Helper()
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(leaf.RawSubjectPublicKeyInfo, &info); err != nil {
		t.Fatal(err)
	}
	point := info.Key.Bytes // 4, x, y
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
}

// asking is a client that asks for itself.
func asking(client string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"}}
	if client != "" {
		form.Set("client_id", client)
	}
	return with(form, pairs)
}

// forward sends a form to the plain listener with headers.
func (m *mutual) forward(t *testing.T, form url.Values, headers http.Header) *authtest.Answer {
	t.Helper()
	return raw(t, m.Server, http.MethodPost, formType, form.Encode(), func(r *http.Request) {
		for name, values := range headers {
			r.Header[name] = values // as it is spelled
		}
	})
}

// xfcc is the header with an element for each value.
func xfcc(values ...string) http.Header { return http.Header{"X-Forwarded-Client-Cert": values} }

const certified = `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: mesh }
spec: { type: spiffe, trustDomain: mesh.example, keys: { bundleUrl: "MESH" } }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: other }
spec: { type: spiffe, trustDomain: other.example, keys: { bundleUrl: "OTHER" } }
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: certified }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  clientAuth: [federated, tls, private_key_jwt, secret]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: mesh-a }
spec:
  blueprint: certified
  owner: alice@example.com
  sponsor: leads
  credentials: [ { name: svid, issuer: mesh, subject: { exact: "spiffe://mesh.example/agents/a" }, condition: 'claims.sub.startsWith("spiffe://mesh.example/agents/")' } ]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: mesh-b }
spec:
  blueprint: certified
  owner: alice@example.com
  sponsor: leads
  credentials: [ { name: svid, issuer: mesh, subject: { exact: "spiffe://mesh.example/agents/b" } } ]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: dns-a }
spec: { blueprint: certified, owner: alice@example.com, sponsor: leads, tls: { sanDns: a.agents.example } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: dn-a }
spec: { blueprint: certified, owner: alice@example.com, sponsor: leads, tls: { subjectDn: "CN=a,OU=agents,O=Example\\, Inc." } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: uri-a }
spec: { blueprint: certified, owner: alice@example.com, sponsor: leads, tls: { sanUri: "urn:example:agents:a" } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: ip-a }
spec: { blueprint: certified, owner: alice@example.com, sponsor: leads, tls: { sanIp: 192.0.2.7 } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: mail-a }
spec: { blueprint: certified, owner: alice@example.com, sponsor: leads, tls: { sanEmail: a@agents.example } }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: own-a }
spec: { blueprint: certified, owner: alice@example.com, sponsor: leads, tls: { selfSigned: true }, jwks: KEYS }
`

// decoded reads the JSON of an answer.
func decoded(t *testing.T, res *http.Response) map[string]any {
	t.Helper()
	defer res.Body.Close()
	var d map[string]any
	if err := json.NewDecoder(res.Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// thumbprint is x5t#S256 of a certificate: RFC 8705, Section 3.1.
func thumbprint(c *authtest.ClientCert) string {
	sum := sha256.Sum256(c.Chain[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
