// Package authtest is the public test kit: a real authorization server on a
// real database in two lines, with issuers of every kind over real HTTP and a
// clock that tests move.
//
//	as := authtest.Start(t)
//	got := as.Exchange(t, as.User(t, "alice", nil), "research-agent", nil)
//
// Nothing in it is a mock of the server: requests go through its listeners,
// resources through its admin API, events through its ledger.
package authtest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/cmd/wire"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/storage/storagetest"
)

// Server is a running authorization server with its surroundings.
type Server struct {
	*wire.Server
	Issuer   string // its `iss`
	Database string // address of its database
	Clock    *Clock
	Admin    *api.Client

	AdminToken string // what Admin shows, for programs under test

	IDP     *Party // OpenID provider of users: trusted issuer "corp-idp"
	Cluster *Party // Kubernetes-like: trusted issuer "prod-cluster"
	SPIRE   *Party // SPIFFE-like: trusted issuer "prod-spire", trust domain "prod.example"

	Roots  *x509.CertPool // what its TLS certificate is verified with; nil = it speaks http
	CAFile string         // the same as a file, for programs under test

	KeyAgent *Party // the keys of agent key-agent, which authenticates by private_key_jwt

	client *http.Client
}

// Options change how Start starts; the zero value is what most tests want.
type Options struct {
	Database string               // URL; empty = a fresh database of the test's own
	Config   func(*config.Config) // last word on the configuration
	Empty    bool                 // do not apply the standard resources
	Clock    *Clock               // nil = one of its own, or that of Like
	Like     *Server              // a second replica: same issuer, issuers it trusts and KEK; its Database is named too
	Log      io.Writer            // nil = discarded
	KEK      []byte
	MTLS     bool // also start the listener that asks for client certificates; both then have TLS
}

// Start starts a server with the standard resources (see Resources).
func Start(t testing.TB) *Server { return StartWith(t, Options{}) }

// StartWith starts a server.
func StartWith(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Clock: o.Clock, client: http.DefaultClient}
	if s.Clock == nil {
		s.Clock = &Clock{}
	}
	if o.Like != nil {
		if o.Clock == nil {
			s.Clock = o.Like.Clock
		}
		s.IDP, s.Cluster, s.SPIRE, s.KeyAgent = o.Like.IDP, o.Like.Cluster, o.Like.SPIRE, o.Like.KeyAgent
	} else {
		s.IDP, s.Cluster, s.SPIRE, s.KeyAgent = NewParty(t, false), NewParty(t, false), NewParty(t, true), NewParty(t, false)
	}
	if o.Database == "" {
		o.Database = storagetest.URL(t)
	}
	s.Database = o.Database
	public, admin := Listen(t), Listen(t)
	s.Issuer = "http://" + public.Addr().String()
	if o.Like != nil {
		s.Issuer = o.Like.Issuer
	}
	c := config.Default()
	c.Issuer = s.Issuer
	c.Public.Listen, c.Admin.Listen, c.Telemetry.Listen = public.Addr().String(), admin.Addr().String(), ""
	c.Database.URL, c.Database.MaxConns = o.Database, 4
	c.Trust.AllowHTTP = true
	c.Trust.AllowNetworks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Limits.TokenPerAgent = config.Rate{Count: 100_000, Per: time.Second}
	var mutual net.Listener
	if o.MTLS {
		mutual = Listen(t)
		c.Public.MTLSListen = mutual.Addr().String()
		s.serverCertificate(t, &c.Public.TLS)
		s.client = s.ClientWith(t, nil)
	}
	if o.Config != nil {
		o.Config(&c)
		s.Issuer = c.Issuer
	}
	if o.KEK == nil {
		o.KEK = []byte("0123456789abcdef0123456789abcdef")
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s.AdminToken = rand.Text()
	w, err := wire.Start(context.Background(), wire.Config{
		RefusalsPerSecond: 100_000,
		Config:            c, KEK: o.KEK, BootstrapToken: s.AdminToken, Now: s.Clock.Now,
		Log: slog.New(slog.NewTextHandler(o.Log, nil)), Public: public, Admin: admin, MTLS: mutual,
	})
	if err != nil {
		t.Fatalf("starting the server: %v", err)
	}
	t.Cleanup(func() { _ = w.Close(context.Background()) })
	s.Server = w
	if s.Admin, err = api.New(api.Config{URL: w.AdminURL, Token: s.AdminToken}); err != nil {
		t.Fatal(err)
	}
	if !o.Empty && o.Like == nil {
		s.Apply(t, Resources(s))
	}
	return s
}

