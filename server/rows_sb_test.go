package server_test

import (
	"maps"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestRowsSB proves how the bundles of SPIFFE trust domains are had: SPIFFE
// Trust Domain and Bundle, SPIFFE Federation, and X509-SVID, Section 6.
func TestRowsSB(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"SB-01", func(t *testing.T, as *authtest.Server) {
			home, guest := authtest.NewSPIFFE(t, "sb01.example", as.Clock), authtest.NewSPIFFE(t, "sb01-guest.example", as.Clock)
			// A document at the place of sb01.example is that domain's, whoever wrote it.
			at := newSite(t, page(guest.Bundle()))
			trustDomainAt(t, as, "sb01.example", `bundleUrl: "`+at.URL+`"`, "")
			as.WantRefused(t, workload(t, as, guest), oauth.InvalidClient, clientFault("issuer_unknown"))
			wantUnknownKey(t, as, workload(t, as, home))
			authtest.WantIssued(t, as.Post(t, bySVID(guest.JWTSVID(t, "/a", as.Issuer, authtest.Claims{"sub": home.ID("/a")}))))
			for keys, more := range map[string]string{"": "", `bundleProfile: https_web`: "", `bundleUrl: "https://x.example", bundleProfile: https`: ""} {
				if tryTrust(t, as, "sb01-none.example", keys, more) == nil {
					t.Errorf("registered with keys { %s }", keys)
				}
			}
		}},
		{"SB-02", domainsApart},
		{"SB-03", func(t *testing.T, as *authtest.Server) {
			domain := authtest.NewSPIFFE(t, "sb03.example", as.Clock)
			for _, at := range []string{"http://spire.example/bundle", "https://a:b@spire.example/bundle", "https://a@spire.example/bundle", "ftp://spire.example/bundle", "spire.example/bundle", "file:///bundle"} {
				if tryTrust(t, as, domain.Domain, `bundleUrl: "`+at+`", bundleProfile: https_web`, "") == nil {
					t.Errorf("%s may serve a bundle", at)
				}
			}
			web := domain.WebEndpoint(t)
			trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+web.URL+`", bundleProfile: https_web`, `, caFile: "`+web.CAFile+`"`)
			authtest.WantIssued(t, workload(t, as, domain))
		}},
		// Followed to nowhere: docs/divergences.md.
		{"SB-04", func(t *testing.T, as *authtest.Server) {
			domain := authtest.NewSPIFFE(t, "sb04.example", as.Clock)
			other := newSite(t, page(domain.Bundle()))
			at := newSite(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
			trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+at.URL+`"`, "")
			wantUnavailable(t, as, workload(t, as, domain))
			if at.asked.Load() == 0 || other.asked.Load() != 0 {
				t.Errorf("%d requests, %d after the redirect", at.asked.Load(), other.asked.Load())
			}
		}},
		{"SB-05", endpointProvesItself},
		{"SB-06", polledByHint},
		{"SB-07", neverBack},
		{"SB-08", func(t *testing.T, as *authtest.Server) {
			domain := authtest.NewSPIFFE(t, "sb08.example", as.Clock)
			bundle := domain.Bundle()
			bundle["keys"] = append(bundle["keys"].([]map[string]any),
				map[string]any{"kty": "AKP", "kid": "later", "use": "jwt-svid", "pub": "AAAA"}, map[string]any{"kty": "EC", "use": "later-svid"}, map[string]any{"use": 1})
			at := newSite(t, page(bundle))
			trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+at.URL+`"`, "")
			authtest.WantIssued(t, workload(t, as, domain))
			withdrawn(t)
		}},
		{"SB-09", onlyFirstCertificate},
	})
}

// domainsApart has the same kid in two domains, one of them by the Workload API
// of the other.
func domainsApart(t *testing.T, as *authtest.Server) {
	one, two := authtest.NewSPIFFE(t, "sb02.example", as.Clock), authtest.NewSPIFFE(t, "sb02-partner.example", as.Clock)
	one.Federate(two)
	api := one.WorkloadAPI(t)
	trustDomainAt(t, as, one.Domain, `workloadApi: "`+api.Address+`"`, "")
	trustDomainAt(t, as, two.Domain, `workloadApi: "`+api.Address+`"`, "")
	for _, d := range []*authtest.SPIFFE{one, two} {
		authtest.WantIssued(t, workload(t, as, d))
	}
	for from, to := range map[*authtest.SPIFFE]*authtest.SPIFFE{one: two, two: one} {
		wantUnknownKey(t, as, as.Post(t, bySVID(from.JWTSVID(t, "/a", as.Issuer, authtest.Claims{"sub": to.ID("/a")}))))
	}
	// With the other's kid the key is the other's, and the signature wrong.
	kid := authtest.Header(t, two.JWTSVID(t, "/a", as.Issuer, nil))["kid"]
	forged := authtest.NewParty(t, true)
	token := forged.SignHeader(t, map[string]any{"alg": "ES256", "kid": kid, "typ": "JWT"}, authtest.Payload(t, two.JWTSVID(t, "/a", as.Issuer, nil)))
	as.WantRefused(t, as.Post(t, bySVID(token)), oauth.InvalidClient, clientFault("signature"))
}

