package e2e_test

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// spiffeWorld is a server that trusts two trust domains from two sources.
type spiffeWorld struct {
	as            *authtest.Server
	home, partner *workload // /a of each domain
	fleet         *workload // one of many, for which nobody registered an agent
}

// workload is a program that has its identity from a Workload API, by go-spiffe.
type workload struct {
	as     *authtest.Server
	domain *authtest.SPIFFE
	path   string
	agent  string // whom it stands for

	jwt  *workloadapi.JWTSource
	x509 *workloadapi.X509Source
	tls  *http.Client // shows the X.509-SVID of the moment
}

// newSPIFFEWorld registers spiffe.example by the Workload API of an agent beside
// the server, and partner.example by a bundle endpoint that shows an X.509-SVID.
func newSPIFFEWorld(t *testing.T) *spiffeWorld {
	t.Helper()
	as := authtest.StartWith(t, authtest.Options{MTLS: true})
	home, partner := authtest.NewSPIFFE(t, "spiffe.example", as.Clock), authtest.NewSPIFFE(t, "partner.example", as.Clock)
	partner.RefreshHint(10 * time.Second)
	at := partner.SPIFFEEndpoint(t, partner, "/spire/server")
	as.Apply(t, strings.NewReplacer(
		"SOCKET", home.WorkloadAPI(t, "/tokenry").Address, "BUNDLE", at.URL, "CAFILE", partner.CAFile(t),
	).Replace(spiffeResources))
	return &spiffeWorld{
		as:      as,
		home:    newWorkload(t, as, home, "/a", "home-agent"),
		partner: newWorkload(t, as, partner, "/a", "partner-agent"),
		fleet:   newWorkload(t, as, home, "/fleet/r7", "fleet/r7"),
	}
}

const spiffeResources = `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: spiffe }
spec: { type: spiffe, trustDomain: spiffe.example, keys: { workloadApi: "SOCKET" } }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: partner }
spec:
  type: spiffe
  trustDomain: partner.example
  keys: { bundleUrl: "BUNDLE", bundleProfile: https_spiffe, endpointSpiffeId: "spiffe://partner.example/spire/server" }
  caFile: CAFILE
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: home-agent }
spec:
  blueprint: researcher
  owner: carol@example.com
  sponsor: research-leads
  credentials: [ { name: svid, issuer: spiffe, subject: { exact: "spiffe://spiffe.example/a" } } ]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: partner-agent }
spec:
  blueprint: researcher
  owner: carol@example.com
  sponsor: research-leads
  credentials: [ { name: svid, issuer: partner, subject: { exact: "spiffe://partner.example/a" } } ]
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: fleet }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials: [ { name: pods, issuer: spiffe, subject: { prefix: "spiffe://spiffe.example/fleet/" }, maxInstances: 2 } ]
`

func newWorkload(t *testing.T, as *authtest.Server, domain *authtest.SPIFFE, path, agent string) *workload {
	t.Helper()
	w := &workload{as: as, domain: domain, path: path, agent: agent}
	beside := workloadapi.WithClientOptions(workloadapi.WithAddr(domain.WorkloadAPI(t, path).Address))
	var err error
	if w.jwt, err = workloadapi.NewJWTSource(t.Context(), beside); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.jwt.Close() })
	if w.x509, err = workloadapi.NewX509Source(t.Context(), beside); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.x509.Close() })
	// Without a connection that is kept, each request shows what the source has
	// by then. The server's own certificate is one of the web.
	w.tls = &http.Client{Transport: &http.Transport{TLSClientConfig: tlsconfig.MTLSWebClientConfig(w.x509, as.Roots), DisableKeepAlives: true}}
	return w
}

func (w *workload) id() string { return w.domain.ID(w.path) }

