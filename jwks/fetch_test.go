package jwks_test

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jwks"
)

const (
	openID = "/.well-known/openid-configuration"
	oauth  = "/.well-known/oauth-authorization-server"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, path string   // the issuer is the provider's URL with path
		at         string   // where its metadata is
		first      page     // what the first place says, if that is not where
		asked      []string // in order
	}{
		{name: "OpenID Connect", at: openID, asked: []string{openID, "/keys"}},
		{name: "slash at the end", path: "/", at: openID, asked: []string{openID, "/keys"}},
		{name: "path", path: "/t/1", at: "/t/1" + openID, asked: []string{"/t/1" + openID, "/keys"}},
		{name: "OAuth", at: oauth, asked: []string{openID, oauth, "/keys"}},
		{name: "OAuth, path", path: "/t/1", at: oauth + "/t/1", asked: []string{"/t/1" + openID, oauth + "/t/1", "/keys"}},
		{name: "OAuth, slash", path: "/t/", at: oauth + "/t", asked: []string{"/t" + openID, oauth + "/t", "/keys"}},
		{name: "OAuth, 403", at: oauth, first: page{status: 403}, asked: []string{openID, oauth, "/keys"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			issuer := p.URL + row.path
			if row.first.status != 0 {
				p.put(openID, row.first)
			}
			p.put(row.at, page{body: encode(t, object{"issuer": issuer, "jwks_uri": p.URL + "/keys"})})
			p.put("/keys", page{body: set(t, "k1"), header: "max-age=600"})
			w := newWorld(t, jwks.Source{Discovery: issuer})
			w.want("k1", "ok")
			if got := p.paths(); !slices.Equal(got, row.asked) {
				t.Errorf("asked for %v, want %v", got, row.asked)
			}
			w.pass(10*time.Minute - 1)
			w.want("k1", "ok")
			w.wantFetches(p, len(row.asked)) // fresh as the keys say
		})
	}
}

func TestDiscoveryRefused(t *testing.T) {
	t.Parallel()
	elsewhere := newProvider(t)
	elsewhere.put("/keys", page{body: set(t, "k1")})
	for _, row := range []struct {
		name     string
		metadata func(self string) any
		status   int
		want     string
	}{
		{"another issuer", func(self string) any { return object{"issuer": self + "/x", "jwks_uri": self + "/keys"} }, 0, "another issuer"},
		{"slash more", func(self string) any { return object{"issuer": self + "/", "jwks_uri": self + "/keys"} }, 0, "another issuer"},
		{"other case", func(self string) any {
			return object{"issuer": strings.ToUpper(self), "jwks_uri": self + "/keys"}
		}, 0, "another issuer"},
		{"no issuer", func(self string) any { return object{"jwks_uri": self + "/keys"} }, 0, "another issuer"},
		{"issuer is no text", func(self string) any { return object{"issuer": 1, "jwks_uri": self + "/keys"} }, 0, "another issuer"},
		{"no jwks_uri", func(self string) any { return object{"issuer": self} }, 0, "no jwks_uri"},
		{"jwks_uri is no text", func(self string) any { return object{"issuer": self, "jwks_uri": []string{self + "/keys"}} }, 0, "no jwks_uri"},
		{"SEC-SF-11 other host", func(self string) any {
			return object{"issuer": self, "jwks_uri": elsewhere.URL + "/keys"}
		}, 0, "another host"},
		{"SEC-SF-11 other scheme", func(self string) any {
			return object{"issuer": self, "jwks_uri": "https" + strings.TrimPrefix(self, "http") + "/keys"}
		}, 0, "another host"},
		{"SEC-SF-11 user", func(self string) any {
			return object{"issuer": self, "jwks_uri": strings.Replace(self, "://", "://a@", 1) + "/keys"}
		}, 0, "blocked"},
		{"not JSON", func(string) any { return "SECRET" }, 0, "not a JSON object"},
		{"away", func(self string) any { return object{"issuer": self, "jwks_uri": self + "/keys"} }, 503, "status 503"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.put(openID, page{status: row.status, body: encode(t, row.metadata(p.URL))})
			p.put("/keys", page{body: set(t, "k1")})
			w := newWorld(t, jwks.Source{Discovery: p.URL})
			w.want("k1", "unavailable")
			wantReports(t, w, row.want)
			w.wantFetches(p, 1) // neither the keys nor another place
			if strings.Contains(w.reports()[0], "SECRET") {
				t.Error("the report repeats the answer")
			}
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.fetches(); n != 0 {
			t.Errorf("%d fetches from another host", n)
		}
	})
}

