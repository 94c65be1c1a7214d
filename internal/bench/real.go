package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/storage/localpg"
)

// audience is the resource that tokens are asked for.
const audience = "https://gateway.example"

// process is one server that was started for the measurement.
type process struct {
	cmd  *exec.Cmd
	proc int
	url  string
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	_ = p.cmd.Wait()
}

// realServer is `tokenry serve` in a process of its own, on a private
// PostgreSQL whose commits wait for the disk.
type realServer struct {
	process
	postgres int
	pg       *localpg.Server
	borrowed bool // pg is another server's
	database string
	dir      string
	issuer   string
	secret   string
	user     *signer // signs the users' tokens
	spire    *signer // signs the agent's SVIDs
}

func (r *realServer) stop() {
	if r.cmd != nil {
		r.process.stop()
	}
	if r.pg != nil && !r.borrowed {
		r.pg.Stop()
	}
	os.RemoveAll(r.dir)
}

// startReal starts a server and its PostgreSQL.
func startReal(ctx context.Context) (*realServer, error) {
	r := &realServer{database: "tokenry"}
	return r, r.start(ctx)
}

// beside starts a second server, on a database of its own of the same
// PostgreSQL.
func (r *realServer) beside(ctx context.Context) (*realServer, error) {
	other := &realServer{database: "beside", pg: r.pg, borrowed: true}
	if err := r.sql(ctx, "CREATE DATABASE beside"); err != nil {
		return nil, err
	}
	return other, other.start(ctx)
}

// start builds the program, starts it and applies what the measurement needs.
func (r *realServer) start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			r.stop()
		}
	}()
	if r.dir, err = os.MkdirTemp("", "tokenry-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o711); err != nil { // the database's user passes
		return err
	}
	if !r.borrowed {
		if r.pg, err = localpg.Start(ctx, localpg.Config{Dir: filepath.Join(r.dir, "pg"), Sync: true}); err != nil {
			return err
		}
	}
	if r.postgres, err = r.pg.PID(); err != nil {
		return err
	}
	if r.user, err = newSigner("user-1"); err != nil {
		return err
	}
	if r.spire, err = newSigner("spire-1"); err != nil {
		return err
	}
	if err := r.serve(ctx); err != nil {
		return err
	}
	return r.apply(ctx)
}

// serve starts the program as in production.
func (r *realServer) serve(ctx context.Context) error {
	program := filepath.Join(r.dir, "tokenry")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./cmd/tokenry")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building tokenry: %w: %s", err, out)
	}
	public, err := freeAddress()
	if err != nil {
		return err
	}
	admin, err := freeAddress()
	if err != nil {
		return err
	}
	r.issuer = "http://" + public
	for name, content := range map[string]string{"kek": rand.Text() + rand.Text(), "token": rand.Text(), "url": r.pg.URL(r.database)} {
		if name == "kek" {
			content = base64.StdEncoding.EncodeToString([]byte(content)[:32])
		}
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	r.cmd = exec.Command(program, "serve", "--set", "issuer="+r.issuer, "--set", "public.listen="+public,
		"--set", "admin.listen="+admin, "--set", "telemetry.listen=", "--set", "limits.token_per_agent=1000000/s",
		"--set", "admin.bootstrap_token_file="+filepath.Join(r.dir, "token"), "--set", "keys.kek_file="+filepath.Join(r.dir, "kek"))
	r.cmd.Env = append(os.Environ(), "TOKENRY_DATABASE__URL_FILE="+filepath.Join(r.dir, "url"))
	r.cmd.Stderr = os.Stderr
	if err := r.cmd.Start(); err != nil {
		return err
	}
	r.proc, r.url = r.cmd.Process.Pid, r.issuer+"/token"
	return r.connect(ctx, "http://"+admin)
}