// endpointProvesItself: SPIFFE Federation, Section 5.2.2.
func endpointProvesItself(t *testing.T, as *authtest.Server) {
	domain, other := authtest.NewSPIFFE(t, "sb05.example", as.Clock), authtest.NewSPIFFE(t, "sb05-other.example", as.Clock)
	keys := func(at *authtest.BundleEndpoint, id string) string {
		return `bundleUrl: "` + at.URL + `", bundleProfile: https_spiffe, endpointSpiffeId: "` + id + `"`
	}
	ca := `, caFile: "` + domain.CAFile(t) + `"`
	web := domain.WebEndpoint(t) // a certificate with the right address, and no SPIFFE ID
	for _, bad := range []*authtest.BundleEndpoint{
		web, domain.SPIFFEEndpoint(t, other, "/spire/server"), domain.SPIFFEEndpoint(t, domain, "/spire/agent"),
		domain.SPIFFEEndpoint(t, authtest.NewSPIFFE(t, domain.Domain, as.Clock), "/spire/server"),
	} {
		trustDomainAt(t, as, domain.Domain, keys(bad, domain.ID("/spire/server")), ca)
		wantUnavailable(t, as, workload(t, as, domain))
		if n := bad.Fetches(); n != 0 {
			t.Errorf("%d requests to a server that is somebody else", n)
		}
	}
	good := domain.SPIFFEEndpoint(t, domain, "/spire/server")
	trustDomainAt(t, as, domain.Domain, keys(good, domain.ID("/spire/server")), ca)
	authtest.WantIssued(t, workload(t, as, domain))

	// The endpoint of other.example is one of domain, whose bundle is here now.
	at := other.SPIFFEEndpoint(t, domain, "/federation")
	trustDomainAt(t, as, other.Domain, keys(at, domain.ID("/federation")), "")
	authtest.WantIssued(t, workload(t, as, other))
	for name, refused := range map[string]error{
		"a domain that is not registered": tryTrust(t, as, "sb05-x.example", keys(at, "spiffe://nobody.example/x"), ""),
		"no ID":                           tryTrust(t, as, "sb05-x.example", `bundleUrl: "`+at.URL+`", bundleProfile: https_spiffe`, ""),
		"its own domain without roots":    tryTrust(t, as, "sb05-x.example", keys(at, "spiffe://sb05-x.example/x"), ""),
	} {
		if refused == nil {
			t.Errorf("%s: registered", name)
		}
	}
}

// polledByHint: SPIFFE Federation, Sections 4.2 and 6.
func polledByHint(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	domain := authtest.NewSPIFFE(t, "sb06.example", as.Clock)
	domain.RefreshHint(2 * time.Minute)
	at := newSite(t, func(w http.ResponseWriter, r *http.Request) { page(domain.Bundle())(w, r) })
	trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+at.URL+`"`, "")
	asked := func(n int64) {
		t.Helper()
		until(t, "the bundle is fetched", func() bool {
			authtest.WantIssued(t, workload(t, as, domain))
			return at.asked.Load() >= n
		})
		if got := at.asked.Load(); got != n {
			t.Fatalf("%d fetches, want %d", got, n)
		}
	}
	asked(1)
	as.Advance(t, 110*time.Second)
	asked(1)
	as.Advance(t, 10*time.Second)
	asked(2)
	at.put(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	as.Advance(t, 2*time.Minute)
	asked(3) // and the last bundle stays
	as.Advance(t, time.Hour-time.Minute)
	authtest.WantIssued(t, workload(t, as, domain))
	as.Advance(t, time.Minute)
	wantUnavailable(t, as, workload(t, as, domain))
}

