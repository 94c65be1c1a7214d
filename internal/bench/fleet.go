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
// the same exchange by 10 of them at a server with no others, and by as many as
// the plan says at a second server. The two take turns within each round, so
// that what else the machine does meets both; medians of the rounds' ratios
// count.
func fleets(ctx context.Context, w io.Writer, as *realServer, p plan) error {
	other, err := as.beside(ctx)
	if err != nil {
		return err
	}
	defer other.stop()
	few, err := as.fleet(ctx, 10)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d instances, each by its own first request …\n", p.instances)
	start := time.Now()
	many, err := other.fleet(ctx, p.instances)
	if err != nil {
		return err
	}
	made := time.Since(start)
	// What PostgreSQL does about ten thousand new rows is the price of making
	// them, which is printed for itself.
	for _, r := range []*realServer{as, other} {
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	turns := []*system{few, many}
	cpu, p50, p99 := make([][2]float64, p.rounds), make([][2]float64, p.rounds), make([][2]float64, p.rounds)
	for round := range p.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d …\n", round+1, p.rounds)
		for turn := range turns {
			i := (turn + round) % 2 // who is first changes
			s := turns[i]
			if err := s.closed(ctx, p.connections, p.seconds); err != nil {
				return err
			}
			if err := s.open(ctx, p.rate, p.rateTime); err != nil {
				return err
			}
			cpu[round][i] = micros(s.rounds[round].cpu())
			p50[round][i], p99[round][i] = s.p50.Seconds()*1e3, s.p99.Seconds()*1e3
		}
	}
	fmt.Fprintf(w, "\nfirst use of %d instances, one after another on %d connections: %.0f/s\n\n", p.instances, p.connections, float64(p.instances)/made.Seconds())
	fmt.Fprintf(w, "%-18s %10s %9s %9s\n", "", "sum µs", "p50 ms", "p99 ms")
	for i, s := range turns {
		of := func(pair [2]float64) float64 { return pair[i] }
		fmt.Fprintf(w, "%-18s %10.1f %9.2f %9.2f\n", s.name, medianOf(cpu, of), medianOf(p50, of), medianOf(p99, of))
	}
	ratio := func(pair [2]float64) float64 { return pair[1] / pair[0] }
	fmt.Fprintf(w, "%-18s %10.2f %9.2f %9.2f\n", "ratio", medianOf(cpu, ratio), medianOf(p50, ratio), medianOf(p99, ratio))
	return nil
}

// medianOf is the median over the rounds of what of makes of a pair.
func medianOf(rounds [][2]float64, of func(pair [2]float64) float64) float64 {
	values := make([]float64, len(rounds))
	for i, pair := range rounds {
		values[i] = of(pair)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// settle has PostgreSQL do at once what it would do in its own time.
func (r *realServer) settle(ctx context.Context) error {
	return r.sql(ctx, "VACUUM ANALYZE", "CHECKPOINT")
}

// sql runs statements, each for itself, in the server's database.
func (r *realServer) sql(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, r.pg.URL(r.database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
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
