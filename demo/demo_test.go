package demo_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/demo"
	"github.com/tokenry/tokenry/jose"
)

const audience = "http://127.0.0.1:8080"

// start serves a world as `dev` does.
func start(t *testing.T, dir string) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.Start()
	t.Cleanup(srv.Close)
	w, err := demo.New(demo.Config{URL: srv.URL, Audience: audience, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = w.Handler()
	return srv.URL
}

func get(t *testing.T, url string, v any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", url, resp.StatusCode, data)
	}
	if raw, ok := v.(*[]byte); ok {
		*raw = data
		return
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

// verified fetches a token and checks it as a relying party would: discovery,
// keys, signature.
func verified(t *testing.T, issuer, query string) jose.Object {
	t.Helper()
	var d struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	get(t, issuer+"/.well-known/openid-configuration", &d)
	if d.Issuer != issuer {
		t.Errorf("discovery says issuer %q, want %q", d.Issuer, issuer)
	}
	var raw []byte
	get(t, d.JWKSURI, &raw)
	set, skipped, err := jose.ReadSet(raw)
	if err != nil || len(skipped) > 0 {
		t.Fatal(skipped, err)
	}
	var answer demo.Token
	get(t, issuer+"/token?"+query, &answer)
	tok, err := jose.Parse(answer.Token)
	if err != nil {
		t.Fatal(err)
	}
	key, err := set.Select(tok.Alg, tok.Kid)
	if err != nil {
		t.Fatal(err)
	}
	if err := tok.Verify(key); err != nil {
		t.Fatal(err)
	}
	return tok.Claims
}

func TestTokensVerifyThroughDiscovery(t *testing.T) {
	t.Parallel()
	base := start(t, t.TempDir())
	tests := []struct {
		issuer, query, sub, alg, group string
	}{
		{"/idp", "user=alice", "alice", "ES256", "staff"},
		{"/idp", "user=mallory", "mallory", "ES256", "guests"},
		{"/cluster", "sa=research-agent", "system:serviceaccount:demo:research-agent", "RS256", ""},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			t.Parallel()
			claims := verified(t, base+test.issuer, test.query)
			if iss, _, _ := claims.String("iss"); iss != base+test.issuer {
				t.Errorf("iss %q", iss)
			}
			if sub, _, _ := claims.String("sub"); sub != test.sub {
				t.Errorf("sub %q", sub)
			}
			if aud, _, _ := claims.String("aud"); aud != audience {
				t.Errorf("aud %q, want our issuer alone", aud)
			}
			if exp, ok, _ := claims.Time("exp"); !ok || time.Until(exp) > time.Hour {
				t.Errorf("exp %v", exp)
			}
			groups, _, _ := claims.Strings("groups")
			if got := strings.Join(groups, " "); got != test.group {
				t.Errorf("groups %q, want %q", got, test.group)
			}
			if k8s, ok, _ := claims.Object("kubernetes.io"); ok != (test.issuer == "/cluster") || ok && k8s["namespace"] != "demo" {
				t.Errorf("kubernetes.io %v", k8s)
			}
		})
	}
}

// A token that is wrong in its namespace or audience can be had, to be tested.
func TestAccountOfAnotherNamespaceAndAudience(t *testing.T) {
	t.Parallel()
	base := start(t, t.TempDir())
	for query, want := range map[string][]string{
		"sa=a&namespace=prod":                           {"system:serviceaccount:prod:a", "prod", audience},
		"sa=a&audience=https://other.example":           {"system:serviceaccount:demo:a", "demo", "https://other.example"},
		"sa=a&namespace=prod&audience=one&audience=two": {"system:serviceaccount:prod:a", "prod", "one two"},
	} {
		claims := verified(t, base+"/cluster", query)
		sub, _, _ := claims.String("sub")
		aud, _, _ := claims.Strings("aud")
		if one, ok, err := claims.String("aud"); ok && err == nil {
			aud = []string{one}
		}
		k8s, _, _ := claims.Object("kubernetes.io")
		if sub != want[0] || k8s["namespace"] != want[1] || strings.Join(aud, " ") != want[2] {
			t.Errorf("%s: sub %q, namespace %v, aud %q; want %q", query, sub, k8s["namespace"], aud, want)
		}
	}
}

func TestKeysOutliveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var first, second, other []byte
	get(t, start(t, dir)+"/idp/jwks.json", &first)
	get(t, start(t, dir)+"/idp/jwks.json", &second)
	get(t, start(t, t.TempDir())+"/idp/jwks.json", &other)
	if !bytes.Equal(first, second) {
		t.Error("a restart made new keys")
	}
	if bytes.Equal(first, other) {
		t.Error("two directories share a key")
	}
}

// Whoever asks gets a token, so only this machine may ask; and a name that a
// web page has pointed at 127.0.0.1 is not this machine.
func TestTokensAreForThisMachineOnly(t *testing.T) {
	t.Parallel()
	w, err := demo.New(demo.Config{URL: "http://127.0.0.1:8082", Audience: audience, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		host, remote string
		want         int
	}{
		{"127.0.0.1:8082", "127.0.0.1:5555", 200},
		{"localhost:8082", "[::1]:5555", 200},
		{"rebound.example:8082", "127.0.0.1:5555", 403},
		{"127.0.0.1:8082", "192.0.2.1:5555", 403},
	}
	for _, test := range tests {
		for _, path := range []string{"/idp/token?user=alice", "/cluster/token?sa=x"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host, r.RemoteAddr = test.host, test.remote
			rec := httptest.NewRecorder()
			w.Handler().ServeHTTP(rec, r)
			if rec.Code != test.want {
				t.Errorf("%s as %s from %s: %d, want %d", path, test.host, test.remote, rec.Code, test.want)
			}
		}
	}
}

func TestUnknownUserAndBadServiceAccount(t *testing.T) {
	t.Parallel()
	base := start(t, t.TempDir())
	for path, want := range map[string]int{
		"/idp/token?user=eve": 404, "/idp/token": 404, "/cluster/token?sa=a:b": 400, "/cluster/token": 400,
		"/cluster/token?sa=a&namespace=": 400, "/cluster/token?sa=a&namespace=a:b": 400, "/cluster/token?sa=a&audience=": 400,
		"/cluster/token?sa=a&aud=x": 400, "/cluster/token?sa=a&sa=b": 400, "/cluster/token?sa=a&namespace=a&namespace=b": 400, "/cluster/token?sa=a;x=y": 400,
	} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"http://192.0.2.1:8082", "https://127.0.0.1", "http://idp.example", "127.0.0.1:8082"} {
		if _, err := demo.New(demo.Config{URL: url, Audience: audience, Dir: t.TempDir()}); err == nil {
			t.Errorf("%s was accepted", url)
		}
	}
}

func TestManifestNamesTheWorldsIssuers(t *testing.T) {
	t.Parallel()
	m := string(demo.Manifest("http://127.0.0.1:9"))
	for _, want := range []string{"issuer: http://127.0.0.1:9/idp", "issuer: http://127.0.0.1:9/cluster"} {
		if !strings.Contains(m, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(m, "DEMO_URL") {
		t.Error("a placeholder is left")
	}
}
