package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/oauth"
)

// guarded reaches 127.0.0.1 alone, so that the rest of this machine stands for
// what a key endpoint must not lead to.
func guarded(c *config.Config) {
	c.Trust.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
}

// internal is a server on another address than those that may be reached.
func internal(t *testing.T) (url string, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	server := &http.Server{
		Handler: page(map[string]any{"keys": []any{}}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			connections.Add(map[http.ConnState]int64{http.StateNew: 1}[state])
		},
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String(), connections
}

// keysAt is an OpenID provider whose keys are at a site, and a rule for its
// users.
func keysAt(t *testing.T, as *authtest.Server, name, keysURL string) *authtest.Party {
	t.Helper()
	p := authtest.NewParty(t, false)
	as.Apply(t, strings.NewReplacer("NAME", name, "ISSUER", p.URL, "KEYS", keysURL).Replace(userIssuer))
	return p
}

const userIssuer = `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: NAME }
spec: { type: oidc, issuer: "ISSUER", keys: { jwksUrl: "KEYS" } }
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: NAME-users }
spec:
  subjects: { issuer: NAME }
  actors: { blueprints: [researcher] }
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
`

// ofUser is research-agent exchanging a token of a provider's user.
func ofUser(t *testing.T, as *authtest.Server, p *authtest.Party, header map[string]any) *authtest.Answer {
	t.Helper()
	now := as.Clock.Now()
	all := map[string]any{"alg": "ES256", "kid": "k1"}
	maps.Copy(all, header)
	token := p.SignHeader(t, all, authtest.Claims{"iss": p.URL, "sub": "u", "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()})
	return as.Post(t, forAlice("subject_token", token, "scope", "llm:read")(t, as))
}

// endless writes until the client has gone.
func endless(part []byte, pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(part); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(pause)
		}
	}
}

// timed is how long 20 exchanges take.
func timed(exchange func()) time.Duration {
	start := time.Now()
	for range 20 {
		exchange()
	}
	return time.Since(start)
}

// wantNoWait: 20 exchanges take about as long as usual, and not the 5 s of a
// fetch that hangs.
func wantNoWait(t *testing.T, usual time.Duration, exchange func()) {
	t.Helper()
	if took := timed(exchange); took > 4*usual+3*time.Second {
		t.Errorf("20 exchanges with known keys took %s, usually %s", took, usual)
	}
}

func redirect(to string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }
}

