package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tokenry/tokenry/oauth"
)

// fleets measures whether it matters how many instances one binding has made:
// the same exchange by 10 of them while there are no others, and by as many as
// the plan says once there are.
func fleets(ctx context.Context, w io.Writer, as *realServer, p plan) error {
	few, err := as.fleet(ctx, 10)
	if err != nil {
		return err
	}
	if err := as.settle(ctx); err != nil {
		return err
	}
	if err := few.measure(ctx, p); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d instances, each by its own first request …\n", p.instances)
	start := time.Now()
	many, err := as.fleet(ctx, p.instances)
	if err != nil {
		return err
	}
	made := time.Since(start)
	// What PostgreSQL does about ten thousand new rows is the price of making
	// them, which is printed for itself.
	if err := as.settle(ctx); err != nil {
		return err
	}
	if err := many.measure(ctx, p); err != nil {
		return err
	}
	a, b := few.median(), many.median()
	fmt.Fprintf(w, "\nfirst use of %d instances, one after another on %d connections: %.0f/s\n\n", p.instances, p.connections, float64(p.instances)/made.Seconds())
	fmt.Fprintf(w, "%-18s %10s %9s %9s\n", "", "sum µs", "p50 ms", "p99 ms")
	for _, s := range []*system{few, many} {
		fmt.Fprintf(w, "%-18s %10.1f %9.2f %9.2f\n", s.name, micros(s.median().cpu()), s.p50.Seconds()*1e3, s.p99.Seconds()*1e3)
	}
	fmt.Fprintf(w, "%-18s %10.2f %9.2f %9.2f\n", "ratio", float64(b.cpu())/float64(a.cpu()), float64(many.p50)/float64(few.p50), float64(many.p99)/float64(few.p99))
	return nil
}

// measure makes the rounds of CPU time and as many of latency; medians count.
func (s *system) measure(ctx context.Context, p plan) error {
	var p50s, p99s []time.Duration
	for range p.rounds {
		if err := s.closed(ctx, p.connections, p.seconds); err != nil {
			return err
		}
		if err := s.open(ctx, p.rate, p.rateTime); err != nil {
			return err
		}
		p50s, p99s = append(p50s, s.p50), append(p99s, s.p99)
	}
	slices.Sort(p50s)
	slices.Sort(p99s)
	s.p50, s.p99 = p50s[len(p50s)/2], p99s[len(p99s)/2]
	return nil
}

// settle has PostgreSQL do at once what it would do in its own time.
func (r *realServer) settle(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.pg.URL("tokenry"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// fleet makes n instances of the blueprint and returns them as a system whose
// requests they make in turn.
func (r *realServer) fleet(ctx context.Context, n int) (*system, error) {
	s := &system{name: fmt.Sprintf("%d instances", n), proc: r.proc, postgres: r.postgres, url: r.url}
	now := time.Now().Unix()
	for i := range n {
		svid, err := r.spire.token(map[string]any{
			"sub": fmt.Sprintf("spiffe://prod.example/fleet/%05d", i), "aud": r.issuer, "iat": now, "exp": now + 3600,
		})
		if err != nil {
			return nil, err
		}
		s.forms = append(s.forms, url.Values{
			"grant_type": {string(oauth.ClientCredentials)}, "resource": {audience}, "scope": {"llm:read"},
			"client_assertion_type": {string(oauth.SPIFFEAssertion)}, "client_assertion": {svid},
		}.Encode())
	}
	return s, s.once(ctx)
}

// once sends every form one time.
func (s *system) once(ctx context.Context) error {
	const connections = 64
	c := client(connections)
	defer c.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(len(s.forms)))
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			for left.Add(-1) >= 0 {
				if err := s.post(ctx, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