// connect waits until the server is ready.
func (r *realServer) connect(ctx context.Context, admin string) error {
	for range 200 {
		res, err := http.Get(r.issuer + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return os.WriteFile(filepath.Join(r.dir, "admin"), []byte(admin), 0o600)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("the server at %s is not ready after 20 s", r.issuer)
}

const resources = `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: users }
spec: { type: oidc, issuer: "https://idp.example", keys: { jwks: USERS } }
---
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: spire }
spec: { type: spiffe, trustDomain: prod.example, keys: { bundleFile: BUNDLE } }
---
apiVersion: tokenry/v1
kind: Resource
metadata: { name: gateway }
spec: { identifier: "https://gateway.example", scopes: [ { name: "llm:read" }, { name: "memory:write" } ] }
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: bench }
spec: { resources: [ { name: gateway, scopes: ["llm:read"] } ], clientAuth: [federated, secret] }
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: fleet }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] } ]
  credentials: [ { name: fleet, issuer: spire, subject: { prefix: "spiffe://prod.example/fleet/" }, maxInstances: 1000000 } ]
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: agent }
spec:
  blueprint: bench
  owner: bench@example.com
  sponsor: bench
  credentials: [ { name: svid, issuer: spire, subject: { exact: "spiffe://prod.example/agent" } } ]
---
apiVersion: tokenry/v1
kind: DelegationRule
metadata: { name: users-to-agent }
spec: { subjects: { issuer: users }, actors: { agents: [agent] }, resources: [ { name: gateway, scopes: ["llm:read"] } ] }
`

// apply writes the resources and makes the agent's secret.
func (r *realServer) apply(ctx context.Context) error {
	bundle := filepath.Join(r.dir, "bundle.json")
	if err := os.WriteFile(bundle, []byte(r.spire.jwks("jwt-svid")), 0o644); err != nil {
		return err
	}
	yaml := strings.NewReplacer("USERS", r.user.jwks("sig"), "BUNDLE", bundle).Replace(resources)
	docs, err := manifest.Parse("bench", strings.NewReader(yaml))
	if err != nil {
		return err
	}
	var request api.ApplyRequest
	for i := range docs {
		request.Objects = append(request.Objects, docs[i].Object())
	}
	token, err := os.ReadFile(filepath.Join(r.dir, "token"))
	if err != nil {
		return err
	}
	admin, err := os.ReadFile(filepath.Join(r.dir, "admin"))
	if err != nil {
		return err
	}
	client, err := api.New(api.Config{URL: string(admin), Token: string(token)})
	if err != nil {
		return err
	}
	if _, err := client.Apply(ctx, request); err != nil {
		return err
	}
	secret, err := client.RotateSecret(ctx, "agent")
	r.secret = secret.Secret
	return err
}

// forms are the bodies of requests, each with a user's token of its own.
type forms struct{ secret, svid []string }

func (r *realServer) forms(n int) (forms, error) {
	now := time.Now().Unix()
	svid, err := r.spire.token(map[string]any{
		"sub": "spiffe://prod.example/agent", "aud": r.issuer, "iat": now, "exp": now + 3600,
	})
	if err != nil {
		return forms{}, err
	}
	var f forms
	for i := range n {
		user, err := r.user.token(map[string]any{
			"iss": "https://idp.example", "sub": fmt.Sprintf("user-%d", i), "aud": r.issuer, "iat": now, "exp": now + 3600,
		})
		if err != nil {
			return forms{}, err
		}
		form := url.Values{
			"grant_type": {string(oauth.TokenExchange)}, "subject_token": {user}, "subject_token_type": {string(oauth.JWTType)},
			"resource": {audience}, "scope": {"llm:read"},
			"client_id": {"agent"}, "client_secret": {r.secret},
		}
		f.secret = append(f.secret, form.Encode())
		form.Del("client_secret")
		form.Set("client_assertion_type", string(oauth.SPIFFEAssertion))
		form.Set("client_assertion", svid)
		f.svid = append(f.svid, form.Encode())
	}
	return f, nil
}

// startBare starts this program again as the bare server, which checks the same
// secret and the same users' tokens.
func startBare(ctx context.Context, as *realServer) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	key := base64.RawURLEncoding.EncodeToString(as.user.point())
	cmd := exec.CommandContext(ctx, program, "bare", key, as.secret)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, proc: cmd.Process.Pid}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("starting the bare server: %w", err)
	}
	p.url = "http://" + strings.TrimSpace(addr) + "/token"
	return p, nil
}

// signer is a foreign party with one ES256 key.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(kid string) (*signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &signer{kid, key}, err
}

func (s *signer) token(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return signES256(s.key, `{"alg":"ES256","kid":"`+s.kid+`","typ":"JWT"}`, payload), nil
}

// point is the public key: 4, x, y (SEC 1, Section 2.3.3).
func (s *signer) point() []byte {
	p, err := s.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // it was made above
	}
	return p
}

func (s *signer) jwks(use string) string {
	p, b64 := s.point(), base64.RawURLEncoding.EncodeToString
	x, y := b64(p[1:33]), b64(p[33:])
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":%q,"use":%q,"x":%q,"y":%q}]}`, s.kid, use, x, y)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
