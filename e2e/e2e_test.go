// Package e2e holds the server against clients and verifiers that are not
// ours: npm jose and openid-client, in the scripts beside this file.
package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

type object = map[string]any

// script runs one of the scripts. ok is false when it ended with an error,
// which is in failure. environ is added to its environment.
func script(t *testing.T, name string, input object, environ ...string) (out object, failure string, ok bool) {
	t.Helper()
	if _, err := os.Stat("node_modules/jose"); err != nil {
		t.Fatal("the independent libraries are not installed; run: make e2e/node_modules")
	}
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	cmd.Env = append(os.Environ(), environ...)
	err = cmd.Run()
	if stdout.Len() > 0 {
		if jsonErr := json.Unmarshal(stdout.Bytes(), &out); jsonErr != nil {
			t.Fatalf("%s printed %q: %v", name, stdout.String(), jsonErr)
		}
	}
	return out, stderr.String(), err == nil
}

// verified has npm jose verify a token with the published keys.
func verified(t *testing.T, as *authtest.Server, token, audience string) (header, claims object) {
	t.Helper()
	out, failure, ok := script(t, "verify.mjs", object{
		"token": token, "issuer": as.Issuer, "audience": audience,
		"jwks_uri": as.PublicURL + "/.well-known/jwks.json", "now": as.Clock.Now().Unix(),
	}, "NODE_EXTRA_CA_CERTS="+as.CAFile)
	if !ok {
		t.Fatalf("npm jose refuses the token: %s", failure)
	}
	return out["header"].(object), out["claims"].(object)
}

// TestTwoHops is the main job from end to end: a user's token becomes the
// research agent's, then the analysis agent's, and somebody else's library
// verifies the result.
func TestTwoHops(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	started := as.Clock.Now().Truncate(time.Second)

	first := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil))))
	authtest.WantIssued(t, first)
	second := as.Post(t, as.As(t, "analysis", authtest.ExchangeForm(first.AccessToken,
		"subject_token_type", string(oauth.AccessTokenType), "scope", "llm:read")))
	authtest.WantIssued(t, second)

	header, claims := verified(t, as, second.AccessToken, "https://gateway.example")
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" { // RFC 9068, Section 2.1
		t.Errorf("header %v", header)
	}
	exp, iat := claims["exp"].(float64), claims["iat"].(float64)
	now := as.Clock.Now().Unix()
	if int64(iat) < started.Unix() || int64(iat) > now {
		t.Errorf("iat %v, want now", iat)
	}
	if exp-iat != float64(second.ExpiresIn) || exp <= float64(now) {
		t.Errorf("exp is %v after iat, expires_in %d", exp-iat, second.ExpiresIn)
	}
	firstExp := authtest.Payload(t, first.AccessToken)["exp"].(float64)
	if exp > firstExp {
		t.Errorf("the second token outlives the first: %v > %v", exp, firstExp)
	}
	// The rest of RFC 9068, Section 2.2 and RFC 8693, Section 4.1, member by member.
	for _, varying := range []string{"exp", "iat", "jti", "txn", "auth_time"} {
		if claims[varying] == nil || claims[varying] == "" {
			t.Errorf("no %s", varying)
		}
		delete(claims, varying)
	}
	want := object{
		"iss": as.Issuer, "sub": "corp-idp|alice", "aud": "https://gateway.example", "client_id": "analysis-agent", "scope": "llm:read",
		"acr": "phr", "amr": []any{"hwk"},
		"act": object{
			"sub": "analysis-agent", "iss": as.Issuer, "sub_profile": "ai_agent",
			"act": object{"sub": "research-agent", "iss": as.Issuer, "sub_profile": "ai_agent"},
		},
		"agent": object{"blueprint": "analyst", "version": float64(1)},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	// The trail tells the same story, in order.
	one, two := as.Event(t, first.DecisionID), as.Event(t, second.DecisionID)
	if two.Parent != one.JTI || two.Txn != one.Txn || one.Txn == "" || two.Actor != "analysis-agent" {
		t.Errorf("events %+v and %+v", one, two)
	}
}

// TestVerifierRefuses: what the independent verifier accepts above would mean
// nothing if it accepted these.
func TestVerifierRefuses(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	a := as.Post(t, as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil))))
	authtest.WantIssued(t, a)
	good := object{
		"token": a.AccessToken, "issuer": as.Issuer, "audience": "https://gateway.example",
		"jwks_uri": as.PublicURL + "/.well-known/jwks.json", "now": as.Clock.Now().Unix(),
	}
	parts := strings.Split(a.AccessToken, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(string(payload), "alice", "malik", 1)
	for name, change := range map[string]object{
		"another audience": {"audience": "https://payments.example"},
		"another issuer":   {"issuer": "https://other.example"},
		"later":            {"now": as.Clock.Now().Add(time.Hour).Unix()},
		"another payload":  {"token": parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(forged)) + "." + parts[2]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := object{}
			for k, v := range good {
				input[k] = v
			}
			for k, v := range change {
				input[k] = v
			}
			if out, _, ok := script(t, "verify.mjs", input); ok {
				t.Errorf("accepted: %v", out)
			}
		})
	}
}