// neverBack: SPIFFE Trust Domain and Bundle, Section 4.1.1.
func neverBack(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	domain := authtest.NewSPIFFE(t, "sb07.example", as.Clock)
	old := domain.Bundle()
	oldSVID := domain.JWTSVID(t, "/a", as.Issuer, authtest.Claims{"exp": as.Clock.Now().Add(50 * time.Minute).Unix()})
	domain.Rotate(t)
	domain.Retire()
	at := newSite(t, page(domain.Bundle()))
	trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+at.URL+`"`, "")
	authtest.WantIssued(t, workload(t, as, domain))
	at.put(page(old))
	as.Advance(t, 5*time.Minute)
	until(t, "the old bundle is fetched", func() bool {
		authtest.WantIssued(t, workload(t, as, domain))
		return at.asked.Load() > 1
	})
	for range 5 {
		authtest.WantIssued(t, workload(t, as, domain))
		wantUnknownKey(t, as, as.Post(t, bySVID(oldSVID)))
	}
	same := maps.Clone(old) // its number made good, it is a bundle like any
	same["spiffe_sequence"] = domain.Bundle()["spiffe_sequence"]
	at.put(page(same))
	as.Advance(t, 6*time.Minute)
	until(t, "the bundle is taken", func() bool { return as.Post(t, bySVID(oldSVID)).AccessToken != "" })
}

// withdrawn takes every key of a domain back.
func withdrawn(t *testing.T) {
	as := authtest.Start(t)
	domain := authtest.NewSPIFFE(t, "sb08.example", as.Clock)
	at := newSite(t, page(domain.Bundle()))
	trustDomainAt(t, as, domain.Domain, `bundleUrl: "`+at.URL+`"`, "")
	authtest.WantIssued(t, workload(t, as, domain))
	at.put(page(map[string]any{"keys": []any{}}))
	as.Advance(t, 5*time.Minute)
	until(t, "every SVID is refused", func() bool { return workload(t, as, domain).AccessToken == "" })
	wantUnknownKey(t, as, workload(t, as, domain))

	// A Workload API says so at once, and so it does when it forgets a domain.
	partner := authtest.NewSPIFFE(t, "sb08-partner.example", as.Clock)
	domain.Federate(partner)
	trustDomainAt(t, as, partner.Domain, `workloadApi: "`+domain.WorkloadAPI(t).Address+`"`, "")
	authtest.WantIssued(t, workload(t, as, partner))
	domain.Unfederate(partner)
	until(t, "every SVID is refused", func() bool { return workload(t, as, partner).AccessToken == "" })
	wantUnknownKey(t, as, workload(t, as, partner))
}

// onlyFirstCertificate: X509-SVID, Section 6.2. Whether an authority counts is
// seen at a bundle endpoint that is verified with it.
func onlyFirstCertificate(t *testing.T, as *authtest.Server) {
	home, partner := authtest.NewSPIFFE(t, "sb09.example", as.Clock), authtest.NewSPIFFE(t, "sb09-partner.example", as.Clock)
	at := partner.SPIFFEEndpoint(t, home, "/federation")
	stranger := authtest.NewSPIFFE(t, "sb09.example", as.Clock).Bundle()["keys"].([]map[string]any)[1]
	for i, row := range []struct {
		name   string
		change func(key map[string]any)
		counts bool
	}{
		{"no kid", func(map[string]any) {}, true},
		{"a second certificate", func(key map[string]any) { key["x5c"] = append(key["x5c"].([]string), stranger["x5c"].([]string)[0]) }, true},
		{"no x5c", func(key map[string]any) { delete(key, "x5c") }, false},
		{"second alone", func(key map[string]any) {
			own := key["x5c"].([]string)[0]
			maps.Copy(key, stranger)
			key["x5c"] = []string{stranger["x5c"].([]string)[0], own}
		}, false},
		{"for JWT-SVIDs", func(key map[string]any) { key["use"], key["kid"] = "jwt-svid", "x" }, false},
	} {
		bundle := home.Bundle()
		row.change(bundle["keys"].([]map[string]any)[1])
		trustDomainAt(t, as, home.Domain, `bundleUrl: "`+newSite(t, page(bundle)).URL+`"`, "")
		trustDomainAt(t, as, partner.Domain, `bundleUrl: "`+at.URL+`?`+strconv.Itoa(i)+`", bundleProfile: https_spiffe, endpointSpiffeId: "`+home.ID("/federation")+`"`, "")
		before := at.Fetches()
		a := workload(t, as, partner)
		if issued := a.AccessToken != ""; issued != row.counts || (at.Fetches() > before) != row.counts {
			t.Errorf("%s: %d requests; %s", row.name, at.Fetches()-before, a.Body)
		}
		if !row.counts {
			wantUnavailable(t, as, a)
		}
		authtest.WantIssued(t, workload(t, as, home)) // the others serve
	}
}
