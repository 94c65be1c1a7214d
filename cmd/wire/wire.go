// Package wire puts the rooms together into a running server: it fills the
// function fields through which the loops reach SQL, opens the listeners and
// ends everything in order. cmd/tokenry and the test kit start servers here.
package wire

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/outbound"
	"github.com/tokenry/tokenry/policy"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/storage"
)

// Config is what a server is started from.
type Config struct {
	config.Config
	Version        string           // of the program; empty = "unknown"
	KEK            []byte           // 32 bytes that seal the signing keys
	BootstrapToken string           // admits an administrator; required
	Log            *slog.Logger     // nil = slog.Default()
	Now            func() time.Time // nil = time.Now

	// RefusalsPerSecond is how many refusals from before authentication are kept
	// one by one; 0 = 100. Tests look at every one.
	RefusalsPerSecond int

	// Listeners that are open already, for callers that need their address
	// before the server starts; nil = listen as configured.
	Public net.Listener
	Admin  net.Listener
	MTLS   net.Listener // used if public.mtls_listen is set
}

// Server is a running server.
type Server struct {
	PublicURL string // scheme, host and port of the public listener
	AdminURL  string // … and of the admin listener
	MTLSURL   string // … and of the one that asks for certificates; empty = there is none
	Model     *registry.Model
	DB        *storage.DB

	cfg       Config
	ring      *keys.Ring
	ledger    *audit.Ledger
	outbound  *outbound.Client
	verifier  *credential.Verifier
	endpoint  *grants.Endpoint
	uses      uses
	listeners []*http.Server
	loops     sync.WaitGroup
	stop      context.CancelFunc
	failed    chan error
	ending    atomic.Bool
}

// How long things may take at the end.
const (
	requestTime = 12 * time.Second // running requests
	closeTime   = 6 * time.Second  // each of ledger, database and loops
)

// Start opens the database, migrates it if told to, reads registry and keys,
// and serves. What it returned with an error is closed again.
func Start(ctx context.Context, c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Version == "" {
		c.Version = "unknown"
	}
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{cfg: c, stop: stop, failed: make(chan error, 4)}
	if err := s.start(ctx, loops); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	return s, nil
}

func (s *Server) start(ctx, loops context.Context) error {
	if err := s.openDatabase(ctx); err != nil {
		return err
	}
	if err := s.openKeys(ctx); err != nil {
		return err
	}
	wake := make(chan struct{}, 1)
	s.Model = registry.NewModel(registry.ModelConfig{
		Fetch: s.DB.Changes, Admit: s.DB.AdmitInstances, Now: s.cfg.Now, Wake: wake, Report: s.report("reading the registry"),
	})
	if err := s.Model.Poll(ctx); err != nil {
		return fmt.Errorf("reading the registry: %w", err)
	}
	if err := s.openEndpoint(); err != nil {
		return err
	}
	s.loop(func() { s.Model.Run(loops) })
	s.loop(func() { s.DB.Listen(loops, wake) })
	s.loop(func() { s.ring.Run(loops) })
	s.loop(func() { s.purge(loops) })
	s.loop(func() { s.touch(loops) })
	return s.listen()
}

func (s *Server) loop(f func()) { s.loops.Go(f) }

func (s *Server) report(doing string) func(error) {
	return func(err error) { s.cfg.Log.Warn(doing, "cause", err) }
}

func (s *Server) openDatabase(ctx context.Context) error {
	d := s.cfg.Database
	if err := migrate(ctx, d); err != nil {
		return err
	}
	db, err := storage.Open(ctx, storage.Config{URL: d.URL, DirectURL: d.DirectURL, MaxConns: int32(d.MaxConns)})
	if err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	s.DB = db
	return nil
}

func (s *Server) openKeys(ctx context.Context) error {
	ring, err := keys.New(keys.Config{
		KEK: s.cfg.KEK, Alg: s.cfg.Keys.Algorithm,
		RotateEvery: s.cfg.Keys.RotateEvery, PublishBefore: s.cfg.Keys.PublishBefore, MaxTTL: s.cfg.Tokens.MaxTTL,
		Now: s.cfg.Now, Load: s.DB.SigningKeys, Insert: s.DB.InsertSigningKey, Report: s.report("refreshing the signing keys"),
	})
	if err != nil {
		return err
	}
	s.ring = ring
	if err := ring.Refresh(ctx); err != nil {
		return fmt.Errorf("reading the signing keys: %w", err)
	}
	return nil
}

