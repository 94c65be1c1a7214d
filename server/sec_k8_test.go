package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestSecurityK8 proves the abuse cases of Kubernetes tokens. Where a case names
// a subject token, the same token is tried as client assertion where that could
// differ. SEC-K8-04, SEC-K8-05 and SEC-K8-16 are about pins and patterns and are
// tested with the matching of credentials.
func TestSecurityK8(t *testing.T) {
	t.Parallel()
	prove(t, append(reviewedTokens(), []row{
		// Of a legacy token the first thing that is missing is told; here it is exp alone.
		{"SEC-K8-01", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", authtest.Claims{"exp": nil})), oauth.InvalidRequest, subjectFault("exp_missing"))
			legacy := as.ServiceAccount(t, "research", authtest.Claims{"exp": nil, "iss": "kubernetes/serviceaccount"})
			as.WantRefused(t, bootstrapped(t, as, legacy), oauth.InvalidRequest, subjectFault("issuer_unknown"))
		}},
		{"SEC-K8-06", func(t *testing.T, as *authtest.Server) {
			for _, aud := range []string{"https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local", as.Cluster.URL} {
				as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", authtest.Claims{"aud": aud})), oauth.InvalidRequest, subjectFault("aud"))
			}
		}},
		{"SEC-K8-07", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now()
			extended := kubernetesIO("research", authtest.Claims{"warnafter": now.Unix() + 3607})
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", extended)), oauth.InvalidRequest, subjectFault("lifetime"))
			extended["exp"] = now.AddDate(1, 0, 0).Unix()
			as.WantRefused(t, bootstrapped(t, as, as.ServiceAccount(t, "research", extended)), oauth.InvalidRequest, subjectFault("lifetime"))
		}},
		{"SEC-K8-08", func(t *testing.T, as *authtest.Server) {
			other := as.ServiceAccount(t, "research", kubernetesIO("research", authtest.Claims{"namespace": "b"}))
			as.WantRefused(t, bootstrapped(t, as, other), oauth.InvalidRequest, subjectFault("claim_conflict"))
		}},
		{"SEC-K8-09", func(t *testing.T, as *authtest.Server) {
			for _, claim := range []any{nil, "prod", []string{"prod"}, 1, true} {
				odd := as.ServiceAccount(t, "research", authtest.Claims{"kubernetes.io": claim})
				as.WantRefused(t, bootstrapped(t, as, odd), oauth.InvalidRequest, subjectFault("claim_type"))
			}
		}},
		{"SEC-K8-10", func(t *testing.T, as *authtest.Server) {
			const shared = "https://kubernetes.default.svc.cluster.local"
			one, two := authtest.NewParty(t, false), authtest.NewParty(t, false)
			trust := func(name, iss string, p *authtest.Party) string {
				keys, err := json.Marshal(p.JWKS())
				if err != nil {
					t.Fatal(err)
				}
				return "---\napiVersion: tokenry/v1\nkind: TrustedIssuer\nmetadata: { name: " + name + " }\n" +
					`spec: { type: kubernetes, issuer: "` + iss + `", keys: { jwks: ` + string(keys) + " } }\n"
			}
			as.Apply(t, trust("k8-10-one", shared, one)+boundTo("k8-10-agent", "k8-10-one", "prod/runner", ""))
			if err := as.TryApply(t, trust("k8-10-two", shared, two)); err == nil || !strings.Contains(err.Error(), "k8-10-one") {
				t.Errorf("a second cluster with the same iss: %v", err)
			}
			as.Apply(t, trust("k8-10-two", "https://two.example", two))
			mint := func(p *authtest.Party, iss string) string {
				now := as.Clock.Now().Unix()
				claims := kubernetesIO("runner", nil)
				claims["iss"], claims["sub"], claims["aud"], claims["iat"], claims["exp"] = iss, "system:serviceaccount:prod:runner", as.Issuer, now, now+600
				return p.Sign(t, "", claims)
			}
			authtest.WantIssued(t, bootstrapped(t, as, mint(one, shared)))
			as.WantRefused(t, bootstrapped(t, as, mint(two, shared)), oauth.InvalidRequest, subjectFault("signature"))
			as.WantRefused(t, bootstrapped(t, as, mint(two, "https://two.example")), oauth.InvalidRequest, oauth.ReasonNoBinding)
		}},
		// The case says exchange.no_binding; a binding is there, its condition does not hold.
		{"SEC-K8-17", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, boundTo("k8-17-agent", "prod-cluster", "prod/seventeen", `claims["kubernetes.io"].pod.name.startsWith("seventeen-")`))
			post := func(change authtest.Claims) *authtest.Answer {
				return bootstrapped(t, as, as.ServiceAccount(t, "seventeen", kubernetesIO("seventeen", change)))
			}
			authtest.WantIssued(t, post(authtest.Claims{"pod": authtest.Claims{"name": "seventeen-0", "uid": "p-1"}, "node": authtest.Claims{"name": "n"}}))
			for _, other := range []string{"node", "secret"} {
				as.WantRefused(t, post(authtest.Claims{other: authtest.Claims{"name": "seventeen-0", "uid": "x-1"}}), oauth.InvalidRequest, oauth.ReasonNoBinding)
			}
		}},
	}...))
}

