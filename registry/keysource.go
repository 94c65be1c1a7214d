package registry

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// HTTPSSPIFFE is the profile of bundle endpoints that prove who they are by an
// X.509-SVID.
const HTTPSSPIFFE = "https_spiffe"

// EndpointID returns the SPIFFE ID of the endpoint that serves the bundle, and
// whether it belongs to the issuer's own trust domain; zero when the endpoint
// proves itself in no such way.
func (t *TrustedIssuer) EndpointID() (id spiffeid.ID, own bool) {
	if t.Keys.BundleProfile != HTTPSSPIFFE {
		return spiffeid.ID{}, false
	}
	id, err := spiffeid.FromString(t.Keys.EndpointSPIFFEID)
	if err != nil {
		return spiffeid.ID{}, false
	}
	return id, id.TrustDomain().Name() == t.TrustDomain
}

// validateEndpoint checks how a bundle endpoint proves who it is: SPIFFE
// Federation, Section 5.2.
func validateEndpoint(ps *problems, t *TrustedIssuer) {
	k := t.Keys
	if k.BundleProfile != "" && k.BundleURL == "" {
		ps.add("spec.keys.bundleProfile", "has no effect without bundleUrl; leave it out")
	}
	if k.BundleProfile != HTTPSSPIFFE {
		if k.EndpointSPIFFEID != "" {
			ps.add("spec.keys.endpointSpiffeId", "has no effect without bundleProfile: https_spiffe; leave it out")
		}
		return
	}
	if strings.HasPrefix(k.BundleURL, "http:") {
		ps.add("spec.keys.bundleUrl", "must begin with https://: over http the endpoint has no certificate to prove its SPIFFE ID by")
	}
	id, own := t.EndpointID()
	const bad = `must be the SPIFFE ID of the endpoint's certificate, like "spiffe://prod.example/spire/server"`
	switch {
	case k.EndpointSPIFFEID == "":
		ps.add("spec.keys.endpointSpiffeId", "is missing; it "+bad)
	case id.Path() == "" || len(k.EndpointSPIFFEID) > maxSPIFFEID || len(id.TrustDomain().Name()) > maxTrustDomain:
		ps.add("spec.keys.endpointSpiffeId", bad)
	case own && t.CAFile == "":
		// Nothing else could vouch for the endpoint the first time.
		ps.add("spec.caFile", "is missing; it holds the authorities that the endpoint's certificate is verified with until its first bundle is here")
	case !own && t.CAFile != "":
		ps.add("spec.caFile", "has no effect: the endpoint is verified with the bundle of trust domain %q; leave it out", id.TrustDomain().Name())
	}
}

// checkWorkloadAPI checks the address of a Workload API: SPIFFE Workload
// Endpoint, Section 4. It speaks plain gRPC and is believed, so nobody may be on
// the way to it.
func checkWorkloadAPI(ps *problems, at, raw string) {
	if raw == "" {
		return
	}
	checkText(ps, at, raw, maxURL)
	u, err := url.Parse(raw)
	const bad = `must be "unix:///absolute/path" of a socket, or "tcp://127.0.0.1:port" on this machine`
	if err != nil || u.User != nil || u.Opaque != "" || strings.ContainsAny(raw, "?#%") {
		ps.add(at, bad)
		return
	}
	switch u.Scheme {
	case "unix":
		if !strings.HasPrefix(raw, "unix:///") || strings.HasSuffix(raw, "/") {
			ps.add(at, bad)
		}
	case "tcp":
		address, err := netip.ParseAddrPort(u.Host)
		if err != nil || u.Path != "" || !address.Addr().IsLoopback() || address.Port() == 0 {
			ps.add(at, bad)
		}
	default:
		ps.add(at, bad)
	}
}

// checkEndpointDomain checks that there is a bundle to verify an endpoint of
// another trust domain with, and that it can be had without ours.
func (w *world) checkEndpointDomain(ps *problems, t *TrustedIssuer) {
	const at = "spec.keys.endpointSpiffeId"
	id, own := t.EndpointID()
	if id.IsZero() || own {
		return
	}
	seen := map[string]bool{t.TrustDomain: true}
	for domain := id.TrustDomain().Name(); ; {
		other := w.domains[domain]
		switch {
		case other == nil && domain == id.TrustDomain().Name():
			ps.add(at, "there is no trusted issuer of type spiffe for trust domain %q, whose bundle the endpoint is verified with", domain)
			return
		case seen[domain]:
			ps.add(at, "goes round in a circle: the bundle of trust domain %q could only be fetched with ours; give one of them another source", domain)
			return
		case other == nil:
			return // the one that needs it is told
		}
		seen[domain] = true
		next, own := other.EndpointID()
		if next.IsZero() || own {
			return
		}
		domain = next.TrustDomain().Name()
	}
}
