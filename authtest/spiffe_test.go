package authtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tokenry/tokenry/authtest"
)

// TestWorkloadAPI holds the test kit against go-spiffe: what passes here is what
// a real agent would say.
func TestWorkloadAPI(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	domain, partner := authtest.NewSPIFFE(t, "prod.example", nil), authtest.NewSPIFFE(t, "partner.example", nil)
	domain.Federate(partner)
	api := domain.WorkloadAPI(t, "/a", "/b")
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(api.Address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })

	svids, err := client.FetchX509SVIDs(ctx)
	if err != nil || len(svids) != 2 || svids[0].ID.String() != domain.ID("/a") {
		t.Fatalf("X.509-SVIDs %v, %v", svids, err)
	}
	bundles, err := client.FetchX509Bundles(ctx)
	if err != nil || bundles.Len() != 2 {
		t.Fatalf("%d bundles, %v", bundles.Len(), err)
	}
	if _, _, err := x509svid.Verify(svids[1].Certificates, bundles); err != nil {
		t.Error(err)
	}
	if _, _, err := x509svid.ParseAndVerify(partner.X509SVID(t, "/x").Chain, bundles); err != nil {
		t.Errorf("of a federated domain: %v", err)
	}

	one, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "aud", Subject: spiffeid.RequireFromString(domain.ID("/b"))})
	if err != nil || one.ID.Path() != "/b" {
		t.Fatalf("JWT-SVID %v, %v", one, err)
	}
	jwts, err := client.FetchJWTBundles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwtsvid.ParseAndValidate(one.Marshal(), jwts, []string{"aud"}); err != nil {
		t.Error(err)
	}
	for token, good := range map[string]bool{
		one.Marshal(): true, partner.JWTSVID(t, "/x", "aud", nil): true,
		domain.JWTSVID(t, "/a", "other", nil):                                   false,
		authtest.NewSPIFFE(t, "prod.example", nil).JWTSVID(t, "/a", "aud", nil): false,
	} {
		if _, err := client.ValidateJWTSVID(ctx, token, "aud"); (err == nil) != good {
			t.Errorf("validated: %v, want %v", err, good)
		}
	}
	if _, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: "aud", Subject: spiffeid.RequireFromString(domain.ID("/c"))}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("somebody else's SVID: %v", err)
	}
}

// TestWorkloadAPIPushes: a source that was opened before follows a rotation.
func TestWorkloadAPIPushes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	domain := authtest.NewSPIFFE(t, "prod.example", nil)
	with := workloadapi.WithClientOptions(workloadapi.WithAddr(domain.WorkloadAPI(t, "/a").Address))
	source, err := workloadapi.NewX509Source(ctx, with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	bundles, err := workloadapi.NewBundleSource(ctx, with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bundles.Close() })
	name := spiffeid.RequireTrustDomainFromString("prod.example")
	for rotations, step := range []func(){func() {}, func() { domain.Rotate(t) }, domain.Retire} {
		step()
		want := []int{1, 2, 1}[rotations]
		for {
			bundle, err := bundles.GetBundleForTrustDomain(name)
			if err == nil && len(bundle.X509Authorities()) == want && len(bundle.JWTAuthorities()) == want {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("step %d: the bundle does not come", rotations)
			}
			time.Sleep(time.Millisecond)
		}
		for {
			svid, err := source.GetX509SVID()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := x509svid.Verify(svid.Certificates, x509bundle.FromX509Authorities(name, domain.Authorities())); err == nil {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("step %d: the SVID does not come", rotations)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// TestWorkloadAPIWantsHeader: SPIFFE Workload Endpoint, Section 6.
func TestWorkloadAPIWantsHeader(t *testing.T) {
	t.Parallel()
	api := authtest.NewSPIFFE(t, "prod.example", nil).WorkloadAPI(t, "/a")
	conn, err := grpc.NewClient(api.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := workload.NewSpiffeWorkloadAPIClient(conn)
	if _, err := client.FetchJWTSVID(t.Context(), &workload.JWTSVIDRequest{Audience: []string{"aud"}}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("error = %v, want InvalidArgument", err)
	}
	stream, err := client.FetchX509Bundles(t.Context(), &workload.X509BundlesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("error = %v, want InvalidArgument", err)
	}
}