// reviewedTokens are the cases in which the cluster is asked.
func reviewedTokens() []row {
	return []row{
		{"SEC-K8-02", func(t *testing.T, as *authtest.Server) {
			c := cluster(t, as, "k8-02", true)
			token := c.Token(t, as.Issuer, "prod/runner", nil)
			a := bootstrapped(t, as, token)
			authtest.WantIssued(t, a)
			wantProof(t, as, a, "reviewed")
			c.Delete("pod/prod/runner-0")
			as.WantRefused(t, bootstrapped(t, as, token), oauth.InvalidRequest, subjectFault("inactive"))
			if c.Token(t, as.Issuer, "prod/runner", nil); c.Reviews() != 2 {
				t.Errorf("asked %d times, want once for each request", c.Reviews())
			}
			as.WantRefused(t, bootstrapped(t, as, token), oauth.InvalidRequest, subjectFault("inactive")) // the pod is back, as another one
		}},
		// offlineMaxAge counts from iat: whoever deletes a pod then knows when the
		// last token of it is dead.
		{"SEC-K8-03", func(t *testing.T, as *authtest.Server) {
			c := cluster(t, as, "k8-03", true, "onOutage: offline", "offlineMaxAge: 20m")
			aged := func(age time.Duration) string {
				now := as.Clock.Now()
				return c.Token(t, as.Issuer, "prod/runner", authtest.Claims{"iat": now.Add(-age).Unix(), "exp": now.Add(30 * time.Minute).Unix()})
			}
			dead := aged(time.Minute)
			c.Delete("pod/prod/runner-0")
			as.WantRefused(t, bootstrapped(t, as, dead), oauth.InvalidRequest, subjectFault("inactive")) // asked while it answers
			c.BreakStatus(http.StatusServiceUnavailable)
			for _, accepted := range []*authtest.Answer{bootstrapped(t, as, aged(19*time.Minute)), asserted(t, as, aged(19*time.Minute))} {
				authtest.WantIssued(t, accepted)
				wantProof(t, as, accepted, "offline")
			}
			as.WantRefused(t, bootstrapped(t, as, aged(21*time.Minute)), oauth.InvalidRequest, subjectFault("too_old"))
			as.WantRefused(t, asserted(t, as, aged(21*time.Minute)), oauth.InvalidClient, clientFault("too_old"))
			d := cluster(t, as, "k8-03-default", true, "onOutage: offline")
			d.BreakStatus(http.StatusServiceUnavailable)
			now := as.Clock.Now()
			as.WantRefused(t, bootstrapped(t, as, d.Token(t, as.Issuer, "prod/runner", authtest.Claims{"iat": now.Add(-11 * time.Minute).Unix(), "exp": now.Add(30 * time.Minute).Unix()})), oauth.InvalidRequest, subjectFault("too_old"))
			authtest.WantIssued(t, bootstrapped(t, as, d.Token(t, as.Issuer, "prod/runner", authtest.Claims{"iat": now.Add(-9 * time.Minute).Unix(), "exp": now.Add(30 * time.Minute).Unix()})))
		}},
		{"SEC-K8-11", reviewOutages},
		{"SEC-K8-12", func(t *testing.T, as *authtest.Server) {
			wantChanged(t, as, "k8-12", "aud",
				func(s map[string]any) { delete(s, "audiences") },
				func(s map[string]any) { s["audiences"] = []string{} },
				func(s map[string]any) { s["audiences"] = []string{"https://kubernetes.default.svc"} },
				func(s map[string]any) { s["audiences"] = []string{as.Issuer + "/"} },
				func(s map[string]any) { s["audiences"] = []any{as.Issuer, 1} },
			)
		}},
		{"SEC-K8-13", func(t *testing.T, as *authtest.Server) {
			user := func(change func(user map[string]any)) func(map[string]any) {
				return func(s map[string]any) { change(s["user"].(map[string]any)) }
			}
			wantChanged(t, as, "k8-13", "claim_conflict",
				user(func(u map[string]any) { u["username"] = "system:serviceaccount:prod:admin" }),
				user(func(u map[string]any) { u["username"] = []string{"system:serviceaccount:prod:runner"} }),
				user(func(u map[string]any) { delete(u, "username") }),
				user(func(u map[string]any) { u["uid"] = "another" }),
				user(func(u map[string]any) { u["uid"] = 1 }),
				func(s map[string]any) { s["user"] = "system:serviceaccount:prod:runner" },
				func(s map[string]any) { delete(s, "user") },
			)
		}},
		{"SEC-K8-14", func(t *testing.T, as *authtest.Server) {
			c := wantChanged(t, as, "k8-14", "inactive",
				func(s map[string]any) { delete(s, "authenticated") },
				func(s map[string]any) { s["authenticated"] = false },
				func(s map[string]any) { s["authenticated"] = "true" },
				func(s map[string]any) { s["authenticated"] = nil },
				func(s map[string]any) { s["error"] = "no such thing" },
			)
			for _, body := range []string{`{}`, `{"status":null}`, `{"status":true}`, `{"authenticated":true}`} {
				c.Break(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
				as.WantRefused(t, bootstrapped(t, as, c.Token(t, as.Issuer, "prod/runner", nil)), oauth.InvalidRequest, subjectFault("inactive"))
			}
		}},
		// The case says issuer.fetch_failed; what cannot be fetched is issuer.unavailable here.
		{"SEC-K8-15", func(t *testing.T, as *authtest.Server) {
			c := cluster(t, as, "k8-15", true)
			authtest.WantIssued(t, bootstrapped(t, as, c.Token(t, as.Issuer, "prod/runner", nil)))
			var mu sync.Mutex
			var shown []string
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				shown = append(shown, r.Header.Get("Authorization"))
				_ = json.NewEncoder(w).Encode(c.JWKS())
			}))
			t.Cleanup(other.Close)
			as.Apply(t, strings.Replace(c.Manifest("k8-15", true), "discovery: true", `jwksUrl: "`+other.URL+`"`, 1))
			authtest.WantIssued(t, bootstrapped(t, as, c.Token(t, as.Issuer, "prod/runner", nil)))
			mu.Lock()
			defer mu.Unlock()
			for _, header := range append(shown, c.Shown()...) {
				if header != "" {
					t.Error("a request for keys carries an Authorization header")
				}
			}
			if len(shown) == 0 || len(c.Shown()) == 0 || c.Reviews() != 2 {
				t.Errorf("%d and %d requests for keys, %d reviews", len(shown), len(c.Shown()), c.Reviews())
			}
		}},
	}
}

