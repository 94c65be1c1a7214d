package spiffe_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/jwks"
	"github.com/tokenry/tokenry/jwks/spiffe"
)

func replace(t *testing.T, file, with string) {
	t.Helper()
	if err := os.Rename(with, file); err != nil {
		t.Fatal(err)
	}
}

// fed is a set from a Workload API, for a trust domain.
func fed(t *testing.T, address, domain string) *world {
	t.Helper()
	source := spiffe.Workload{Address: address, TrustDomain: spiffeid.RequireTrustDomainFromString(domain)}
	return newWorld(t, jwks.Source{Feed: source.Feed}, &authtest.Clock{})
}

// kid is the key that signs for a domain now.
func kid(t *testing.T, domain *authtest.SPIFFE) string {
	t.Helper()
	return authtest.Header(t, domain.JWTSVID(t, "/a", "b", nil))["kid"].(string)
}

func (w *world) wantKey(kid string, there bool) {
	w.t.Helper()
	until(w.t, func() bool {
		_, err := w.Key(w.t.Context(), "ES256", kid)
		return (err == nil) == there
	})
}

func TestWorkload(t *testing.T) {
	t.Parallel()
	domain, partner := authtest.NewSPIFFE(t, "prod.example", nil), authtest.NewSPIFFE(t, "partner.example", nil)
	domain.Federate(partner)
	api := domain.WorkloadAPI(t)
	w, p, nobody := fed(t, api.Address, "prod.example"), fed(t, api.Address, "partner.example"), fed(t, api.Address, "prod.example.org")
	first, theirs := kid(t, domain), kid(t, partner)
	w.want(1)
	w.wantKey(first, true)
	w.wantKey(theirs, false) // SB-02: domains are never merged
	p.wantKey(theirs, true)
	p.wantKey(first, false)
	nobody.want(0)
	nobody.wantKey(first, false)
	if roots, err := p.Authorities(t.Context()); err != nil || !roots[0].Equal(partner.Authorities()[0]) {
		t.Errorf("authorities %v, %v", roots, err)
	}

	domain.Prepare(t)
	w.wantSoon(2)
	domain.Activate()
	second := kid(t, domain)
	w.wantKey(second, true)
	w.wantKey(first, true)
	domain.Retire()
	w.wantSoon(1)
	w.wantKey(first, false)

	partner.Rotate(t)
	p.wantSoon(2)
	domain.Unfederate(partner)
	p.wantSoon(0)
	p.wantKey(theirs, false)
	until(t, func() bool { return strings.Contains(p.reported(), "no keys") })
	w.want(1)
}

// It comes back by itself, and what it knew serves meanwhile.
func TestWorkloadComesBack(t *testing.T) {
	t.Parallel()
	domain := authtest.NewSPIFFE(t, "prod.example", nil)
	api := domain.WorkloadAPI(t)
	api.Stop()
	w := fed(t, api.Address, "prod.example")
	w.wantError(jwks.ErrUnavailable, "the Workload API is away")
	api.Start()
	w.wantSoon(1)
	api.Stop()
	domain.Rotate(t)
	until(t, func() bool { return strings.Count(w.reported(), "is away") > 2 })
	w.want(1)
	w.wantKey(kid(t, domain), false)
	w.clock.Advance(time.Hour)
	w.wantError(jwks.ErrStale, "")
	api.Start()
	w.wantSoon(2)
	w.wantKey(kid(t, domain), true)
}

func TestWorkloadFaults(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := grpc.NewServer() // gRPC, and no Workload API
	go other.Serve(listener)
	t.Cleanup(other.Stop)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain.Close()
	for address, report := range map[string]string{
		"tcp://" + listener.Addr().String(): "does not have this half",
		"tcp://" + plain.Addr().String():    "is away",
		"unix:///nowhere/agent.sock":        "is away",
		"https://127.0.0.1":                 "neither unix:// nor tcp://",
		"nonsense":                          "neither unix:// nor tcp://",
	} {
		fed(t, address, "prod.example").wantError(jwks.ErrUnavailable, report)
	}
}

// No proxy of the environment is between us and the API.
func TestWorkloadWithoutProxy(t *testing.T) { // SEC-SF-18
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("ALL_PROXY", "http://127.0.0.1:1")
	domain := authtest.NewSPIFFE(t, "prod.example", nil)
	fed(t, domain.WorkloadAPI(t).Address, "prod.example").want(1)
}
