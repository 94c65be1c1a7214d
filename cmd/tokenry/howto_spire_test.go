package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/config"
)

// spirePage: two trust domains, the server's own SPIRE agent, which federates
// with the other, and a workload of each. All connections of agents are TLS.
func spirePage(t *testing.T) *page {
	var certificate string
	p := newPage(t, authtest.Options{MTLS: true, Config: func(c *config.Config) {
		c.Issuer, certificate = "https://"+c.Public.Listen, c.Public.TLS.CertFile
	}})
	p.env = append(p.env, "CURL_CA_BUNDLE="+certificate, "SSL_CERT_FILE="+certificate)
	prod, partner := authtest.NewSPIFFE(t, "prod.example", p.as.Clock), authtest.NewSPIFFE(t, "partner.example", p.as.Clock)
	prod.Federate(partner)
	beside := prod.WorkloadAPI(t, "/tokenry")
	web, own := prod.WebEndpoint(t), prod.SPIFFEEndpoint(t, prod, "/spire/server")
	p.replace = append(p.replace,
		"https://mtls.sts.example.com:8444", p.as.MTLSURL, "unix:///run/spire/agent.sock", beside.Address,
		"https://spire.example.com/bundle", web.URL, "/etc/tokenry/spire-web-ca.pem", web.CAFile,
		"https://spire.example.com:8443/", own.URL, "/etc/tokenry/prod-authorities.pem", prod.CAFile(t),
	)
	write(t, filepath.Join(p.dir, "partner.jwt"), partner.JWTSVID(t, "/agents/report", p.as.Issuer, nil))

	var workload *authtest.WorkloadAPI // the one whose entry came first
	var entries []string
	p.tools = map[string]func(*testing.T, []string) string{
		"spire-server entry create -parentID spiffe://prod.example/spire/agent/": func(t *testing.T, args []string) string {
			path, ok := strings.CutPrefix(option(t, args, "-spiffeID"), "spiffe://prod.example")
			option(t, args, "-selector")
			if !ok {
				t.Errorf("%q is of another trust domain", args)
			}
			if entries = append(entries, path); workload == nil {
				workload = prod.WorkloadAPI(t, path)
			}
			return ""
		},
		"spire-agent api fetch jwt": func(t *testing.T, args []string) string {
			svid, err := workloadapi.FetchJWTSVID(t.Context(), jwtsvid.Params{Audience: option(t, args, "-audience")}, workloadapi.WithAddr(workload.Address))
			if err != nil {
				t.Error(err)
				return ""
			}
			return "token(" + svid.ID.String() + "):\n\t" + svid.Marshal() + "\nbundle(spiffe://prod.example):\n\t{}\n"
		},
		"spire-agent api fetch x509": func(t *testing.T, args []string) string {
			return p.fetchX509(t, workload, option(t, args, "-write"))
		},
	}
	p.each(t, prod)
	p.end = func(t *testing.T) { // whoever is registered in SPIRE is an agent
		for _, path := range entries {
			write(t, filepath.Join(p.dir, "entry.jwt"), prod.JWTSVID(t, path, p.as.Issuer, nil))
			p.bash(t, "tokenry issuer test --token-file entry.jwt\n")
		}
	}
	svid := func(path string, change authtest.Claims) func(*testing.T) string {
		return func(t *testing.T) string { return prod.JWTSVID(t, path, p.as.Issuer, change) }
	}
	const r7 = "/agents/research/r7"
	old := p.as.Clock.Now().Add(-time.Hour).Unix()
	p.mistakes = map[string]func(*testing.T) string{
		"the token endpoint as audience":           svid(r7, authtest.Claims{"aud": p.as.Issuer + "/token"}),
		"two audiences":                            svid(r7, authtest.Claims{"aud": []string{p.as.Issuer, "https://gateway.example.com"}}),
		"a path beside the fleet":                  svid("/agents/researchers/r7", nil),
		"an ID of a domain that is not registered": svid(r7, authtest.Claims{"sub": "spiffe://staging.example/agents/research/r7"}),
		"the SVID has expired":                     svid(r7, authtest.Claims{"iat": old, "exp": old + 300}),
	}
	return p
}

// each has every one of the three ways to the bundle bring an SVID's key to the
// server, and not the last one alone.
func (p *page) each(t *testing.T, prod *authtest.SPIFFE) {
	written := 0
	var then func(*testing.T, string)
	then = func(t *testing.T, text string) {
		t.Helper()
		p.bash(t, "tokenry apply -f domain.yaml\n")
		write(t, filepath.Join(p.dir, "any.jwt"), prod.JWTSVID(t, "/any", p.as.Issuer, nil))
		if out := p.bash(t, "tokenry issuer test --token-file any.jwt # exits 5\n"); !strings.Contains(out, "✓ signature") {
			t.Errorf("the keys do not come by\n%s\n%s", text, out)
		}
		if written++; written < 3 {
			p.wrote["domain.yaml"] = then
		}
	}
	p.wrote["domain.yaml"] = then
}

// fetchX509 writes what `spire-agent api fetch x509 -write` does.
func (p *page) fetchX509(t *testing.T, workload *authtest.WorkloadAPI, dir string) string {
	if !filepath.IsLocal(dir) {
		t.Errorf("-write %s: no request reads what is there", dir)
		return ""
	}
	dir = filepath.Join(p.dir, dir)
	svid, err := workloadapi.FetchX509SVID(t.Context(), workloadapi.WithAddr(workload.Address))
	if err != nil {
		t.Error(err)
		return ""
	}
	chain, key, err := svid.Marshal()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "svid.0.pem"), chain, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "svid.0.key"), key, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
	return ""
}