// TestClientsOfOthers: openid-client finds the server by its metadata and gets
// tokens by each way of authentication that it knows.
func TestClientsOfOthers(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	secret := as.Secret(t, "secret-agent")
	exchange := func() object {
		return object{"subject_token": as.User(t, "alice", nil), "subject_token_type": string(oauth.JWTType), "resource": "https://gateway.example"}
	}
	for name, row := range map[string]struct {
		input object
		sub   string
		act   []string
	}{
		"secret in the body":    {object{"client_id": "secret-agent", "client_secret": secret, "parameters": exchange()}, "corp-idp|alice", []string{"secret-agent"}},
		"secret in the header":  {object{"client_id": "secret-agent", "client_secret": secret, "method": "client_secret_basic", "parameters": exchange()}, "corp-idp|alice", []string{"secret-agent"}},
		"private_key_jwt":       {object{"client_id": "key-agent", "private_jwk": as.KeyAgent.PrivateJWK(t), "parameters": exchange()}, "corp-idp|alice", []string{"key-agent"}},
		"the OpenID document":   {object{"client_id": "key-agent", "private_jwk": as.KeyAgent.PrivateJWK(t), "document": "oidc", "parameters": exchange()}, "corp-idp|alice", []string{"key-agent"}},
		"client_credentials":    {object{"client_id": "key-agent", "private_jwk": as.KeyAgent.PrivateJWK(t), "grant_type": "client_credentials", "parameters": object{"resource": "https://gateway.example"}}, "key-agent", nil},
		"client_secret for cc":  {object{"client_id": "secret-agent", "client_secret": secret, "grant_type": "client_credentials", "parameters": object{}}, "secret-agent", nil},
		"narrower by parameter": {object{"client_id": "key-agent", "private_jwk": as.KeyAgent.PrivateJWK(t), "grant_type": "client_credentials", "parameters": object{"resource": "https://gateway.example", "scope": "llm:read"}}, "key-agent", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.input["issuer"] = as.Issuer
			out, failure, ok := script(t, "discover.mjs", row.input)
			if !ok {
				t.Fatal(failure)
			}
			token := out["response"].(object)["access_token"].(string)
			_, claims := verified(t, as, token, "https://gateway.example")
			if claims["sub"] != row.sub || cmp.Diff(row.act, authtest.Actors(claims)) != "" {
				t.Errorf("sub %v, actors %v; want %s, %v", claims["sub"], authtest.Actors(claims), row.sub, row.act)
			}
		})
	}
}

// TestRefusalsReachOtherClients: an error that the client's own library cannot
// read would be no error to its user.
func TestRefusalsReachOtherClients(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	key := as.KeyAgent.PrivateJWK(t)
	user := as.User(t, "alice", nil)
	for name, row := range map[string]struct {
		parameters object
		want       oauth.Code
	}{
		"a scope too far":  {object{"subject_token": user, "resource": "https://gateway.example", "scope": "vault:open"}, oauth.InvalidScope},
		"a strange target": {object{"subject_token": user, "resource": "https://nowhere.example"}, oauth.InvalidTarget},
		"a bad token":      {object{"subject_token": "x.y.z", "resource": "https://gateway.example"}, oauth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.parameters["subject_token_type"] = string(oauth.JWTType)
			_, failure, ok := script(t, "discover.mjs", object{"issuer": as.Issuer, "client_id": "key-agent", "private_jwk": key, "parameters": row.parameters})
			var said struct{ Error string }
			if ok || json.Unmarshal([]byte(failure), &said) != nil || said.Error != string(row.want) {
				t.Errorf("the client read %q, want %s", failure, row.want)
			}
		})
	}
}

// TestSPIFFEIDAsClientID: the SPIFFE ID just proven may stand for the name.
func TestSPIFFEIDAsClientID(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	a := as.Post(t, url.Values{
		"grant_type": {string(oauth.ClientCredentials)}, "client_id": {"spiffe://prod.example/agents/research/r7"},
		"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {as.SVID(t, "/agents/research/r7", nil)},
		"resource": {"https://gateway.example"}, "scope": {"llm:read"},
	})
	authtest.WantIssued(t, a)
	_, claims := verified(t, as, a.AccessToken, "https://gateway.example")
	agent := claims["agent"].(object)
	if claims["client_id"] != "svid-agent" || agent["spiffe_id"] != "spiffe://prod.example/agents/research/r7" {
		t.Errorf("claims %v", claims)
	}
}
