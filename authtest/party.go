package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Claims are the claims of a token that a Party mints.
type Claims map[string]any

// Party is somebody else's issuer on real HTTP: an OpenID provider, a
// Kubernetes cluster or a SPIFFE trust domain. It signs whatever it is told,
// sound or not; the signatures are made here and not in package jose, so that
// a fault there cannot hide itself.
type Party struct {
	URL string // of its HTTP server; the `iss` of what it mints

	mu      sync.Mutex
	keys    []partyKey
	fetches int
	bundle  bool
}

type partyKey struct {
	kid string
	alg string
	key crypto.Signer
}

// NewParty starts an issuer whose first key is an ES256 key called "k1". With
// bundle its keys are published as a SPIFFE bundle at /bundle; otherwise as a
// JWK set with OpenID discovery.
func NewParty(t testing.TB, bundle bool) *Party {
	t.Helper()
	p := &Party{bundle: bundle}
	p.AddKey(t, "k1", "ES256")
	srv := httptest.NewServer(p.routes())
	t.Cleanup(srv.Close)
	p.URL = srv.URL
	return p
}

func (p *Party) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/jwks"})
	})
	mux.HandleFunc("GET /jwks", p.serveKeys)
	mux.HandleFunc("GET /bundle", p.serveKeys)
	return mux
}

func (p *Party) serveKeys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	p.fetches++
	p.mu.Unlock()
	writeJSON(w, p.JWKS())
}

// Fetches is how often the keys were fetched.
func (p *Party) Fetches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

// AddKey makes another key; the newest signs.
func (p *Party) AddKey(t testing.TB, kid, alg string) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("authtest: no key for %s", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, partyKey{kid: kid, alg: alg, key: key})
}

// RemoveKeys forgets all keys but the newest.
func (p *Party) RemoveKeys() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = p.keys[len(p.keys)-1:]
}

// JWKS is the public JWK set, or SPIFFE bundle.
func (p *Party) JWKS() map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []map[string]any
	for _, k := range p.keys {
		jwk := publicJWK(k.key.Public())
		jwk["kid"] = k.kid
		if p.bundle {
			jwk["use"] = "jwt-svid"
		} else {
			jwk["use"], jwk["alg"] = "sig", k.alg
		}
		keys = append(keys, jwk)
	}
	set := map[string]any{"keys": keys}
	if p.bundle {
		set["spiffe_sequence"], set["spiffe_refresh_hint"] = len(p.keys), 300
	}
	return set
}

// PrivateJWK is the newest key with its private half, for a client that signs
// its own assertions. The key must be an ES256 one.
func (p *Party) PrivateJWK(t testing.TB) map[string]any {
	t.Helper()
	k := p.newest()
	private, ok := k.key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("authtest: the newest key is a %T", k.key)
	}
	d, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwk := publicJWK(private.Public())
	jwk["kid"], jwk["alg"], jwk["d"] = k.kid, k.alg, base64.RawURLEncoding.EncodeToString(d)
	return jwk
}

// Key is the newest key, which must be an ES256 one.
func (p *Party) Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, ok := p.newest().key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("authtest: the newest key is a %T", p.newest().key)
	}
	return key
}

// PartyOf is a Party with one ES256 key that is there already, and no server.
func PartyOf(kid string, key *ecdsa.PrivateKey) *Party {
	return &Party{keys: []partyKey{{kid: kid, alg: "ES256", key: key}}}
}

// Sign mints a token of claims with the newest key. typ may be empty.
func (p *Party) Sign(t testing.TB, typ string, claims Claims) string {
	t.Helper()
	k := p.newest()
	header := map[string]any{"alg": k.alg, "kid": k.kid}
	if typ != "" {
		header["typ"] = typ
	}
	return p.SignHeader(t, header, claims)
}

func (p *Party) newest() partyKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[len(p.keys)-1]
}

// SignHeader mints a token with any header, sound or not, signed by the newest
// key as its own algorithm says. HS256 is signed with the public key's JWK as
// secret, the way an attacker would; none is not signed.
func (p *Party) SignHeader(t testing.TB, header map[string]any, claims Claims) string {
	t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return p.SignRaw(t, h, c)
}

// SignRaw mints a token of header and payload bytes as they are.
func (p *Party) SignRaw(t testing.TB, header, payload []byte) string {
	t.Helper()
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	var h struct {
		Alg any `json:"alg"`
	}
	_ = json.Unmarshal(header, &h) // a header may be broken on purpose
	k := p.newest()
	var sig []byte
	switch h.Alg {
	case "none":
	case "HS256":
		secret, _ := json.Marshal(publicJWK(k.key.Public()))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		sig = mac.Sum(nil)
	default:
		sig = rawSign(t, k.key, input)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func rawSign(t testing.TB, key crypto.Signer, input string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		sig, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return sig
	case ed25519.PrivateKey:
		return ed25519.Sign(k, []byte(input))
	}
	t.Fatalf("authtest: cannot sign with %T", key)
	return nil
}

func publicJWK(pub crypto.PublicKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4, x, y: SEC 1, Section 2.3.3
		if err != nil {
			panic(err) // made here, on P-256
		}
		return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(k)}
	}
	panic(fmt.Sprintf("authtest: no JWK for %T", pub))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a test whose client went away fails elsewhere
}
