package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/server"
)

// listen opens both listeners and serves.
func (s *Server) listen() error {
	public, err := server.New(server.Config{
		Issuer: s.cfg.Issuer, Endpoint: s.endpoint, JWKS: s.ring.JWKS, Ready: s.ready, Algorithm: s.cfg.Keys.Algorithm,
		RequestBytes: s.cfg.Limits.RequestBytes, TrustedProxies: s.cfg.Config.Public.TrustedProxies, Log: s.cfg.Log,
	})
	if err != nil {
		return err
	}
	admin, err := s.admin()
	if err != nil {
		return err
	}
	if s.PublicURL, err = s.serve(s.cfg.Public, s.cfg.Config.Public.Listen, s.cfg.Config.Public.TLS, public.Handler()); err != nil {
		return fmt.Errorf("public listener: %w", err)
	}
	if s.AdminURL, err = s.serve(s.cfg.Admin, s.cfg.Config.Admin.Listen, s.cfg.Config.Admin.TLS, admin); err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	if s.cfg.Telemetry.Listen != "" {
		if _, err = s.serve(nil, s.cfg.Telemetry.Listen, config.TLS{}, public.Metrics()); err != nil {
			return fmt.Errorf("telemetry listener: %w", err)
		}
	}
	return nil
}

// serve serves h on l, or on addr when l is nil, and gives the base URL.
func (s *Server) serve(l net.Listener, addr string, t config.TLS, h http.Handler) (string, error) {
	scheme := "http"
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // also of bodies that no handler reads
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", addr); err != nil {
			return "", err
		}
	}
	url := l.Addr().String()
	if t.On() {
		scheme = "https"
		files := &certificate{cert: t.CertFile, key: t.KeyFile, report: s.report("reading the certificate again")}
		if _, err := files.load(nil); err != nil {
			return "", err
		}
		minimum := uint16(tls.VersionTLS13)
		if t.Min == "1.2" {
			minimum = tls.VersionTLS12
		}
		l = tls.NewListener(l, &tls.Config{MinVersion: minimum, GetCertificate: files.load, NextProtos: []string{"http/1.1"}})
	}
	s.listeners = append(s.listeners, srv)
	s.loop(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return scheme + "://" + url, nil
}

// certificate reads its files again when they change, at most once a second:
// secret mounts rotate under a running server.
type certificate struct {
	cert, key string
	report    func(error)

	mu      sync.Mutex
	checked time.Time
	changed time.Time
	loaded  *tls.Certificate
	said    string // the last error that was reported
}

func (c *certificate) load(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil && time.Since(c.checked) < time.Second {
		return c.loaded, nil
	}
	c.checked = time.Now()
	info, err := os.Stat(c.cert)
	if err == nil && c.loaded != nil && info.ModTime().Equal(c.changed) {
		return c.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	switch {
	case err == nil:
		c.loaded = &pair
		if info != nil {
			c.changed = info.ModTime()
		}
	case c.loaded == nil:
		return nil, err
	case err.Error() != c.said: // half-written files leave the old pair in place
		c.said = err.Error()
		c.report(err)
	}
	return c.loaded, nil
}
