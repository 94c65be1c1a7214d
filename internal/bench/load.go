package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// system is one server under load and what was measured of it.
type system struct {
	name     string
	proc     int // process of the server
	postgres int // postmaster; 0 = none
	url      string
	forms    []string

	next   atomic.Int64
	rounds []measure
	p50    time.Duration
	p99    time.Duration
}

// measure is one closed-loop run.
type measure struct {
	requests    int
	seconds     float64
	serverCPU   time.Duration // per request
	postgresCPU time.Duration // per request
}

func (m measure) cpu() time.Duration { return m.serverCPU + m.postgresCPU }

func client(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true,
	}, Timeout: 20 * time.Second}
}

// post sends the next form. Every answer must carry a token.
func (s *system) post(ctx context.Context, c *http.Client) error {
	form := s.forms[int(s.next.Add(1))%len(s.forms)]
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(form))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.Do(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), "access_token") {
		return fmt.Errorf("%s: status %d: %.300s", s.name, res.StatusCode, body)
	}
	return nil
}

// closed keeps all connections busy for d and measures CPU time per request.
func (s *system) closed(ctx context.Context, connections int, d time.Duration) error {
	c := client(connections)
	defer c.CloseIdleConnections()
	warm := time.Now().Add(d / 5)
	if _, err := s.drive(ctx, c, connections, warm); err != nil {
		return err
	}
	server, postgres, start := cpuOf(s.proc), cpuOf(s.postgres), time.Now()
	done, err := s.drive(ctx, c, connections, start.Add(d))
	if err != nil {
		return err
	}
	n := time.Duration(done)
	s.rounds = append(s.rounds, measure{
		requests: done, seconds: time.Since(start).Seconds(),
		serverCPU: (cpuOf(s.proc) - server) / n, postgresCPU: (cpuOf(s.postgres) - postgres) / n,
	})
	return nil
}

func (s *system) drive(ctx context.Context, c *http.Client, connections int, until time.Time) (int, error) {
	var wg sync.WaitGroup
	var done atomic.Int64
	var failed atomic.Pointer[error]
	for range connections {
		wg.Go(func() {
			for time.Now().Before(until) && failed.Load() == nil && ctx.Err() == nil {
				if err := s.post(ctx, c); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return int(done.Load()), ctx.Err()
}

// open sends at a fixed rate for d, whatever the answers do, and measures
// latency from the intended send time.
func (s *system) open(ctx context.Context, rate int, d time.Duration) error {
	c := client(256)
	defer c.CloseIdleConnections()
	n := int(d.Seconds() * float64(rate))
	latencies := make([]time.Duration, n)
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		wg.Go(func() {
			if err := s.post(ctx, c); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
			latencies[i] = time.Since(due)
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	slices.Sort(latencies)
	s.p50, s.p99 = latencies[n/2], latencies[n*99/100]
	return ctx.Err()
}

// report prints every system and its ratio to the first, the bare server.
func report(w io.Writer, p plan, systems []*system) {
	fmt.Fprintf(w, "\n%d connections, median of %d rounds of %s; latency at %d requests/s\n\n", p.connections, p.rounds, p.seconds, p.rate)
	fmt.Fprintf(w, "%-18s %10s %10s %10s %9s %9s %9s %8s\n", "", "server µs", "postgres µs", "sum µs", "req/s", "p50 ms", "p99 ms", "ratio")
	for _, s := range systems {
		m := s.median()
		var ratios []float64
		for i, r := range s.rounds {
			ratios = append(ratios, float64(r.cpu())/float64(systems[0].rounds[i].cpu()))
		}
		slices.Sort(ratios)
		fmt.Fprintf(w, "%-18s %10.1f %10.1f %10.1f %9.0f %9.2f %9.2f %8.2f\n", s.name,
			micros(m.serverCPU), micros(m.postgresCPU), micros(m.cpu()), float64(m.requests)/m.seconds,
			s.p50.Seconds()*1e3, s.p99.Seconds()*1e3, ratios[len(ratios)/2])
	}
}

func (s *system) median() measure {
	sorted := slices.SortedFunc(slices.Values(s.rounds), func(a, b measure) int { return int(a.cpu() - b.cpu()) })
	return sorted[len(sorted)/2]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