// TestKeyEndpoints has the key endpoint of a provider go wrong in every way.
// Exchanges with keys that are known go on without a wait; first ones are told
// to come back; nothing is followed; and nothing of it reaches others.
func TestKeyEndpoints(t *testing.T) {
	t.Parallel()
	inside, connections := internal(t)
	var bomb bytes.Buffer
	packed := gzip.NewWriter(&bomb)
	for range 64 {
		if _, err := packed.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	packed.Close()
	private := func(keys map[string]any) map[string]any {
		key := maps.Clone(keys["keys"].([]map[string]any)[0])
		key["d"] = key["x"]
		return map[string]any{"keys": []any{key}}
	}
	for _, row := range []struct {
		name  string
		wrong func(keys map[string]any) http.HandlerFunc
	}{
		{"F-44 away", func(map[string]any) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}},
		{"F-44 error", func(map[string]any) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}},
		{"F-45 hangs", func(map[string]any) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		}},
		{"F-45 hangs after the headers", func(map[string]any) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		}},
		{"SEC-SF-12 drips", func(map[string]any) http.HandlerFunc { return endless([]byte(" "), 100*time.Millisecond) }},
		{"SEC-SF-12 endless", func(map[string]any) http.HandlerFunc { return endless(make([]byte, 64<<10), 0) }},
		{"SEC-SF-12 10 MiB", func(map[string]any) http.HandlerFunc {
			return page(map[string]any{"keys": []any{}, "x": strings.Repeat("x", 10<<20)})
		}},
		{"SEC-JE-07 gzip bomb", func(map[string]any) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			}
		}},
		{"F-46 HTML", func(map[string]any) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }
		}},
		{"F-46 truncated", func(map[string]any) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"keys":[{"kty":"EC"`) }
		}},
		{"SEC-SF-20 an error", func(map[string]any) http.HandlerFunc { return page(map[string]any{"error": "server_error"}) }},
		{"SEC-SF-20 null", func(map[string]any) http.HandlerFunc { return page(map[string]any{"keys": nil}) }},
		{"SEC-SF-20 empty", func(map[string]any) http.HandlerFunc { return page(map[string]any{"keys": []any{}}) }},
		{"SEC-SF-13 too many keys", func(keys map[string]any) http.HandlerFunc {
			var many []any
			for range 10_000 {
				many = append(many, keys["keys"].([]map[string]any)[0])
			}
			return page(map[string]any{"keys": many})
		}},
		{"SEC-SF-15 private", func(keys map[string]any) http.HandlerFunc { return page(private(keys)) }},
		{"SEC-SF-15 oct", func(map[string]any) http.HandlerFunc {
			return page(map[string]any{"keys": []any{map[string]any{"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}}})
		}},
		{"SEC-SF-10 to the metadata service", func(map[string]any) http.HandlerFunc {
			return redirect("http://169.254.169.254/latest/meta-data/", http.StatusFound)
		}},
		{"SEC-SF-10 to another host", func(map[string]any) http.HandlerFunc { return redirect(inside, http.StatusMovedPermanently) }},
		{"SEC-SF-10 to another host, by 307", func(map[string]any) http.HandlerFunc { return redirect(inside, http.StatusTemporaryRedirect) }},
		{"SEC-SF-10 to another host, by 308", func(map[string]any) http.HandlerFunc { return redirect(inside, http.StatusPermanentRedirect) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			as := authtest.StartWith(t, authtest.Options{Config: guarded})
			at := newSite(t, http.NotFound)
			known := keysAt(t, as, "known", at.URL)
			keys := known.JWKS()
			at.put(page(keys))
			exchange := func() { authtest.WantIssued(t, ofUser(t, as, known, nil)) }
			usual := timed(exchange)

			at.put(row.wrong(keys))
			as.Advance(t, 5*time.Minute)
			wantNoWait(t, usual, exchange)
			until(t, "it is fetched", func() bool { return at.asked.Load() == 2 })

			first := keysAt(t, as, "first", at.URL)
			wantUnavailable(t, as, ofUser(t, as, first, nil))
			authtest.WantIssued(t, ofUser(t, as, known, nil))
			authtest.WantIssued(t, as.Post(t, forAlice()(t, as))) // whom it does not concern

			at.put(page(first.JWKS())) // it is asked again by itself
			as.Advance(t, time.Minute)
			authtest.WantIssued(t, ofUser(t, as, first, nil))
		})
	}
	t.Cleanup(func() {
		if n := connections.Load(); n != 0 {
			t.Errorf("%d connections to what a redirect names", n)
		}
	})
}

// Two keys of one name are none, and a bad key beside a good one is alone bad.
func TestKeyEndpointsOfSomeKeys(t *testing.T) { // SEC-KH-14, SEC-SF-14, SEC-SF-15
	t.Parallel()
	as := authtest.Start(t)
	at := newSite(t, http.NotFound)
	p := keysAt(t, as, "some", at.URL)
	good := p.JWKS()["keys"].([]map[string]any)[0]
	twin := maps.Clone(authtest.NewParty(t, false).JWKS()["keys"].([]map[string]any)[0])
	lost := maps.Clone(twin)
	lost["kid"], lost["d"] = "lost", lost["x"]
	at.put(page(map[string]any{"keys": []any{lost, good}}))
	authtest.WantIssued(t, ofUser(t, as, p, nil))
	as.WantRefused(t, ofUser(t, as, p, map[string]any{"kid": "lost"}), oauth.InvalidRequest, subjectFault("kid_unknown"))
	at.put(page(map[string]any{"keys": []any{good, twin}}))
	as.Advance(t, 5*time.Minute)
	until(t, "the twin is there", func() bool { return ofUser(t, as, p, nil).AccessToken == "" })
	as.WantRefused(t, ofUser(t, as, p, nil), oauth.InvalidRequest, subjectFault("kid_ambiguous"))
}

// No registered place is inside, and no name of one leads there.
func TestKeyEndpointsInside(t *testing.T) { // SEC-SF-01, SEC-SF-02, SEC-SF-05, SEC-SF-11, SEC-SF-29
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Config: guarded})
	inside, connections := internal(t)
	for _, url := range []string{
		inside, "http://169.254.169.254/keys", "https://169.254.169.254/keys", "https://10.0.0.1/keys", "https://[fd00:ec2::254]/keys", "https://0x7f.1/keys", "https://2130706433/keys",
		"gopher://127.0.0.1/keys", "file:///etc/keys", "https://a:b@idp.example/keys", "https://8.8.8.8:6379/keys",
	} {
		for _, keys := range []string{"oidc, issuer: \"https://idp.example\", keys: { jwksUrl", "spiffe, trustDomain: in.example, keys: { bundleUrl"} {
			err := as.TryApply(t, "apiVersion: tokenry/v1\nkind: TrustedIssuer\nmetadata: { name: inside }\nspec: { type: "+keys+": \""+url+"\" } }\n")
			if err == nil {
				t.Errorf("%s is registered", url)
			}
		}
	}
	// Discovery that names an inner place for the keys.
	at := newSite(t, nil)
	at.put(page(map[string]any{"issuer": at.URL, "jwks_uri": inside}))
	as.Apply(t, strings.NewReplacer("NAME", "mover", "ISSUER", at.URL, `jwksUrl: "KEYS"`, "discovery: true").Replace(userIssuer))
	p := &authtest.Party{URL: at.URL}
	p.AddKey(t, "k1", "ES256")
	wantUnavailable(t, as, ofUser(t, as, p, nil))
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to the inside", n)
	}
}

// TestUnknownKidFlood: strangers with made-up kids cost an issuer one fetch in
// 30 s, and others nothing.
func TestUnknownKidFlood(t *testing.T) { // SEC-SF-16
	t.Parallel()
	as := authtest.Start(t)
	at := newSite(t, http.NotFound)
	p := keysAt(t, as, "flooded", at.URL)
	at.put(page(p.JWKS()))
	authtest.WantIssued(t, ofUser(t, as, p, nil))
	flood := func() {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 25 {
					a := ofUser(t, as, p, map[string]any{"kid": fmt.Sprintf("x%d.%d", i, j)})
					if a.Error != string(oauth.InvalidRequest) || a.ErrorCode != string(subjectFault("kid_unknown").Public()) {
						t.Errorf("%d %s", a.Status, a.Body)
					}
				}
			})
		}
		wg.Wait()
	}
	for n := range int64(3) {
		flood()
		as.Advance(t, 10*time.Second)
		flood()
		if got := at.asked.Load(); got != n+2 {
			t.Fatalf("%d fetches after %d floods, want %d", got, n+1, n+2)
		}
		authtest.WantIssued(t, ofUser(t, as, p, nil))
		as.Advance(t, 31*time.Second)
	}
}

// TestKeysChangeUnderLoad: a rotation without overlap, and then two sets that
// take turns. Nobody is told that the server is at fault, and the provider is
// not asked all the time.
func TestKeysChangeUnderLoad(t *testing.T) { // fault F-47, fault F-48
	t.Parallel()
	as := authtest.Start(t)
	at := newSite(t, http.NotFound)
	p := keysAt(t, as, "rotating", at.URL)
	next := &authtest.Party{URL: p.URL}
	next.AddKey(t, "k2", "ES256")
	at.put(page(p.JWKS()))
	authtest.WantIssued(t, ofUser(t, as, p, nil))
	as.Advance(t, 31*time.Second)

	at.put(page(next.JWKS()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if a := ofUser(t, as, next, map[string]any{"kid": "k2"}); a.AccessToken == "" {
					t.Errorf("with the new key: %d %s", a.Status, a.Body)
				}
			}
		})
	}
	wg.Wait()
	as.WantRefused(t, ofUser(t, as, p, nil), oauth.InvalidRequest, subjectFault("kid_unknown"))
	if n := at.asked.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}

	for second := range 60 {
		at.put(page([]*authtest.Party{p, next}[second%2].JWKS()))
		as.Advance(t, time.Second)
		for range 4 {
			wg.Go(func() {
				for _, a := range []*authtest.Answer{ofUser(t, as, p, nil), ofUser(t, as, next, map[string]any{"kid": "k2"})} {
					if a.AccessToken == "" && a.ErrorCode != string(subjectFault("kid_unknown").Public()) {
						t.Errorf("%d %s", a.Status, a.Body)
					}
				}
			})
		}
		wg.Wait()
	}
	if n := at.asked.Load(); n > 5 {
		t.Errorf("%d fetches in a minute of flapping", n-2)
	}
}

// TestAllIssuersRotateAtOnce: key endpoints that hang take 32 fetches and no
// more, and exchanges with keys that are known go on beside them.
func TestAllIssuersRotateAtOnce(t *testing.T) { // fault F-49
	t.Parallel()
	const issuers = 80
	as := authtest.Start(t)
	var all strings.Builder
	release := make(chan struct{})
	hanging := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			http.NotFound(w, r)
		case <-r.Context().Done():
		}
	})
	party := authtest.NewParty(t, false)
	for i := range issuers {
		if i > 0 {
			all.WriteString("---")
		}
		all.WriteString(strings.NewReplacer("NAME", fmt.Sprintf("i%d", i), "ISSUER", fmt.Sprintf("%s/%d", party.URL, i), "KEYS", fmt.Sprintf("%s/%d", hanging.URL, i)).Replace(userIssuer))
	}
	as.Apply(t, all.String())
	exchange := func() { authtest.WantIssued(t, as.Post(t, forAlice()(t, as))) }
	usual := timed(exchange)
	var wg sync.WaitGroup
	for i := range issuers {
		wg.Go(func() {
			now := as.Clock.Now()
			token := party.Sign(t, "JWT", authtest.Claims{
				"iss": fmt.Sprintf("%s/%d", party.URL, i), "sub": "u", "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			})
			if a := as.Post(t, forAlice("subject_token", token)(t, as)); a.Status != http.StatusServiceUnavailable {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	until(t, "the fetches begin", func() bool { return hanging.now.Load() >= 32 })
	time.Sleep(300 * time.Millisecond) // for those that should not
	if most := hanging.most.Load(); most > 32 {
		t.Errorf("%d fetches at once", most)
	}
	wantNoWait(t, usual, exchange)
	close(release)
	wg.Wait()
	if n := hanging.asked.Load(); n > issuers {
		t.Errorf("%d fetches for %d issuers", n, issuers)
	}
}

// TestAuthoritiesRotateHourly: a week of hourly rotations, each published one
// refresh before it signs.
func TestAuthoritiesRotateHourly(t *testing.T) { // fault F-52
	t.Parallel()
	as := authtest.Start(t)
	domain := authtest.NewSPIFFE(t, "week.example", as.Clock)
	at := domain.SPIFFEEndpoint(t, domain, "/spire/server")
	trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+at.URL+`", bundleProfile: https_spiffe, endpointSpiffeId: "`+domain.ID("/spire/server")+`"`, `, caFile: "`+domain.CAFile(t)+`"`)
	authtest.WantIssued(t, workload(t, as, domain))
	for range 7 * 24 {
		domain.Prepare(t)
		as.Advance(t, 10*time.Minute)
		authtest.WantIssued(t, workload(t, as, domain))
		domain.Activate()
		as.Advance(t, 10*time.Minute)
		authtest.WantIssued(t, workload(t, as, domain))
		domain.Retire()
		as.Advance(t, 40*time.Minute)
		authtest.WantIssued(t, workload(t, as, domain))
	}
}
