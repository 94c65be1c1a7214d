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
	"github.com/tokenry/tokenry/server/clientcert"
)

// listen opens the listeners and serves.
func (s *Server) listen() error {
	p := s.cfg.Config.Public
	public, err := server.New(server.Config{
		Issuer: s.cfg.Issuer, Endpoint: s.endpoint, JWKS: s.ring.JWKS, Ready: s.ready, Algorithm: s.cfg.Keys.Algorithm,
		RequestBytes: s.cfg.Limits.RequestBytes, TrustedProxies: p.TrustedProxies, Log: s.cfg.Log,
		AsksCertificates: p.MTLSListen != "", ClientCertHeader: clientcert.Format(p.ClientCertHeader),
		CertificateRoots: p.MTLSCAFile != "", MTLSURL: p.MTLSURL,
	})
	if err != nil {
		return err
	}
	admin, err := s.admin()
	if err != nil {
		return err
	}
	handler, headers := public.Handler(), 0
	if p.ClientCertHeader != "" {
		headers = forwardedHeaders
	}
	if s.PublicURL, err = s.serve(listener{open: s.cfg.Public, addr: p.Listen, tls: p.TLS, headers: headers}, handler); err != nil {
		return fmt.Errorf("public listener: %w", err)
	}
	if p.MTLSListen != "" {
		if s.MTLSURL, err = s.serve(listener{open: s.cfg.MTLS, addr: p.MTLSListen, tls: p.TLS, headers: headers, mutual: true}, handler); err != nil {
			return fmt.Errorf("mutual TLS listener: %w", err)
		}
	}
	if s.AdminURL, err = s.serve(listener{open: s.cfg.Admin, addr: s.cfg.Config.Admin.Listen, tls: s.cfg.Config.Admin.TLS}, admin); err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	if s.cfg.Telemetry.Listen != "" {
		if _, err = s.serve(listener{addr: s.cfg.Telemetry.Listen}, public.Metrics()); err != nil {
			return fmt.Errorf("telemetry listener: %w", err)
		}
	}
	return nil
}

// listener says how one of the listeners listens.
type listener struct {
	open    net.Listener // nil = on addr
	addr    string
	tls     config.TLS
	mutual  bool // ask for client certificates
	headers int  // most bytes of a request's headers; 0 = plainHeaders
}

const (
	plainHeaders     = 16 << 10
	forwardedHeaders = 64 << 10 // a chain of RSA certificates, escaped
)

// serve serves h on a listener and gives the base URL.
func (s *Server) serve(how listener, h http.Handler) (string, error) {
	scheme, l, t := "http", how.open, how.tls
	if how.mutual && !t.On() {
		return "", errors.New("without a certificate of its own")
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // also of bodies that no handler reads
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    max(plainHeaders, how.headers),
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", how.addr); err != nil {
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
		l = tls.NewListener(l, tlsConfig(t, how.mutual, files.load))
	}
	s.listeners = append(s.listeners, srv)
	s.loop(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
	return scheme + "://" + url, nil
}

// tlsConfig is that of a listener. A mutual one asks for a certificate and takes
// any (RFC 8705, Section 6.1): whose it is and whether it leads anywhere is
// decided anew for every request, by trust domain, in package credential. A
// resumed session would skip the proof of the key, so there is none; and TLS
// 1.2 has renegotiation.
func tlsConfig(t config.TLS, mutual bool, load func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: load, NextProtos: []string{"http/1.1"}}
	if mutual {
		c.ClientAuth, c.SessionTicketsDisabled = tls.RequestClientCert, true
	} else if t.Min == "1.2" {
		c.MinVersion = tls.VersionTLS12
	}
	return c
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
