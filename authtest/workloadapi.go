package authtest

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// WorkloadAPI is a SPIFFE Workload API on a socket of its own, for one workload:
// whoever connects is it. Clients such as go-spiffe's work with it as they are.
type WorkloadAPI struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	Address string // unix:///…

	t      testing.TB
	domain *SPIFFE
	paths  []string
	socket string

	mu      sync.Mutex
	server  *grpc.Server
	silent  bool
	streams int
}

// WorkloadAPI starts a Workload API for a workload with these paths as its
// SPIFFE IDs, the first of them its default. Without any it only gives bundles.
func (s *SPIFFE) WorkloadAPI(t testing.TB, paths ...string) *WorkloadAPI {
	t.Helper()
	dir, err := os.MkdirTemp("", "spiffe-") // t.TempDir is too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &WorkloadAPI{t: t, domain: s, paths: paths, socket: filepath.Join(dir, "agent.sock")}
	w.Address = "unix://" + w.socket
	w.Start()
	t.Cleanup(w.Stop)
	return w
}

// Start starts it again after Stop.
func (w *WorkloadAPI) Start() {
	w.t.Helper()
	listener, err := net.Listen("unix", w.socket)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = grpc.NewServer(grpc.UnaryInterceptor(checkUnary), grpc.StreamInterceptor(checkStream))
	workload.RegisterSpiffeWorkloadAPIServer(w.server, w)
	go func(s *grpc.Server) { _ = s.Serve(listener) }(w.server)
}

// Stop cuts every client off and closes the socket.
func (w *WorkloadAPI) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server.Stop()
}

// Silence has streams that are opened from now on say nothing.
func (w *WorkloadAPI) Silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent = true
}

// Streams is how many streams are open; a client of bundles has two.
func (w *WorkloadAPI) Streams() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.streams
}

// Workload Endpoint, Section 6: without the header a request may have been made
// by somebody whom a browser or a proxy speaks for.
func checkHeader(ctx context.Context) error {
	in, _ := metadata.FromIncomingContext(ctx)
	if !slices.Equal(in.Get("workload.spiffe.io"), []string{"true"}) {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	return nil
}

func checkUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := checkHeader(ctx); err != nil {
		return nil, err
	}
	return next(ctx, request)
}

func checkStream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := checkHeader(stream.Context()); err != nil {
		return err
	}
	return next(server, stream)
}

// stream sends now, and again with each change of the domain or of those that it
// federates with.
func (w *WorkloadAPI) stream(ctx context.Context, send func([]*SPIFFE) error) error {
	w.mu.Lock()
	silent := w.silent
	w.streams++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.streams--
	}()
	for {
		// The channel first: what changes while we send is sent again.
		next, known := w.domain.watch()
		if !silent {
			if err := send(known); err != nil {
				return err
			}
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watch returns what is closed with the next change, and the domain with those
// that it federates with.
func (s *SPIFFE) watch() (next <-chan struct{}, known []*SPIFFE) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed, append([]*SPIFFE{s}, s.federation...)
}

// FetchX509SVID streams the workload's X.509-SVIDs.
func (w *WorkloadAPI) FetchX509SVID(_ *workload.X509SVIDRequest, out workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if len(w.paths) == 0 {
		return status.Error(codes.PermissionDenied, "no identity issued")
	}
	return w.stream(out.Context(), func(known []*SPIFFE) error {
		answer := &workload.X509SVIDResponse{FederatedBundles: map[string][]byte{}}
		for _, path := range w.paths {
			svid := w.domain.X509SVID(w.t, path)
			key, err := x509.MarshalPKCS8PrivateKey(svid.Key)
			if err != nil {
				return err
			}
			answer.Svids = append(answer.Svids, &workload.X509SVID{
				SpiffeId: w.domain.ID(path), X509Svid: svid.Chain[0], X509SvidKey: key, Bundle: w.domain.rawAuthorities(),
			})
		}
		for _, d := range known[1:] {
			answer.FederatedBundles[d.ID("")] = d.rawAuthorities()
		}
		return out.Send(answer)
	})
}

// FetchX509Bundles streams the authorities of X.509-SVIDs.
func (w *WorkloadAPI) FetchX509Bundles(_ *workload.X509BundlesRequest, out workload.SpiffeWorkloadAPI_FetchX509BundlesServer) error {
	return w.stream(out.Context(), func(known []*SPIFFE) error {
		return out.Send(&workload.X509BundlesResponse{Bundles: bundles(known, (*SPIFFE).rawAuthorities)})
	})
}

// FetchJWTBundles streams the JWT authorities.
func (w *WorkloadAPI) FetchJWTBundles(_ *workload.JWTBundlesRequest, out workload.SpiffeWorkloadAPI_FetchJWTBundlesServer) error {
	return w.stream(out.Context(), func(known []*SPIFFE) error {
		return out.Send(&workload.JWTBundlesResponse{Bundles: bundles(known, (*SPIFFE).jwks)})
	})
}

func bundles(known []*SPIFFE, of func(*SPIFFE) []byte) map[string][]byte {
	all := map[string][]byte{}
	for _, d := range known {
		all[d.ID("")] = of(d)
	}
	return all
}

// FetchJWTSVID mints JWT-SVIDs of the workload: all, or the one asked for.
func (w *WorkloadAPI) FetchJWTSVID(_ context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if len(r.GetAudience()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "audience must be specified")
	}
	answer := &workload.JWTSVIDResponse{}
	for _, path := range w.paths {
		if id := w.domain.ID(path); r.GetSpiffeId() == "" || r.GetSpiffeId() == id {
			answer.Svids = append(answer.Svids, &workload.JWTSVID{SpiffeId: id, Svid: w.domain.mintJWT(w.t, w.domain.jwtKey(false), path, r.GetAudience(), nil)})
		}
	}
	if len(answer.Svids) == 0 {
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	}
	return answer, nil
}

// ValidateJWTSVID verifies a JWT-SVID of a domain that the workload trusts.
func (w *WorkloadAPI) ValidateJWTSVID(_ context.Context, r *workload.ValidateJWTSVIDRequest) (*workload.ValidateJWTSVIDResponse, error) {
	trusted := jwtbundle.NewSet()
	_, known := w.domain.watch()
	for _, d := range known {
		domain, err := spiffeid.TrustDomainFromString(d.Domain)
		if err != nil {
			return nil, err
		}
		trusted.Add(jwtbundle.FromJWTAuthorities(domain, d.jwtAuthorities()))
	}
	svid, err := jwtsvid.ParseAndValidate(r.GetSvid(), trusted, []string{r.GetAudience()})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	// Through JSON, since structpb knows its types alone.
	raw, err := json.Marshal(svid.Claims)
	if err != nil {
		return nil, err
	}
	claims := &structpb.Struct{}
	if err := claims.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return &workload.ValidateJWTSVIDResponse{SpiffeId: svid.ID.String(), Claims: claims}, nil
}
