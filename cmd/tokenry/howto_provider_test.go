package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
)

// providerPage: an OpenID provider, and a cluster that is trusted already.
func providerPage(t *testing.T) *page {
	p := newPage(t, authtest.Options{})
	p.as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: prod-cluster }
spec: { type: kubernetes, issuer: "`+p.as.Cluster.URL+`", keys: { discovery: true } }
`)
	p.replace = append(p.replace, "https://login.example.com", p.as.IDP.URL, "/var/run/secrets/tokenry/token", "portal.jwt")
	write(t, filepath.Join(p.dir, "portal.jwt"), p.as.ServiceAccount(t, "portal", nil))
	sign := func(typ string, change authtest.Claims) string {
		now := p.as.Clock.Now().Unix()
		claims := authtest.Claims{
			"iss": p.as.IDP.URL, "sub": "alice", "aud": "research-portal", "azp": "research-portal", "iat": now, "exp": now + 600, "groups": []string{"staff"},
		}
		for name, value := range change {
			claims[name] = value
		}
		return p.as.IDP.Sign(t, typ, claims)
	}
	write(t, filepath.Join(p.dir, "id_token.jwt"), sign("JWT", nil))
	write(t, filepath.Join(p.dir, "access_token.jwt"), sign("at+jwt", authtest.Claims{
		"aud": []string{p.as.Issuer}, "client_id": "research-portal", "jti": "a-1", "scope": "openid llm:read",
	}))
	mistake := func(change authtest.Claims) func(*testing.T) string {
		return func(*testing.T) string { return sign("JWT", change) }
	}
	old := p.as.Clock.Now().Add(-time.Hour).Unix()
	p.mistakes = map[string]func(*testing.T) string{
		"an access token for another API":   mistake(authtest.Claims{"aud": "https://payroll.example.com"}),
		"a token of another client":         mistake(authtest.Claims{"azp": "payroll-app"}),
		"the issuer has a slash at its end": mistake(authtest.Claims{"iss": p.as.IDP.URL + "/"}),
		"the token has expired":             mistake(authtest.Claims{"iat": old, "exp": old + 600}),
	}
	return p
}
