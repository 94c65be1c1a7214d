package spiffe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tokenry/tokenry/jwks"
)

// Times of a connection to the Workload API. It is on the same machine, where
// asking often costs nothing.
const (
	firstRetry   = 200 * time.Millisecond
	longestRetry = 5 * time.Second

	// askAlive finds an agent that is stopped but not gone. gRPC servers hang up
	// on who asks more than once in five minutes.
	askAlive = 6 * time.Minute
)

// Workload is a SPIFFE Workload API as source of one trust domain's keys.
//
// It reads the messages itself and not through the library's workloadapi, for
// that takes an answer as a whole: one key that it cannot read, of any
// federated domain, would hold up ours. What the answer says of our domain goes
// as it is to the strict door of package jose.
type Workload struct {
	Address     string // unix:///absolute/path or tcp://ip:port
	TrustDomain spiffeid.TrustDomain
}

// Feed is the jwks.Feed of w. It comes back after each failure until ctx ends.
func (w Workload) Feed(ctx context.Context, jwt, x509 func(raw []byte, err error)) {
	conn, err := w.dial()
	if err != nil {
		jwt(nil, err)
		x509(nil, err)
		return
	}
	defer func() { _ = conn.Close() }() // nothing is kept by it
	client := workload.NewSpiffeWorkloadAPIClient(conn)
	// Workload Endpoint, Section 6: the security header.
	ctx = metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", "true")
	var both sync.WaitGroup
	both.Go(func() {
		again(ctx, jwt, func(heard func()) error {
			stream, err := client.FetchJWTBundles(ctx, &workload.JWTBundlesRequest{})
			if err != nil {
				return err
			}
			return receive(stream.Recv, heard, func(m *workload.JWTBundlesResponse) { jwt(w.own(m.GetBundles()), nil) })
		})
	})
	both.Go(func() {
		again(ctx, x509, func(heard func()) error {
			stream, err := client.FetchX509Bundles(ctx, &workload.X509BundlesRequest{})
			if err != nil {
				return err
			}
			return receive(stream.Recv, heard, func(m *workload.X509BundlesResponse) { x509(w.own(m.GetBundles()), nil) })
		})
	})
	both.Wait()
}

// own finds what an answer says of our trust domain. Domains are never merged:
// SPIFFE Federation, Section 4.3.
func (w Workload) own(bundles map[string][]byte) []byte {
	for name, raw := range bundles {
		if domain, err := spiffeid.TrustDomainFromString(name); err == nil && domain == w.TrustDomain {
			return raw
		}
	}
	return nil
}

// receive takes messages until the stream breaks.
func receive[M any](next func() (M, error), heard func(), take func(M)) error {
	for {
		message, err := next()
		if err != nil {
			return err
		}
		heard()
		take(message)
	}
}

// again keeps a stream open, with longer and longer pauses between failures.
func again(ctx context.Context, failed func([]byte, error), stream func(heard func()) error) {
	pause := firstRetry
	for {
		err := stream(func() { pause = firstRetry })
		if ctx.Err() != nil {
			return
		}
		failed(nil, describe(err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestRetry)
	}
}

// describe puts an error of gRPC into words of ours; its message is the other
// side's.
func describe(err error) error {
	switch code := status.Code(err); code {
	case codes.PermissionDenied: // Workload API, Section 6: no identity issued
		return errors.New("the Workload API gives this server nothing; it needs an entry there")
	case codes.Unavailable:
		return errors.New("the Workload API is away")
	case codes.Unimplemented:
		return errors.New("the Workload API does not have this half of the bundle")
	default:
		return fmt.Errorf("the Workload API answers %s", code)
	}
}

// dial opens a connection, which is made when it is first used.
func (w Workload) dial() (*grpc.ClientConn, error) {
	network, address, ok := strings.Cut(w.Address, "://")
	if !ok || (network != "unix" && network != "tcp") {
		return nil, errors.New("the address of the Workload API is neither unix:// nor tcp://")
	}
	// Our own dialer on an address as it is: no name is looked up, and no proxy
	// of the environment is asked.
	return grpc.NewClient("passthrough:///workload",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // Workload Endpoint, Section 3: it has no TLS
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: askAlive}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: firstRetry, Multiplier: 2, Jitter: 0.2, MaxDelay: longestRetry},
			MinConnectTimeout: longestRetry,
		}),
	)
}

var (
	_ jwks.Feed     = Workload{}.Feed
	_ jwks.Endpoint = Endpoint{}.Verify
)
