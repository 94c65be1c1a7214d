package credential_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/registry"
)

// trust registers a trust domain with a source of keys, and agent a for its
// workload /a.
func (w *world) trust(name, domain string, keys registry.KeySource, caFile string) {
	w.t.Helper()
	w.put(registry.KindTrustedIssuer, name, &registry.TrustedIssuer{Type: registry.SPIFFE, TrustDomain: domain, Keys: keys, CAFile: caFile})
	w.agent(name+"-a", "researcher", exact(registry.IssuerName(name), "spiffe://"+domain+"/a"))
}

// shows has a workload of domain show a JWT-SVID, and wants a fault; "" = none.
func (w *world) shows(domain *authtest.SPIFFE, fault string) {
	w.t.Helper()
	err := second(w.Subject(w.t.Context(), domain.JWTSVID(w.t, "/a", ours, nil), jwtURI))
	if fault != "" {
		wantFault(w.t, err, fault)
	} else if err != nil {
		w.t.Fatal(err)
	}
}

// A stream ends with its issuer, with its issuer's spec and with the verifier.
func TestWorkloadAPIEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Now())
	domain := authtest.NewSPIFFE(t, "td.example", nil)
	one, two := domain.WorkloadAPI(t), domain.WorkloadAPI(t)
	streams := func(first, second int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); one.Streams() != first || two.Streams() != second; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d and %d streams, want %d and %d", one.Streams(), two.Streams(), first, second)
			}
		}
	}
	w.trust("prod", "td.example", registry.KeySource{WorkloadAPI: one.Address}, "")
	streams(0, 0)
	w.shows(domain, "")
	w.shows(domain, "")
	streams(2, 0)
	w.trust("prod", "td.example", registry.KeySource{WorkloadAPI: two.Address}, "")
	w.shows(domain, "")
	streams(0, 2)
	w.write(registry.KindTrustedIssuer, "prod", func(o *registry.Object) { o.Deleted = true })
	w.trust("other", "td.example", registry.KeySource{WorkloadAPI: one.Address}, "")
	w.shows(domain, "")
	streams(2, 0)
	w.Close()
	streams(0, 0)
	w.shows(domain, "") // with what is there, for requests under way
	w.trust("prod", "td2.example", registry.KeySource{WorkloadAPI: one.Address}, "")
	w.shows(authtest.NewSPIFFE(t, "td2.example", nil), credential.FaultUnavailable)
	streams(0, 0)
}

// The bundle endpoint of one domain is verified with the bundle of another, as
// that is registered now.
func TestEndpointOfAnotherIssuer(t *testing.T) { // SB-05
	t.Parallel()
	w := newWorld(t, time.Now())
	home, partner := authtest.NewSPIFFE(t, "home.example", nil), authtest.NewSPIFFE(t, "partner.example", nil)
	at := partner.SPIFFEEndpoint(t, home, "/federation")
	source := registry.KeySource{BundleURL: at.URL, BundleProfile: "https_spiffe", EndpointSPIFFEID: "spiffe://home.example/federation"}
	again := func() { // another version has a set of its own, which knows nothing
		t.Helper()
		w.trust("partner", "partner.example", source, "")
	}
	again()
	w.shows(partner, credential.FaultUnavailable) // nobody speaks for home.example
	web := home.WebEndpoint(t)
	w.trust("home", "home.example", registry.KeySource{BundleURL: web.URL}, web.CAFile)
	again()
	w.shows(partner, "")
	w.write(registry.KindTrustedIssuer, "home", func(o *registry.Object) { o.State = registry.Disabled })
	again()
	w.shows(partner, credential.FaultUnavailable)
	w.write(registry.KindTrustedIssuer, "home", func(o *registry.Object) { o.State = registry.Active })
	source.EndpointSPIFFEID = "spiffe://home.example/other"
	again()
	w.shows(partner, credential.FaultUnavailable)
	source.EndpointSPIFFEID = "" // which no registry would hold
	again()
	w.shows(partner, credential.FaultUnavailable)

	w.mu.Lock()
	said := errors.Join(w.reports...).Error()
	w.mu.Unlock()
	for _, part := range []string{"no trusted issuer, or a disabled one", "X.509-SVID of spiffe://home.example/other"} {
		if !strings.Contains(said, part) {
			t.Errorf("reported %q, without %q", said, part)
		}
	}
	if n := at.Fetches(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// Two that wait for each other's bundle wait for a while and not for ever.
func TestEndpointsOfEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Now())
	a, b := authtest.NewSPIFFE(t, "a.example", nil), authtest.NewSPIFFE(t, "b.example", nil)
	source := func(of, by *authtest.SPIFFE) registry.KeySource {
		return registry.KeySource{BundleURL: of.SPIFFEEndpoint(t, by, "/x").URL, BundleProfile: "https_spiffe", EndpointSPIFFEID: by.ID("/x")}
	}
	w.trust("a", "a.example", source(a, b), "")
	w.trust("b", "b.example", source(b, a), "")
	start := time.Now()
	w.shows(a, credential.FaultUnavailable)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
