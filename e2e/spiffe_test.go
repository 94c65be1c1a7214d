package e2e_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// spiffeWorld is a server that trusts two trust domains from two sources.
type spiffeWorld struct {
	as              *authtest.Server
	prod, partner   *authtest.SPIFFE
	agent, stranger *workloadapi.JWTSource // workload /a of each
	x509            *workloadapi.X509Source
}

// newSPIFFEWorld registers spiffe.example by the Workload API of an agent beside
// the server, and partner.example by a bundle endpoint that shows an X.509-SVID.
func newSPIFFEWorld(t *testing.T) *spiffeWorld {
	t.Helper()
	as := authtest.Start(t)
	w := &spiffeWorld{as: as, prod: authtest.NewSPIFFE(t, "spiffe.example", as.Clock), partner: authtest.NewSPIFFE(t, "partner.example", as.Clock)}
	w.partner.RefreshHint(10 * time.Second)
	beside := w.prod.WorkloadAPI(t, "/tokenry")
	at := w.partner.SPIFFEEndpoint(t, w.partner, "/spire/server")
	as.Apply(t, strings.NewReplacer(
		"SOCKET", beside.Address, "BUNDLE", at.URL, "CAFILE", w.partner.CAFile(t),
	).Replace(`
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
`))
	home := w.prod.WorkloadAPI(t, "/a")
	w.agent, w.stranger = jwtSource(t, home), jwtSource(t, w.partner.WorkloadAPI(t, "/a"))
	var err error
	if w.x509, err = workloadapi.NewX509Source(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr(home.Address))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.x509.Close() })
	return w
}

func jwtSource(t *testing.T, api *authtest.WorkloadAPI) *workloadapi.JWTSource {
	t.Helper()
	s, err := workloadapi.NewJWTSource(t.Context(), workloadapi.WithClientOptions(workloadapi.WithAddr(api.Address)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// token has a workload get a token as a program of its own would: an SVID from
// go-spiffe, a form, and what the answer says.
func (w *spiffeWorld) token(t *testing.T, source *workloadapi.JWTSource, audience string) (*authtest.Answer, *jwtsvid.SVID) {
	t.Helper()
	svid, err := source.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: audience})
	if err != nil {
		t.Fatal(err)
	}
	return w.show(t, svid.Marshal()), svid
}

func (w *spiffeWorld) show(t *testing.T, svid string) *authtest.Answer {
	t.Helper()
	return w.as.Post(t, url.Values{
		"grant_type": {string(oauth.ClientCredentials)}, "resource": {"https://gateway.example"}, "scope": {"llm:read"},
		"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {svid},
	})
}

// TestSPIFFE holds the server against go-spiffe, from Workload API to token.
func TestSPIFFE(t *testing.T) {
	t.Parallel()
	w := newSPIFFEWorld(t)
	t.Run("JWT-SVID", w.jwtSVIDs)
	t.Run("X.509-SVID", w.x509SVIDs)
	t.Run("rotation", w.rotation)
	t.Run("apart", w.apart)
}

// jwtSVIDs: each workload is its own agent.
func (w *spiffeWorld) jwtSVIDs(t *testing.T) {
	for agent, source := range map[string]*workloadapi.JWTSource{"home-agent": w.agent, "partner-agent": w.stranger} {
		a, svid := w.token(t, source, w.as.Issuer)
		claims := authtest.WantIssued(t, a)
		if claims["sub"] != agent || claims["client_id"] != agent {
			t.Errorf("sub %v, client_id %v, want %s", claims["sub"], claims["client_id"], agent)
		}
		if id := claims["agent"].(object)["spiffe_id"]; id != nil && id != svid.ID.String() {
			t.Errorf("spiffe_id %v, want %s", id, svid.ID)
		}
	}
	if a, _ := w.token(t, w.agent, "https://other.example"); a.Error != string(oauth.InvalidClient) {
		t.Errorf("an SVID for somebody else: %d %s", a.Status, a.Body)
	}
}

// x509SVIDs is the place for what is shown to the listener for mutual TLS. Until
// then it holds the test kit's X.509-SVIDs against go-spiffe, in a handshake.
func (w *spiffeWorld) x509SVIDs(t *testing.T) {
	svid, err := w.x509.GetX509SVID()
	if err != nil {
		t.Fatal(err)
	}
	if want := w.prod.ID("/a"); svid.ID.String() != want {
		t.Errorf("SPIFFE ID %s, want %s", svid.ID, want)
	}
	minted := w.prod.X509SVID(t, "/b")
	domain := spiffeid.RequireTrustDomainFromString(w.prod.Domain)
	id, _, err := x509svid.ParseAndVerify(minted.Certificate, x509bundle.FromX509Authorities(domain, w.prod.Authorities()), x509svid.WithTime(w.as.Clock.Now()))
	if err != nil || id.Path() != "/b" {
		t.Errorf("ID %s, error %v", id, err)
	}
}

// rotation: new authorities are published, sign, and replace the old; no request
// fails, and what the old ones signed is refused once they are gone.
func (w *spiffeWorld) rotation(t *testing.T) {
	for d, source := range map[*authtest.SPIFFE]*workloadapi.JWTSource{w.prod: w.agent, w.partner: w.stranger} {
		issued := func(when string) {
			t.Helper()
			if a, _ := w.token(t, source, w.as.Issuer); a.AccessToken == "" {
				t.Errorf("%s, %s: %d %s", d.Domain, when, a.Status, a.Body)
			}
		}
		issued("before")
		d.Prepare(t)
		issued("with the next keys published")
		w.wait(t, d)
		old := d.JWTSVID(t, "/a", w.as.Issuer, authtest.Claims{"exp": w.as.Clock.Now().Add(50 * time.Minute).Unix()})
		d.Activate()
		issued("with the next keys signing")
		authtest.WantIssued(t, w.show(t, old))
		d.Retire()
		w.wait(t, d)
		issued("with the old keys gone")
		soon(t, "the old keys are refused", func() bool { return w.show(t, old).Error == string(oauth.InvalidClient) })
	}
}

// wait lets what a domain has published reach the server, as a real domain does
// before it signs with it: pushed by the Workload API, or fetched.
func (w *spiffeWorld) wait(t *testing.T, d *authtest.SPIFFE) {
	t.Helper()
	w.as.Advance(t, 11*time.Second) // the refresh hint of a bundle endpoint
	soon(t, "the next key is known", func() bool {
		return w.show(t, d.NextJWTSVID(t, "/a", w.as.Issuer, nil)).AccessToken != ""
	})
}

// apart: no key of one domain serves for the other.
func (w *spiffeWorld) apart(t *testing.T) {
	for from, to := range map[*authtest.SPIFFE]*authtest.SPIFFE{w.prod: w.partner, w.partner: w.prod} {
		a := w.show(t, from.JWTSVID(t, "/a", w.as.Issuer, authtest.Claims{"sub": to.ID("/a")}))
		w.as.WantRefused(t, a, oauth.InvalidClient, oauth.TokenFault(oauth.AreaClient, "kid_unknown"))
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
