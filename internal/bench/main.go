// Command bench measures the cost of an exchange in one run, as ratios, because
// machines are shared and noisy: ES256 verify and sign alone, a bare net/http
// server that does just these two, and the real server with Postgres, each in
// its own process on loopback. Then the same exchange by 10 instances of one
// binding and by 10,000.
//
// It prints CPU time per request of server and Postgres apart, requests per
// second, and latency at a fixed rate counted from the intended send time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// plan is how much is measured.
type plan struct {
	rounds      int
	seconds     time.Duration // of one closed-loop run
	connections int
	rate        int           // requests per second of the open-loop run
	rateTime    time.Duration // of the open-loop run
	tokens      int           // distinct subject tokens, used in turn
	agents      int           // for the registry's memory
	instances   int           // of one binding
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "bare" {
		bare(os.Args[2:])
		return
	}
	var p plan
	flag.IntVar(&p.rounds, "rounds", 3, "rounds; medians of their ratios are printed")
	flag.DurationVar(&p.seconds, "time", 5*time.Second, "time of a closed-loop run")
	flag.IntVar(&p.connections, "connections", 64, "connections of a closed-loop run")
	flag.IntVar(&p.rate, "rate", 500, "requests per second of the latency run")
	flag.DurationVar(&p.rateTime, "rate-time", 5*time.Second, "time of the latency run")
	flag.IntVar(&p.tokens, "tokens", 20000, "distinct subject tokens")
	flag.IntVar(&p.agents, "agents", 100000, "agents of the memory measurement")
	flag.IntVar(&p.instances, "instances", 10000, "instances of one binding")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, p); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p plan) error {
	fmt.Printf("crypto alone      verify+sign ES256       %6.1f µs CPU\n", cryptoAlone().Seconds()*1e6)
	if err := memory(p.agents); err != nil {
		return err
	}
	as, err := startReal(ctx)
	if err != nil {
		return err
	}
	defer as.stop()
	bareServer, err := startBare(ctx, as)
	if err != nil {
		return err
	}
	defer bareServer.stop()

	fmt.Fprintf(os.Stderr, "minting %d subject tokens …\n", p.tokens)
	forms, err := as.forms(p.tokens)
	if err != nil {
		return err
	}
	systems := []*system{
		{name: "bare server", proc: bareServer.proc, url: bareServer.url, forms: forms.secret},
		{name: "tokenry, secret", proc: as.proc, postgres: as.postgres, url: as.url, forms: forms.secret},
		{name: "tokenry, JWT-SVID", proc: as.proc, postgres: as.postgres, url: as.url, forms: forms.svid},
	}
	for round := range p.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d …\n", round+1, p.rounds)
		for _, s := range systems {
			if err := s.closed(ctx, p.connections, p.seconds); err != nil {
				return err
			}
		}
	}
	for _, s := range systems {
		if err := s.open(ctx, p.rate, p.rateTime); err != nil {
			return err
		}
	}
	report(os.Stdout, p, systems)
	return fleets(ctx, os.Stdout, as, p)
}