// Listen opens a loopback listener that the test closes at its end.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Apply applies a YAML manifest through the admin API and waits until the
// server has read it.
func (s *Server) Apply(t testing.TB, yaml string) {
	t.Helper()
	if err := s.TryApply(t, yaml); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// TryApply is Apply for manifests that may be refused.
func (s *Server) TryApply(t testing.TB, yaml string) error {
	t.Helper()
	docs, err := manifest.Parse("test.yaml", strings.NewReader(yaml))
	if err != nil {
		return err
	}
	var request api.ApplyRequest
	for _, d := range docs {
		request.Objects = append(request.Objects, d.Object())
	}
	if _, err := s.Admin.Apply(context.Background(), request); err != nil {
		return err
	}
	return s.Model.Poll(context.Background())
}

// Advance moves the clock and has the registry read again, which a real minute
// would have brought about.
func (s *Server) Advance(t testing.TB, d time.Duration) {
	t.Helper()
	s.Clock.Advance(d)
	if err := s.Model.Poll(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Answer is what the token endpoint said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope"`
	RefreshToken    string `json:"refresh_token"`

	Error       string `json:"error"`
	Description string `json:"error_description"`
	ErrorCode   string `json:"error_code"`
	DecisionID  string `json:"decision_id"`
}

// Post sends a form to the token endpoint.
func (s *Server) Post(t testing.TB, form url.Values) *Answer {
	t.Helper()
	return s.Do(t, tokenRequest(t, s.PublicURL, form))
}

func tokenRequest(t testing.TB, base string, form url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, base+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// Do sends any request and reads the answer as the token endpoint's.
func (s *Server) Do(t testing.TB, r *http.Request) *Answer {
	t.Helper()
	return s.DoBy(t, s.client, r)
}

// DoBy is Do with a client of the caller's.
func (s *Server) DoBy(t testing.TB, client *http.Client, r *http.Request) *Answer {
	t.Helper()
	res, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, a); err != nil {
			t.Fatalf("the answer is not JSON: %v: %s", err, body)
		}
	}
	if a.DecisionID == "" {
		a.DecisionID = res.Header.Get("Tokenry-Decision-Id")
	}
	return a
}

// Event waits for the durable event of a decision: a refusal before
// authentication is written shortly after its answer.
func (s *Server) Event(t testing.TB, decision string) audit.Event {
	t.Helper()
	var err error
	for range 400 {
		var ev audit.Event
		if ev, err = s.DB.Event(context.Background(), decision); err == nil {
			return ev
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no event of decision %q: %v", decision, err)
	return audit.Event{}
}

// WantIssued fails the test unless a token was issued, and gives its claims.
func WantIssued(t testing.TB, a *Answer) map[string]any {
	t.Helper()
	if a.Status != http.StatusOK || a.AccessToken == "" {
		t.Fatalf("status %d, want a token: %s", a.Status, a.Body)
	}
	return Payload(t, a.AccessToken)
}

// WantRefused fails the test unless the answer is the OAuth error code, the
// event's reason is reason, and nothing was issued.
func (s *Server) WantRefused(t testing.TB, a *Answer, code oauth.Code, reason oauth.Reason) {
	t.Helper()
	def := reason.Definition()
	if a.Error != string(code) || a.Status != def.Status {
		t.Fatalf("got %d %s (%s), want %d %s: %s", a.Status, a.Error, a.ErrorCode, def.Status, code, a.Body)
	}
	if a.AccessToken != "" {
		t.Fatal("a token was issued with an error")
	}
	if want := string(reason.Public()); a.ErrorCode != want {
		t.Fatalf("error_code %q, want %q", a.ErrorCode, want)
	}
	ev := s.Event(t, a.DecisionID)
	if ev.Kind != audit.TokenRefused || ev.Reason != string(reason) {
		t.Fatalf("event %s with reason %q, want %s with %q; trace %s", ev.Kind, ev.Reason, audit.TokenRefused, reason, ev.Detail)
	}
	if ev.JTI != "" {
		t.Fatalf("a refused event names jti %q", ev.JTI)
	}
}

// Payload decodes the claims of a token without verifying it.
func Payload(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a compact JWT: %q", token)
	}
	var claims map[string]any
	if err := json.Unmarshal(decode(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// Actors lists the `sub` of each actor, outermost first.
func Actors(claims map[string]any) []string {
	var names []string
	for act, _ := claims["act"].(map[string]any); act != nil; act, _ = act["act"].(map[string]any) {
		names = append(names, fmt.Sprint(act["sub"]))
	}
	return names
}