func (s *Server) openEndpoint() error {
	var err error
	if s.outbound, err = outbound.New(outbound.Config{AllowNetworks: s.cfg.Trust.AllowNetworks, AllowHTTP: s.cfg.Trust.AllowHTTP}); err != nil {
		return err
	}
	var authorities func() (*x509.CertPool, error)
	if path := s.cfg.Config.Public.MTLSCAFile; path != "" {
		authorities = (&roots{path: path, report: s.report("reading the roots of client certificates again")}).load
		if _, err := authorities(); err != nil {
			return err
		}
	}
	s.verifier, err = credential.New(credential.Config{
		Issuer: s.cfg.Issuer, TokenEndpoint: oauth.TokenEndpoint(s.cfg.Issuer), Model: s.Model, Outbound: s.outbound, Skew: s.cfg.Trust.ClockSkew, Now: s.cfg.Now, Roots: authorities,
		Reviews: s.cfg.Limits.TokenPerAgent.PerSecond(),
		Report: func(issuer registry.IssuerName, err error) {
			s.cfg.Log.Warn("a trusted issuer", "issuer", issuer, "cause", err)
		},
		ReportAgent: func(agent registry.AgentName, err error) {
			s.cfg.Log.Warn("keys of an agent", "agent", agent, "cause", err)
		},
	})
	if err != nil {
		return err
	}
	s.ledger, err = audit.New(audit.Config{
		Write: s.DB.WriteEvents, RefusalsPerSecond: s.cfg.RefusalsPerSecond, Poison: storage.IsPoison, Now: s.cfg.Now, Report: s.report("writing events"),
	})
	if err != nil {
		return err
	}
	s.endpoint, err = grants.New(grants.Config{
		Issuer: s.cfg.Issuer, Limits: s.limits(), Skew: s.cfg.Trust.ClockSkew, Model: s.Model,
		Verifier: s.verifier, Ring: s.ring, Ledger: s.ledger, Try: s.DB.TryInstances, Used: s.uses.add, Rate: s.cfg.Limits.TokenPerAgent.PerSecond(), Now: s.cfg.Now,
	})
	return err
}

func (s *Server) limits() policy.Limits {
	t := s.cfg.Tokens
	return policy.Limits{DefaultTTL: t.DefaultTTL, MaxTTL: t.MaxTTL, MaxDepth: t.MaxDelegationDepth}
}

// ready reports why this replica may not issue.
func (s *Server) ready() error {
	if s.ending.Load() {
		return errors.New("the server is ending")
	}
	if !s.Model.Fresh() {
		return errors.New("the registry has not been read for 4 seconds")
	}
	return s.ring.Ready()
}

// ReplayMargin is how long a spent single-use key is kept beyond the time at which
// its assertion has expired everywhere. The database's clock decides that; a
// replica whose own clock is set back by some minutes takes an old assertion for
// a young one, and must still find it spent.
const ReplayMargin = 15 * time.Minute

// collectChunk is how many instances are forgotten in one transaction: it holds
// up every other write to the registry.
const collectChunk = 500

// purge forgets what nobody needs: spent single-use keys once their assertions
// have expired, events past their retention, and instances that are idle.
func (s *Server) purge(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := s.DB.PurgeReplay(ctx, ReplayMargin); err != nil {
			s.report("forgetting single-use keys")(err)
		}
		if _, err := s.DB.PurgeEvents(ctx, s.cfg.Audit.Retention); err != nil {
			s.report("forgetting old events")(err)
		}
		if err := s.collect(ctx); err != nil {
			s.report("forgetting idle instances")(err)
		}
	}
}

// collect forgets all instances that are idle.
func (s *Server) collect(ctx context.Context) error {
	for {
		n, err := s.DB.CollectInstances(ctx, s.cfg.Now(), collectChunk)
		if err != nil || n < collectChunk {
			return err
		}
	}
}

// Wait returns when ctx ends or a listener fails.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// Close ends the server: it says that it is not ready, lets running requests
// end, then writes what the ledger has queued, then closes the rest. Each has
// its own time, so that a client that never ends costs nobody's record; and
// nothing hangs for ever.
func (s *Server) Close(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	s.ending.Store(true)
	errs := s.closeListeners(ctx)
	within := func(f func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, closeTime)
		defer cancel()
		errs = append(errs, f(ctx))
	}
	if s.ledger != nil {
		within(s.ledger.Close)
	}
	if s.DB != nil {
		within(s.writeUses)
	}
	s.stop()
	if s.verifier != nil {
		s.verifier.Close()
	}
	if s.DB != nil {
		within(s.DB.Close)
	}
	within(s.loopsEnded)
	return errors.Join(errs...)
}

// closeListeners shuts all listeners down at once, and cuts off what does not
// end in time.
func (s *Server) closeListeners(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	errs := make([]error, len(s.listeners))
	var all sync.WaitGroup
	for i, l := range s.listeners {
		all.Go(func() {
			if err := l.Shutdown(ctx); err != nil {
				s.cfg.Log.Warn("requests were cut off at the end", "cause", err)
				errs[i] = l.Close()
			}
		})
	}
	all.Wait()
	return errs
}

func (s *Server) loopsEnded(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.loops.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ending the loops: %w", ctx.Err())
	}
}