// reviewOutages: an API server that gives no answer makes the request unanswered,
// not wrong, and takes nothing from other clusters.
func reviewOutages(t *testing.T, as *authtest.Server) {
	c := cluster(t, as, "k8-11", true)
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	breaks := map[string]http.HandlerFunc{
		"garbage": text("<html>"), "two answers": text(`{"status":{"authenticated":true}}{}`), "a member twice": text(`{"status":{},"status":{"authenticated":true}}`),
		"an endless one": text(strings.Repeat(" ", 1<<20) + "{}"),
		"none in time":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, c.URL+"/elsewhere", http.StatusTemporaryRedirect)
		},
		"none at all": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for _, code := range []int{400, 401, 403, 404, 429, 500, 503} {
		breaks[http.StatusText(code)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	token := c.Token(t, as.Issuer, "prod/runner", nil)
	want := func(name string, a *authtest.Answer, reason oauth.Reason) {
		t.Helper()
		as.WantRefused(t, a, oauth.TemporarilyUnavailable, reason)
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", name)
		}
	}
	for name, how := range breaks {
		c.Break(how)
		want(name, bootstrapped(t, as, token), subjectFault("review_unavailable"))
	}
	want("assertion", asserted(t, as, token), clientFault("review_unavailable"))
	want("grant", as.Post(t, granted(token)), grantFault("review_unavailable"))
	form := as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil), "actor_token", token, "actor_token_type", string(oauth.JWTType)))
	want("actor token", as.Post(t, form), oauth.TokenFault(oauth.AreaActor, "review_unavailable"))
	authtest.WantIssued(t, bootstrapped(t, as, as.ServiceAccount(t, "research", nil)))
	c.Break(nil)
	authtest.WantIssued(t, bootstrapped(t, as, token))
	// Under other roots its certificate is nobody's, and our token stays here.
	before := c.Reviews()
	as.Apply(t, c.Manifest("k8-11", true, `caFile: "`+otherRoots(t)+`"`))
	want("TLS", bootstrapped(t, as, token), subjectFault("review_unavailable"))
	if c.Reviews() != before {
		t.Error("it was asked under a certificate that nobody vouches for")
	}
}

