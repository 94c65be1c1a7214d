package credential_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"context"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/registry"
)

const (
	ours      = "https://as.example"
	endpoint  = ours + "/token"
	jwtURI    = "urn:ietf:params:oauth:token-type:jwt"
	idURI     = "urn:ietf:params:oauth:token-type:id_token"
	bearerURI = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	spiffeURI = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
)

// object is a JSON object.
type object = map[string]any

// signer is a foreign party with one key.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(t testing.TB, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, key}
}

// sign makes a compact JWS of its own, so that a token can be wrong in ways
// that our signer has no words for.
func (s signer) sign(t testing.TB, header, claims object) string {
	t.Helper()
	all := object{"alg": "ES256", "kid": s.kid}
	maps.Copy(all, header)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return s.signParts(t, encode(t, all), encode(t, claims))
}

func (s signer) signParts(t testing.TB, header, payload []byte) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	input := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	v.FillBytes(sig[32:])
	return input + "." + b64(sig)
}

// jwk is the public key as a JWK.
func (s signer) jwk(t testing.TB, use string) object {
	t.Helper()
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return object{"kty": "EC", "crv": "P-256", "kid": s.kid, "use": use, "x": b64(point[1:33]), "y": b64(point[33:])}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// issuer is a foreign issuer: a key and a server that publishes it.
type issuer struct {
	signer
	*httptest.Server
	fetches atomic.Int64
	down    atomic.Bool
}

func newIssuer(t testing.TB, kid string) *issuer {
	t.Helper()
	i := &issuer{signer: newSigner(t, kid)}
	mux := http.NewServeMux()
	publish := func(path string, body func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			i.fetches.Add(1)
			if i.down.Load() {
				http.Error(w, "down", http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "max-age=300")
			if err := json.NewEncoder(w).Encode(body()); err != nil {
				t.Error(err)
			}
		})
	}
	publish("/.well-known/openid-configuration", func() any {
		return object{"issuer": i.URL, "jwks_uri": i.URL + "/keys"}
	})
	publish("/keys", func() any { return object{"keys": []object{i.jwk(t, "sig")}} })
	publish("/bundle", func() any {
		return object{"keys": []object{i.jwk(t, "jwt-svid")}, "spiffe_sequence": 1, "spiffe_refresh_hint": 300}
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// world is a verifier and the registry that it reads.
type world struct {
	*credential.Verifier
	t     testing.TB
	model *registry.Model
	now   time.Time

	mu      sync.Mutex
	change  int64
	objects map[string]registry.Object
	reports []error
}

func newWorld(t testing.TB, now time.Time) *world {
	t.Helper()
	w := &world{t: t, now: now, objects: make(map[string]registry.Object)}
	clock := func() time.Time { return w.now }
	w.model = registry.NewModel(registry.ModelConfig{Fetch: w.fetch, Now: clock})
	client, err := outbound.New(outbound.Config{
		AllowHTTP: true, AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := credential.New(credential.Config{
		Issuer: ours, TokenEndpoint: endpoint, Model: w.model, Outbound: client, Now: clock,
		Report: func(_ registry.IssuerName, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reports = append(w.reports, err)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier = v
	return w
}

func (w *world) fetch(_ context.Context, after int64) ([]registry.Object, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var changed []registry.Object
	for _, o := range w.objects {
		if o.Change > after {
			changed = append(changed, o)
		}
	}
	slices.SortFunc(changed, func(a, b registry.Object) int { return int(a.Change - b.Change) })
	return changed, w.change, nil
}

// put writes an object; the same name again is its next version.
func (w *world) put(kind registry.Kind, name string, spec any) {
	w.t.Helper()
	w.write(kind, name, func(o *registry.Object) {
		o.Spec = spec
		o.Version++
	})
}

func (w *world) write(kind registry.Kind, name string, change func(*registry.Object)) {
	w.t.Helper()
	w.mu.Lock()
	w.change++
	key := string(kind) + "/" + name
	o, ok := w.objects[key]
	if !ok || o.Deleted {
		o = registry.Object{ID: fmt.Sprintf("id_%s_%d", name, w.change), Kind: kind, Name: name, State: registry.Active}
	}
	change(&o)
	o.Change = w.change
	w.objects[key] = o
	w.mu.Unlock()
	if err := w.model.Poll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// agent writes an agent with one credential.
func (w *world) agent(name string, blueprint registry.BlueprintName, c registry.Credential) {
	w.t.Helper()
	c.Name = "main"
	w.put(registry.KindAgent, name, &registry.Agent{
		Blueprint: blueprint, Owner: "alice@example.com", Sponsor: "leads", Credentials: []registry.Credential{c},
	})
}

func exact(issuer registry.IssuerName, subject string) registry.Credential {
	return registry.Credential{Issuer: issuer, Subject: registry.SubjectMatch{Exact: subject}}
}

// wantFault checks that err is a Fault of that name, from the closed list, and
// that its last check is the one that failed.
func wantFault(t testing.TB, err error, name string) *credential.Fault {
	t.Helper()
	var f *credential.Fault
	if !errors.As(err, &f) {
		t.Fatalf("error = %v, want the fault %q", err, name)
	}
	if f.Name != name {
		t.Fatalf("fault = %q (shown %q, wanted %q, %v), want %q", f.Name, f.Shown, f.Wanted, f.Err, name)
	}
	if name != credential.FaultUnavailable && !slices.Contains(credential.Faults(), name) {
		t.Errorf("fault %q is not in Faults()", name)
	}
	if len(f.Shown) > 256 || len(f.Wanted) > 256 {
		t.Errorf("shown or wanted is longer than 256 bytes")
	}
	for i, c := range f.Checks {
		if last := i == len(f.Checks)-1; c.OK == last {
			t.Errorf("check %d %q: ok = %v", i, c.Name, c.OK)
		}
	}
	return f
}

// row is one token: a change to a good one, and the fault that it must meet
// ("" = accepted).
type row struct {
	id     string
	change func(header, claims object)
	want   string
}

// set returns a change of one claim.
func set(name string, value any) func(h, c object) {
	return func(_, c object) { c[name] = value }
}

// drop returns a change that removes a claim.
func drop(name string) func(h, c object) {
	return func(_, c object) { delete(c, name) }
}

// typ returns a change of the header's typ.
func typ(value any) func(h, c object) {
	return func(h, _ object) { h["typ"] = value }
}

// rawJSON is a value as it stands in the JSON.
func rawJSON(s string) json.RawMessage { return json.RawMessage(s) }

// run verifies every row as its own test.
func run(t *testing.T, rows []row, good func() (object, object), verify func(t *testing.T, header, claims object) error) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			header, claims := good()
			if r.change != nil {
				r.change(header, claims)
			}
			err := verify(t, header, claims)
			if r.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			wantFault(t, err, r.want)
		})
	}
}

var t0 = time.Unix(1795168800, 0) // the clock of the wire vectors