// asking is what every client here asks for, for itself.
func asking(pairs ...string) url.Values {
	form := url.Values{"grant_type": {string(oauth.ClientCredentials)}, "resource": {"https://gateway.example"}, "scope": {"llm:read"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// byJWT gets a token as a program of its own would: a JWT-SVID from go-spiffe,
// a form, and what the answer says.
func (w *workload) byJWT(t *testing.T, audience string) *authtest.Answer {
	t.Helper()
	svid, err := w.jwt.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	return w.show(t, svid.Marshal())
}

// show shows any JWT-SVID.
func (w *workload) show(t *testing.T, svid string) *authtest.Answer {
	t.Helper()
	return w.as.Post(t, asking("client_assertion_type", string(oauth.SPIFFEAssertion), "client_assertion", svid))
}

// byX509 gets a token with the X.509-SVID that go-spiffe shows in the handshake.
func (w *workload) byX509(t *testing.T, clientID string) *authtest.Answer {
	t.Helper()
	return w.as.PostBy(t, w.tls, asking("client_id", clientID))
}

// present shows any X.509-SVID, as w.
func (w *workload) present(t *testing.T, svid *authtest.ClientCert) *authtest.Answer {
	t.Helper()
	return w.as.PostMTLS(t, svid, asking("client_id", w.id()))
}

// wantToken fails the test unless the answer is a token of the workload's agent.
// With full somebody else's library verifies it.
func (w *workload) wantToken(t *testing.T, a *authtest.Answer, full bool) {
	t.Helper()
	claims := authtest.WantIssued(t, a)
	if full {
		_, claims = verified(t, w.as, a.AccessToken, "https://gateway.example")
	}
	if claims["sub"] != w.agent || claims["client_id"] != w.agent || claims["agent"].(object)["spiffe_id"] != w.id() {
		t.Errorf("claims %v, want those of %s with SPIFFE ID %s", claims, w.agent, w.id())
	}
}

func clientFault(name string) oauth.Reason { return oauth.TokenFault(oauth.AreaClient, name) }

// TestSPIFFE holds the server against go-spiffe, from Workload API to token.
func TestSPIFFE(t *testing.T) {
	t.Parallel()
	w := newSPIFFEWorld(t)
	t.Run("JWT-SVID", w.jwtSVIDs)
	t.Run("X.509-SVID", w.x509SVIDs)
	t.Run("instances", w.instances)
	t.Run("rotation", w.rotation)
	t.Run("apart", w.apart)
}

// jwtSVIDs: each workload is its own agent.
func (w *spiffeWorld) jwtSVIDs(t *testing.T) {
	for _, one := range []*workload{w.home, w.partner} {
		one.wantToken(t, one.byJWT(t, w.as.Issuer), true)
	}
	w.as.WantRefused(t, w.home.byJWT(t, "https://other.example"), oauth.InvalidClient, clientFault("aud"))
}

// x509SVIDs: the same workloads are the same agents in a handshake, and nobody
// else, whatever they call themselves.
func (w *spiffeWorld) x509SVIDs(t *testing.T) {
	for one, other := range map[*workload]*workload{w.home: w.partner, w.partner: w.home} {
		a := one.byX509(t, one.id())
		one.wantToken(t, a, true)
		if ev := w.as.Event(t, a.DecisionID); !strings.Contains(string(ev.Detail), `"m":"spiffe_x509"`) {
			t.Errorf("authenticated otherwise: %s", ev.Detail)
		}
		for _, name := range []string{other.id(), other.agent} {
			if a := one.byX509(t, name); a.Error != string(oauth.InvalidClient) || a.AccessToken != "" {
				t.Errorf("%s as %s: %d %s", one.id(), name, a.Status, a.Body)
			}
		}
	}
}

// instances: a SPIFFE ID is one instance, whichever SVID shows it first.
func (w *spiffeWorld) instances(t *testing.T) {
	w.fleet.wantToken(t, w.fleet.byX509(t, w.fleet.id()), true)
	w.fleet.wantToken(t, w.fleet.byJWT(t, w.as.Issuer), true)

	second := newWorkload(t, w.as, w.fleet.domain, "/fleet/r8", "fleet/r8")
	second.wantToken(t, second.byJWT(t, w.as.Issuer), false)
	second.wantToken(t, second.byX509(t, second.id()), false)

	made, err := w.as.Admin.AllAgents(t.Context(), api.AgentFilter{Instances: api.OnlyInstances})
	if err != nil || len(made) != 2 {
		t.Fatalf("%d instances, want two: %v, %v", len(made), made, err)
	}
	for i, one := range []*workload{w.fleet, second} {
		if got := made[i].Status.Instance; made[i].Metadata.Name != one.agent || got.Subject != one.id() {
			t.Errorf("instance %s of %s, want %s of %s", made[i].Metadata.Name, got.Subject, one.agent, one.id())
		}
	}
	// There is no room for a third, by either.
	third := newWorkload(t, w.as, w.fleet.domain, "/fleet/r9", "fleet/r9")
	w.as.WantRefused(t, third.byX509(t, third.id()), oauth.TemporarilyUnavailable, oauth.ReasonInstances)
	w.as.WantRefused(t, third.byJWT(t, w.as.Issuer), oauth.TemporarilyUnavailable, oauth.ReasonInstances)
}

// rotation: new authorities are published, sign, and replace the old; no request
// fails, and what the old ones signed is refused once they are gone.
func (w *spiffeWorld) rotation(t *testing.T) {
	for _, one := range []*workload{w.home, w.partner} {
		issued := func(when string) {
			t.Helper()
			for kind, a := range map[string]*authtest.Answer{"JWT-SVID": one.byJWT(t, w.as.Issuer), "X.509-SVID": one.byX509(t, one.id())} {
				if a.AccessToken == "" {
					t.Errorf("%s by %s, %s: %d %s", one.id(), kind, when, a.Status, a.Body)
				}
			}
		}
		issued("before")
		one.domain.Prepare(t)
		issued("with the next keys published")
		one.wait(t)
		oldJWT := one.domain.JWTSVID(t, one.path, w.as.Issuer, authtest.Claims{"exp": w.as.Clock.Now().Add(50 * time.Minute).Unix()})
		oldX509 := one.domain.X509SVID(t, one.path)
		one.domain.Activate()
		one.renewed(t)
		issued("with the next keys signing")
		authtest.WantIssued(t, one.show(t, oldJWT))
		authtest.WantIssued(t, one.present(t, oldX509))
		one.domain.Retire()
		one.wait(t)
		issued("with the old keys gone")
		soon(t, "the old keys are refused", func() bool {
			return one.show(t, oldJWT).AccessToken == "" && one.present(t, oldX509).AccessToken == ""
		})
		w.as.WantRefused(t, one.show(t, oldJWT), oauth.InvalidClient, clientFault("kid_unknown"))
		w.as.WantRefused(t, one.present(t, oldX509), oauth.InvalidClient, clientFault("svid_chain"))
		issued("after that")
	}
}

// wait lets what a domain has published reach the server, as a real domain does
// before it signs with it: pushed by the Workload API, or fetched. The two kinds
// of keys come by two streams there.
func (w *workload) wait(t *testing.T) {
	t.Helper()
	w.as.Advance(t, 11*time.Second) // the refresh hint of a bundle endpoint
	soon(t, "the next keys are known", func() bool {
		return w.show(t, w.domain.NextJWTSVID(t, w.path, w.as.Issuer, nil)).AccessToken != "" &&
			w.present(t, w.domain.NextX509SVID(t, w.path)).AccessToken != ""
	})
}

// renewed lets go-spiffe have the X.509-SVID that the new authority has signed.
func (w *workload) renewed(t *testing.T) {
	t.Helper()
	authorities := w.domain.Authorities()
	soon(t, "the X.509-SVID is a new one", func() bool {
		svid, err := w.x509.GetX509SVID()
		return err == nil && svid.Certificates[0].CheckSignatureFrom(authorities[len(authorities)-1]) == nil
	})
}

// apart: no key of one domain serves for the other.
func (w *spiffeWorld) apart(t *testing.T) {
	for from, to := range map[*workload]*workload{w.home: w.partner, w.partner: w.home} {
		forged := from.domain.JWTSVID(t, "/a", w.as.Issuer, authtest.Claims{"sub": to.id()})
		w.as.WantRefused(t, to.show(t, forged), oauth.InvalidClient, clientFault("kid_unknown"))

		id, err := url.Parse(to.id())
		if err != nil {
			t.Fatal(err)
		}
		cert := from.domain.X509SVIDWith(t, "/a", func(c *x509.Certificate) { c.URIs = []*url.URL{id} })
		w.as.WantRefused(t, to.present(t, cert), oauth.InvalidClient, clientFault("svid_trust_domain"))
	}
}

func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s still not: %s", what)
		}
	}
}