func TestSameOrigin(t *testing.T) { // SEC-SF-11
	t.Parallel()
	const issuer = "https://idp.example/tenant"
	for at, want := range map[string]bool{
		"https://idp.example/keys":      true,
		"https://idp.example:443/keys":  true,
		"https://IDP.example/keys":      true,
		"https://idp.example:/keys":     true,
		"https://idp.example:8443/keys": false,
		"https://idp.example:80/keys":   false,
		"http://idp.example/keys":       false,
		"http://idp.example:443/keys":   false,
		"https://idp.example.evil/keys": false,
		"https://keys.idp.example/keys": false,
		"https://idp.example@evil/keys": false,
		"https://evil/idp.example":      false,
		"//idp.example/keys":            false,
		"/keys":                         false,
		"https://idp.example:port/keys": false,
	} {
		if got := jwks.SameOrigin(issuer, at); got != want {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
	if !jwks.SameOrigin("http://idp.example", "http://idp.example:80/keys") {
		t.Error("port 80 is not that of http")
	}
}

func TestNewIsStrict(t *testing.T) {
	t.Parallel()
	good := jwks.Source{URL: "http://127.0.0.1/keys"}
	anybody := func(context.Context, []*x509.Certificate) (func([]*x509.Certificate) error, error) {
		return func([]*x509.Certificate) error { return nil }, nil
	}
	for name, c := range map[string]jwks.Config{
		"no source":              {},
		"two sources":            {Source: jwks.Source{URL: good.URL, File: "/keys.json"}},
		"negative limit":         {Source: good, MaxStale: -1},
		"SEC-SF-01 scheme":       {Source: jwks.Source{URL: "file:///etc/keys.json"}},
		"SEC-SF-29 user":         {Source: jwks.Source{BundleURL: "https://a:b@spire.example/"}},
		"no URL":                 {Source: jwks.Source{Discovery: "idp.example"}},
		"issuer with query":      {Source: jwks.Source{Discovery: "https://idp.example?a=b"}},
		"CA file for a file":     {Source: jwks.Source{File: "/keys.json", CAFile: "/ca.pem"}},
		"endpoint of a JWK set":  {Source: jwks.Source{URL: good.URL, Endpoint: anybody}},
		"endpoint and a CA file": {Source: jwks.Source{BundleURL: good.URL, Endpoint: anybody, CAFile: "/ca.pem"}},
		"feed and a file":        {Source: jwks.Source{Feed: func(context.Context, func([]byte, error), func([]byte, error)) {}, File: "/keys.json"}},
		"inline nonsense":        {Source: jwks.Source{Inline: []byte(`{"keys":1}`)}},
		"inline empty":           {Source: jwks.Source{Inline: []byte(`{"keys":[]}`)}},
		"inline nothing":         {Source: jwks.Source{Inline: []byte{}}},
	} {
		c.Client = client(t, time.Second)
		if _, err := jwks.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := jwks.New(jwks.Config{Source: good}); err == nil {
		t.Error("no client: accepted")
	}
	if _, err := jwks.New(jwks.Config{Source: good, Client: client(t, time.Second)}); err != nil { // Now and Report have defaults
		t.Error(err)
	}
}

func TestInline(t *testing.T) {
	t.Parallel()
	bad := jwk(t, "bad", "sig")
	bad["x"] = bad["y"]
	w := newWorld(t, jwks.Source{Inline: []byte(encode(t, object{"keys": []object{jwk(t, "k1", "sig"), bad}}))})
	w.want("k1", "ok")
	w.want("k2", "kid_unknown")
	w.pass(1000 * time.Hour)
	w.want("k1", "ok")
	wantReports(t, w, "bad")
}
