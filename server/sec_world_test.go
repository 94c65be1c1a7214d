package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

type object = map[string]any

// abuse is a row of the catalogue of abuse cases: tokens that are refused as
// subject_token with one fault, whoever presents them.
type abuse struct {
	id, fault string
	tokens    func(*testing.T, *authtest.Server) []string
}

// abuses makes rows: research-agent authenticates, so that each refusal is
// recorded before it is answered.
func abuses(list []abuse) []row {
	var rows []row
	for _, a := range list {
		rows = append(rows, row{a.id, func(t *testing.T, as *authtest.Server) {
			for _, token := range a.tokens(t, as) {
				as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, subjectFault(a.fault))
			}
		}})
	}
	return rows
}

// show is research-agent exchanging a token as the subject's.
func show(t *testing.T, as *authtest.Server, token string) *authtest.Answer {
	t.Helper()
	form := forAlice()(t, as)
	form.Set("subject_token", token)
	return as.Post(t, form)
}

// alice is the claims of her token at the provider of users.
func alice(t *testing.T, as *authtest.Server) authtest.Claims {
	t.Helper()
	return authtest.Payload(t, as.User(t, "alice", nil))
}

// headers makes tokens of alice's claims that the provider of users signed, with
// one header each.
func headers(texts ...string) func(*testing.T, *authtest.Server) []string {
	return func(t *testing.T, as *authtest.Server) []string {
		var tokens []string
		for _, h := range texts {
			tokens = append(tokens, as.IDP.SignRaw(t, []byte(h), encode(t, alice(t, as))))
		}
		return tokens
	}
}

// members is headers of sound tokens with members added.
func members(texts ...string) func(*testing.T, *authtest.Server) []string {
	whole := make([]string, len(texts))
	for i, m := range texts {
		whole[i] = `{"alg":"ES256","kid":"k1",` + m + `}`
	}
	return headers(whole...)
}

// payloads makes tokens of what becomes of alice's claims, as JSON; the provider
// of users signs it.
func payloads(how ...func(claims string) string) func(*testing.T, *authtest.Server) []string {
	return func(t *testing.T, as *authtest.Server) []string {
		var tokens []string
		for _, change := range how {
			text := change(string(encode(t, alice(t, as))))
			tokens = append(tokens, as.IDP.SignRaw(t, []byte(`{"alg":"ES256","kid":"k1"}`), []byte(text)))
		}
		return tokens
	}
}

// plus is payloads with members added to the claims.
func plus(members ...string) func(*testing.T, *authtest.Server) []string {
	var how []func(string) string
	for _, m := range members {
		how = append(how, func(claims string) string { return strings.TrimSuffix(claims, "}") + "," + m + "}" })
	}
	return payloads(how...)
}

// texts is payloads that are no claims at all.
func texts(all ...string) func(*testing.T, *authtest.Server) []string {
	var how []func(string) string
	for _, text := range all {
		how = append(how, func(string) string { return text })
	}
	return payloads(how...)
}

// changed makes tokens of alice whose string is changed after it was signed.
func changed(how ...func(header, payload, signature string) string) func(*testing.T, *authtest.Server) []string {
	return func(t *testing.T, as *authtest.Server) []string {
		var tokens []string
		for _, change := range how {
			h, p, s := cut(t, as.User(t, "alice", nil))
			tokens = append(tokens, change(h, p, s))
		}
		return tokens
	}
}

func cut(t *testing.T, token string) (header, payload, signature string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	return parts[0], parts[1], parts[2]
}

// provider is an OpenID provider of one row, trusted for users, that publishes
// its keys as the row likes.
type provider struct {
	*authtest.Party
	url string // its `iss`
}

// newProvider trusts a provider under name; publish makes its JWKs of those of
// a Party with one key of alg. algorithms is what the operator allows; empty =
// the default.
func newProvider(t *testing.T, as *authtest.Server, name, alg, algorithms string, publish func(jwk object) []any) provider {
	t.Helper()
	p := provider{Party: authtest.NewParty(t, false)}
	if alg != "ES256" {
		p.AddKey(t, "k2", alg)
		p.RemoveKeys()
	}
	keys, _ := p.JWKS()["keys"].([]map[string]any)
	document := encode(t, object{"keys": publish(keys[0])})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) }))
	t.Cleanup(s.Close)
	p.url = s.URL
	trust(t, as, name, p.url, algorithms)
	return p
}

// trust makes url, which publishes its keys at /jwks, a trusted issuer of users,
// for whom research-agent may act.
func trust(t *testing.T, as *authtest.Server, name, url, algorithms string) {
	t.Helper()
	if algorithms != "" {
		algorithms = ", algorithms: [" + algorithms + "]"
	}
	as.Apply(t, strings.NewReplacer("NAME", name, "URL", url, "ALGORITHMS", algorithms).Replace(`
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: NAME }
spec: { type: oidc, issuer: "URL", keys: { jwksUrl: "URL/jwks" }ALGORITHMS }
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: users-of-NAME }
spec:
  subjects: { issuer: NAME }
  actors: { blueprints: [researcher] }
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
`))
}

// only publishes the one key with changes; a nil value takes a member out.
func only(change object) func(object) []any {
	return func(jwk object) []any { return []any{altered(jwk, change)} }
}

// beside is only, with a sound key of another name beside it: a set without one
// is a set that could not be had, and would say nothing of the key.
func beside(t *testing.T, change object) func(object) []any {
	t.Helper()
	spare := authtest.NewParty(t, false).JWKS()["keys"].([]map[string]any)[0]
	return func(jwk object) []any { return []any{altered(jwk, change), altered(spare, object{"kid": "spare"})} }
}

func altered(o, change object) object {
	o = maps.Clone(o)
	for name, value := range change {
		o[name] = value
		if value == nil {
			delete(o, name)
		}
	}
	return o
}

// user is alice's claims, from this provider.
func (p provider) user(t *testing.T, as *authtest.Server) authtest.Claims {
	t.Helper()
	c := alice(t, as)
	c["iss"] = p.url
	return c
}

// token is a sound token of the provider, with changes to its header.
func (p provider) token(t *testing.T, as *authtest.Server, change object) string {
	t.Helper()
	keys, _ := p.JWKS()["keys"].([]map[string]any)
	return p.SignHeader(t, altered(object{"alg": keys[0]["alg"], "kid": keys[0]["kid"]}, change), p.user(t, as))
}

// privateKey is the ES256 key of a party, for signatures that its Party does not
// make.
func privateKey(t *testing.T, p *authtest.Party) *ecdsa.PrivateKey {
	t.Helper()
	d, err := base64.RawURLEncoding.DecodeString(fmt.Sprint(p.PrivateJWK(t)["d"]))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signature signs text for ES256.
func signature(t *testing.T, key *ecdsa.PrivateKey, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func unb64(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// ask is a request of key-agent that shows an assertion.
func ask(assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"},
		"client_assertion_type": {string(oauth.JWTBearerAssertion)}, "client_assertion": {assertion},
	}
}
