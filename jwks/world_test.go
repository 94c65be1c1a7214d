package jwks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/outbound"
)

type object = map[string]any

// jwk is a new public key as a JWK.
func jwk(t testing.TB, kid, use string) object {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return object{"kty": "EC", "crv": "P-256", "kid": kid, "use": use, "x": b64(point[1:33]), "y": b64(point[33:])}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// set is a JWK set with new keys of those kids.
func set(t testing.TB, kids ...string) string {
	t.Helper()
	keys := []object{}
	for _, kid := range kids {
		keys = append(keys, jwk(t, kid, "sig"))
	}
	return encode(t, object{"keys": keys})
}

// page is what a provider answers on one path.
type page struct {
	status int // 0 = 200
	body   string
	header string // Cache-Control
}

// provider is a foreign issuer on real HTTP.
type provider struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]page
	asked []string      // paths, in order
	gate  chan struct{} // answers wait until it is closed; nil = they do not
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{pages: make(map[string]page)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.URL.Path)
	answer, ok := p.pages[r.URL.Path]
	gate := p.gate
	p.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	if answer.header != "" {
		w.Header().Set("Cache-Control", answer.header)
	}
	if answer.status != 0 {
		w.WriteHeader(answer.status)
	}
	w.Write([]byte(answer.body))
}

func (p *provider) put(path string, answer page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[path] = answer
}

// hold makes answers wait until the returned function is called.
func (p *provider) hold(t testing.TB) (release func()) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	gate := make(chan struct{})
	p.gate = gate
	release = sync.OnceFunc(func() {
		p.mu.Lock()
		p.gate = nil
		p.mu.Unlock()
		close(gate)
	})
	t.Cleanup(release)
	return release
}

func (p *provider) fetches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func (p *provider) paths() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// world is one set and its clock.
type world struct {
	*jwks.Set
	t   testing.TB
	mu  sync.Mutex
	now time.Time
	say []string // what was reported
}

func newWorld(t testing.TB, source jwks.Source) *world {
	t.Helper()
	return newWorldOf(t, jwks.Config{Source: source})
}

func newWorldOf(t testing.TB, c jwks.Config) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1795168800, 0)}
	c.Now = w.clock
	c.Report = func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.say = append(w.say, err.Error())
	}
	if c.Client == nil {
		c.Client = client(t, 10*time.Second)
	}
	s, err := jwks.New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.Set = s
	return w
}

func client(t testing.TB, timeout time.Duration) *outbound.Client {
	t.Helper()
	c, err := outbound.New(outbound.Config{
		AllowHTTP: true, AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) reports() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.say)
}

// outcome of a request for kid: "ok", a fault, "unavailable" or "stale".
func (w *world) outcome(kid string) string {
	w.t.Helper()
	key, err := w.Key(w.t.Context(), "ES256", kid)
	if err != nil && strings.Contains(err.Error(), "%!") {
		w.t.Errorf("error = %v", err)
	}
	var fault *jose.Error
	switch {
	case err == nil && key.Kid == kid && key.Public != nil:
		return "ok"
	case errors.As(err, &fault):
		return string(fault.Fault)
	case errors.Is(err, jwks.ErrStale):
		return "stale"
	case errors.Is(err, jwks.ErrUnavailable):
		return "unavailable"
	}
	w.t.Fatalf("kid %q: key %+v, error %v", kid, key, err)
	return ""
}

func (w *world) want(kid, outcome string) {
	w.t.Helper()
	if got := w.outcome(kid); got != outcome {
		w.t.Fatalf("kid %q: %s, want %s", kid, got, outcome)
	}
}

func (w *world) wantNoAuthorities(want error) {
	w.t.Helper()
	if got, err := w.Authorities(w.t.Context()); !errors.Is(err, want) || got != nil {
		w.t.Fatalf("%d authorities, error %v, want %v", len(got), err, want)
	}
}

// wantFetches waits until p was asked n times in all: what is fetched in the
// background comes a little later.
func (w *world) wantFetches(p *provider, n int) {
	w.t.Helper()
	until(w.t, func() bool { return p.fetches() >= n })
	if got := p.fetches(); got != n {
		w.t.Fatalf("%d fetches, want %d: %v", got, n, p.paths())
	}
}

func until(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
		time.Sleep(time.Millisecond)
	}
}

// wantFreshFor fails the test unless k1 is served without a second fetch for as
// long as d, and fetched again then.
func (w *world) wantFreshFor(p *provider, d time.Duration) {
	w.t.Helper()
	w.want("k1", "ok")
	w.pass(d - 1)
	w.want("k1", "ok")
	time.Sleep(20 * time.Millisecond) // for a fetch that should not be
	w.wantFetches(p, 1)
	w.pass(1)
	w.want("k1", "ok")
	w.wantFetches(p, 2)
}

// settled waits until what was fetched in the background is in force.
func (w *world) settled(kid, outcome string) {
	w.t.Helper()
	until(w.t, func() bool { return w.outcome(kid) == outcome })
}

func wantReports(t testing.TB, w *world, parts ...string) {
	t.Helper()
	said := w.reports()
	ok := len(said) == len(parts)
	for i := 0; ok && i < len(parts); i++ {
		ok = strings.Contains(said[i], parts[i])
	}
	if !ok {
		t.Errorf("reported %q, want %q", said, parts)
	}
}
