// Package server puts the decision behind HTTP. It is the only room that knows
// echo and fosite: routes, the strict form parser, the adapter that lets fosite
// dispatch grants, and the one place where errors become responses.
//
// What may be issued is decided in package grants; the admin API lives in
// server/admin; wiring is in cmd/wire.
package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/ory/fosite"

	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/server/clientcert"
)

// Config of the public server. All fields are required but those that say
// otherwise.
type Config struct {
	Issuer         string           // our issuer identifier; every published URL derives from it
	Endpoint       *grants.Endpoint // decides token requests
	JWKS           func() []byte    // our public keys
	Ready          func() error     // nil error = this replica may issue
	Algorithm      string           // of our signatures, for the metadata
	RequestBytes   int64            // longest token request; zero = 65536
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is believed, and certificates; empty = nobody's

	// How clients' certificates come (RFC 8705).
	AsksCertificates bool              // a listener of this handler asks for them
	ClientCertHeader clientcert.Format // how trusted proxies forward them; empty = not at all
	CertificateRoots bool              // those of a public key infrastructure can be verified
	MTLSURL          string            // where clients with a certificate find this server; empty = not published

	Log *slog.Logger
}

// Server is the public half of an authorization server.
type Server struct {
	Config
	fosite   fosite.OAuth2Provider
	address  echo.IPExtractor // of the client
	base     string           // path of the issuer, without a trailing slash
	metadata []byte
	metrics  *metrics
}

// bodyTimeout is how long a request's body may take to arrive.
const bodyTimeout = 10 * time.Second

// New checks c and prepares what never changes.
func New(c Config) (*Server, error) {
	switch {
	case c.Issuer == "":
		return nil, errors.New("server: no issuer")
	case c.Endpoint == nil || c.JWKS == nil || c.Ready == nil || c.Log == nil:
		return nil, errors.New("server: endpoint, jwks, ready and log are required")
	}
	if c.RequestBytes == 0 {
		c.RequestBytes = 64 << 10
	}
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, base: strings.TrimRight(u.Path, "/"), metrics: newMetrics(c.Ready)}
	s.fosite, s.address = newFosite(c.Issuer, c.Endpoint), extractor(c.TrustedProxies)
	s.metadata, err = s.metadataDocument()
	return s, err
}

// Handler is the public listener's handler. The routes stand on consecutive
// lines; what is not here is 404.
func (s *Server) Handler() http.Handler {
	e := newEcho(s.Log)
	b := s.base

	e.POST(b+"/token", s.handle(s.token))
	e.GET(b+"/.well-known/jwks.json", s.handle(s.jwks))
	e.GET("/.well-known/oauth-authorization-server"+b, s.handle(s.discovery)) // RFC 8414, Section 3.1: inserted
	e.GET("/.well-known/openid-configuration"+b, s.handle(s.discovery))       // RFC 8414, Section 5
	if b != "" {
		e.GET(b+"/.well-known/openid-configuration", s.handle(s.discovery)) // as OpenID Connect Discovery appends it
	}
	e.Any(b+"/authorize", s.handle(s.authorize))
	e.GET("/livez", s.handle(s.livez))
	e.GET("/readyz", s.handle(s.readyz))
	return exactPaths(s.anyMethod(b+"/token", e))
}

// anyMethod brings methods that echo has never heard of to the token endpoint
// too: like every other but POST they are refused there, and recorded.
func (s *Server) anyMethod(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path && r.Method != http.MethodPost {
			if err := s.token(w, r); err != nil {
				s.respondError(w, r, err)
			}
			return
		}
		next.ServeHTTP(w, r)
	})
}

func newEcho(log *slog.Logger) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = func(err error, c echo.Context) { respondRouting(c, err, log) }
	return e
}

// extractor finds the client's address: the peer's, or behind a trusted proxy
// the last one that the proxies vouch for. Echo's default believes anybody.
func extractor(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		options = append(options, echo.TrustIPRange(prefixNet(p)))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// exactPaths refuses other spellings of a path: a proxy and this server must
// not disagree about what /%74oken is.
func exactPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath != "" {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
