package dpop_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/jose/dpop"
)

const endpoint = "https://as.example/token"

var now = time.Unix(1795168800, 500_000_000)

type claims = map[string]any

// good are the claims of a proof that is taken.
func good() claims {
	return claims{"jti": "one", "htm": "POST", "htu": endpoint, "iat": now.Unix()}
}

func newSigner(t testing.TB, alg string) *jose.Signer {
	t.Helper()
	key, err := jose.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner("k", alg, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *jose.Signer, c claims) string {
	t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := s.SignProof(payload)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func request() dpop.Request {
	return dpop.Request{Method: "POST", URLs: []string{endpoint, "https://mtls.as.example/token"}, Now: now}
}

// TestVerify: a proof of each kind of key is taken, and says what it says.
func TestVerify(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA", "RS256"} {
		s := newSigner(t, alg)
		c := good()
		c["nonce"] = "n-1"
		p, err := dpop.Verify(sign(t, s, c), request())
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		want := dpop.Proof{JKT: s.Key().Thumbprint(), Alg: alg, ID: "one", URL: endpoint, Nonce: "n-1", IssuedAt: time.Unix(now.Unix(), 0).UTC()}
		if *p != want {
			t.Errorf("%s: %+v, want %+v", alg, *p, want)
		}
	}
}

// TestVerifyExample is the proof of RFC 9449, Section 4.1, and its thumbprint of
// Section 6.1.
func TestVerifyExample(t *testing.T) {
	t.Parallel()
	const example = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	p, err := dpop.Verify(example, dpop.Request{Method: "POST", URLs: []string{"https://server.example.com/token"}, Now: time.Unix(1562262616, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if p.JKT != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" || p.ID != "-BwC3ESc6acc2lTc" {
		t.Errorf("%+v", p)
	}
}

func TestVerifyClaims(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "ES256")
	for name, row := range map[string]struct {
		change claims // nil removes
		want   string // the member refused; empty = taken
	}{
		"good":                 {nil, ""},
		"no jti":               {claims{"jti": nil}, "jti"},
		"jti empty":            {claims{"jti": ""}, "jti"},
		"jti a number":         {claims{"jti": 7}, "jti"},
		"jti of 256 bytes":     {claims{"jti": strings.Repeat("x", 256)}, ""},
		"jti of 257 bytes":     {claims{"jti": strings.Repeat("x", 257)}, "jti"},
		"no htm":               {claims{"htm": nil}, "htm"},
		"htm GET":              {claims{"htm": "GET"}, "htm"},
		"htm in lower case":    {claims{"htm": "post"}, "htm"},
		"no htu":               {claims{"htu": nil}, "htu"},
		"htu empty":            {claims{"htu": ""}, "htu"},
		"htu a list":           {claims{"htu": []string{endpoint}}, "htu"},
		"htu of the alias":     {claims{"htu": "https://mtls.as.example/token"}, ""},
		"htu, host in capital": {claims{"htu": "HTTPS://AS.EXAMPLE:443/token?a=b#c"}, ""},
		"htu of another path":  {claims{"htu": "https://as.example/Token"}, "htu"},
		"htu with a slash":     {claims{"htu": endpoint + "/"}, "htu"},
		"htu by http":          {claims{"htu": "http://as.example/token"}, "htu"},
		"htu of another port":  {claims{"htu": "https://as.example:8443/token"}, "htu"},
		"htu of another host":  {claims{"htu": "https://as.example.evil/token"}, "htu"},
		"htu relative":         {claims{"htu": "/token"}, "htu"},
		"htu with a user":      {claims{"htu": "https://u@as.example/token"}, "htu"},
		"no iat":               {claims{"iat": nil}, "iat"},
		"iat text":             {claims{"iat": "1795168800"}, "iat"},
		"60 s old":             {claims{"iat": now.Unix() - 60}, ""},
		"61 s old":             {claims{"iat": now.Unix() - 61}, "iat"},
		"10 s ahead":           {claims{"iat": now.Unix() + 10}, ""},
		"11 s ahead":           {claims{"iat": now.Unix() + 11}, "iat"},
		"61 s ahead":           {claims{"iat": now.Unix() + 61}, "iat"},
		"exp over":             {claims{"exp": now.Unix()}, "exp"},
		"exp to come":          {claims{"exp": now.Unix() + 1}, ""},
		"exp text":             {claims{"exp": "x"}, "exp"},
		"nbf to come":          {claims{"nbf": now.Unix() + 11}, "nbf"},
		"nbf text":             {claims{"nbf": "x"}, "nbf"},
		"nonce empty":          {claims{"nonce": ""}, "nonce"},
		"nonce a number":       {claims{"nonce": 7}, "nonce"},
		"ath without a token":  {claims{"ath": "x"}, "ath"},
		"more claims":          {claims{"purpose": "x"}, ""},
	} {
		c := good()
		for k, v := range row.change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		wantMember(t, name, sign(t, s, c), request(), row.want)
	}
}

func wantMember(t *testing.T, name, compact string, r dpop.Request, want string) {
	t.Helper()
	p, err := dpop.Verify(compact, r)
	var refused *dpop.Error
	switch {
	case want == "":
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	case !errors.As(err, &refused) || refused.Member != want || p != nil:
		t.Errorf("%s: %v, want %s", name, err, want)
	}
}

// TestVerifyAccessToken is the example of RFC 9449, Section 7.1.
func TestVerifyAccessToken(t *testing.T) {
	t.Parallel()
	const token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	s, r := newSigner(t, "ES256"), request()
	r.AccessToken = token
	c := good()
	wantMember(t, "no ath", sign(t, s, c), r, "ath")
	c["ath"] = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
	wantMember(t, "ath", sign(t, s, c), r, "")
	r.AccessToken += "x"
	wantMember(t, "ath of another", sign(t, s, c), r, "ath")
	c["ath"] = 7
	wantMember(t, "ath a number", sign(t, s, c), r, "ath")
}

// TestVerifyForm: what is no proof at all. Package jose tests the rest.
func TestVerifyForm(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "ES256")
	payload, _ := json.Marshal(good())
	plain, err := s.Sign(jose.ProofType, payload) // with kid, without jwk
	if err != nil {
		t.Fatal(err)
	}
	compact := sign(t, s, good())
	for name, text := range map[string]string{"empty": "", "no JWT": "x", "no jwk": plain, "two": compact + "," + compact, "cut": compact[:len(compact)-4] + "AAAA"} {
		wantMember(t, name, text, request(), "proof")
	}
}

// TestVerifyNeedsAll: a caller that forgets something gets nothing through.
func TestVerifyNeedsAll(t *testing.T) {
	t.Parallel()
	compact := sign(t, newSigner(t, "ES256"), good())
	for name, forget := range map[string]func(*dpop.Request){
		"method": func(r *dpop.Request) { r.Method = "" }, "urls": func(r *dpop.Request) { r.URLs = nil }, "now": func(r *dpop.Request) { r.Now = time.Time{} },
	} {
		r := request()
		forget(&r)
		if p, err := dpop.Verify(compact, r); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// TestProver: what it makes is taken, each time another jti.
func TestProver(t *testing.T) {
	t.Parallel()
	key, err := jose.GenerateKey("ES256")
	if err != nil {
		t.Fatal(err)
	}
	prover, err := dpop.NewProver("ES256", key)
	if err != nil {
		t.Fatal(err)
	}
	r := request()
	r.AccessToken = "t"
	seen := map[string]bool{}
	for range 2 {
		compact, err := prover.Proof("POST", endpoint, "n", "t", now)
		if err != nil {
			t.Fatal(err)
		}
		p, err := dpop.Verify(compact, r)
		if err != nil {
			t.Fatal(err)
		}
		if p.JKT != prover.JKT() || p.Nonce != "n" || seen[p.ID] {
			t.Errorf("%+v", p)
		}
		seen[p.ID] = true
	}
	if _, err := dpop.NewProver("RS256", key); err == nil {
		t.Error("an EC key for RS256")
	}
}

func TestNormal(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://as.example":                      "https://as.example/",
		"https://as.example/":                     "https://as.example/",
		"HTTPS://As.Example:443/a?b=c#d":          "https://as.example/a",
		"https://as.example:0443/a":               "https://as.example/a",
		"https://as.example:/a":                   "https://as.example/a",
		"https://as.example:0/a":                  "https://as.example:0/a",
		"https://as.example:80/a":                 "https://as.example:80/a",
		"http://as.example:80/a":                  "http://as.example/a",
		"https://as.example/%7ea/%2f/%c3%a9/%41~": "https://as.example/~a/%2F/%C3%A9/A~",
		"https://as.example/a/./b/../c//d/":       "https://as.example/a/c//d/",
		"https://as.example/a/%2e%2E/b":           "https://as.example/b",
		"https://as.example/../../a/..":           "https://as.example/",
		"https://as.example/a/.":                  "https://as.example/a/",
		"https://as.example/.well-known/..x":      "https://as.example/.well-known/..x",
		"https://[::1]:8443/a":                    "https://[::1]:8443/a",
		"https://[2001:DB8::1]:443/a":             "https://[2001:db8::1]/a",
		"https://as.example:65536/a":              "",
		"https://as.example:x/a":                  "",
		"https://:443/a":                          "",
		"https:///a":                              "",
		"https:as.example/a":                      "",
		"ftp://as.example/a":                      "",
		"//as.example/a":                          "",
		"https://u:p@as.example/a":                "",
		"https://as.example/%zz":                  "",
		"":                                        "",
	} {
		got, err := dpop.Normal(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", raw, got, err, want)
		}
		if again, err := dpop.Normal(got); want != "" && (err != nil || again != got) {
			t.Errorf("%s: normalised again %q, %v", raw, again, err)
		}
	}
}

// FuzzVerify: no text makes it panic, and what is taken names a key, an id and
// one of the URLs.
func FuzzVerify(f *testing.F) {
	s := newSigner(f, "ES256")
	f.Add(sign(f, s, good()))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, compact string) {
		p, err := dpop.Verify(compact, request())
		if err == nil && (len(p.JKT) != 43 || p.ID == "" || p.URL != endpoint && p.URL != "https://mtls.as.example/token") {
			t.Errorf("took %+v", p)
		}
	})
}

// FuzzNormal: normalising twice is normalising once.
func FuzzNormal(f *testing.F) {
	f.Add("https://as.example:443/a/%7e/../b?c#d")
	f.Fuzz(func(t *testing.T, raw string) {
		once, err := dpop.Normal(raw)
		if err != nil {
			return
		}
		if twice, err := dpop.Normal(once); err != nil || twice != once {
			t.Errorf("%q: %q, then %q, %v", raw, once, twice, err)
		}
	})
}