// otherRoots is a file with a CA that has signed nothing.
func otherRoots(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantChanged has a cluster answer with each change of its status, and wants its
// tokens refused.
func wantChanged(t *testing.T, as *authtest.Server, name, fault string, changes ...func(map[string]any)) *authtest.APIServer {
	t.Helper()
	c := cluster(t, as, name, true)
	token := c.Token(t, as.Issuer, "prod/runner", nil)
	authtest.WantIssued(t, bootstrapped(t, as, token))
	for _, change := range changes {
		c.Change(change)
		as.WantRefused(t, bootstrapped(t, as, token), oauth.InvalidRequest, subjectFault(fault))
		as.WantRefused(t, asserted(t, as, token), oauth.InvalidClient, clientFault(fault))
	}
	c.Change(nil)
	authtest.WantIssued(t, bootstrapped(t, as, token))
	return c
}

// wantProof wants the event and the trace of an issued token to say how it was
// found that the credential still lives.
func wantProof(t *testing.T, as *authtest.Server, a *authtest.Answer, review string) {
	t.Helper()
	if ev := as.Event(t, a.DecisionID); !strings.Contains(string(ev.Detail), `"r":"`+review+`"`) {
		t.Errorf("the event does not say %s: %s", review, ev.Detail)
	}
	d, err := as.Admin.Decision(t.Context(), a.DecisionID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range d.Checks {
		if strings.HasSuffix(c.Name, " review") && c.OK && c.Shown == review {
			return
		}
	}
	t.Errorf("the trace does not say %s: %+v", review, d.Checks)
}

// TestReviewComesLast: a token that is not good offline makes us call nobody, and
// our own token is replaced without a restart.
func TestReviewComesLast(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	as := authtest.StartWith(t, authtest.Options{Log: &log})
	c := cluster(t, as, "reviewed", true)
	good := c.Token(t, as.Issuer, "prod/runner", nil)
	for name, token := range map[string]string{
		"signature": good[:len(good)-8] + "AAAAAAAA",
		"audience":  c.Token(t, "https://other.example", "prod/runner", nil),
		"expired":   c.Token(t, as.Issuer, "prod/runner", authtest.Claims{"exp": as.Clock.Now().Unix() - 1}),
		"binding":   c.Token(t, as.Issuer, "prod/stranger", nil),
	} {
		if a := bootstrapped(t, as, token); a.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if c.Reviews() != 0 {
		t.Errorf("asked %d times about tokens that were bad anyway", c.Reviews())
	}
	c.RotateToken(t)
	authtest.WantIssued(t, bootstrapped(t, as, good))
	for range 2 {
		c.BreakStatus(http.StatusForbidden)
		as.WantRefused(t, bootstrapped(t, as, good), oauth.TemporarilyUnavailable, subjectFault("review_unavailable"))
	}
	said := log.String()
	if strings.Count(said, "asking its API server about a token: our own token is not accepted") != 1 {
		t.Errorf("the log, which should say once that our token is not accepted: %s", said)
	}
	if strings.Contains(said, "bearer-") || strings.Contains(said, good[:40]) {
		t.Error("a token is in the log")
	}
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the log.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is the log so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
