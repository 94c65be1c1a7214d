package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli/manifest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/localpg"
)

// TestKilled: a server that is killed with SIGKILL in the middle of a load, and
// started again, has written exactly one event for every token that a client
// received.
func TestKilled(t *testing.T) {
	t.Parallel()
	p := newProduction(t)
	received := &tokens{}
	const rounds = 3
	for round := range rounds {
		server := p.serve(t)
		if round == 0 {
			p.apply(t)
		}
		p.load(t, received, func() {
			// Not before the load is well under way.
			until(t, func() bool { return received.sinceRound(round) > 150 })
			if err := server.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		})
		_ = server.Wait() // it was killed
	}
	p.audit(t, received)
}

// tokens are the `jti` of what clients received, and how many in each round.
type tokens struct {
	mu    sync.Mutex
	jti   []string
	round []int
}

func (k *tokens) add(round int, jti string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.round) <= round {
		k.round = append(k.round, 0)
	}
	k.round[round]++
	k.jti = append(k.jti, jti)
}

func (k *tokens) sinceRound(round int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.round) <= round {
		return 0
	}
	return k.round[round]
}

// production is what `tokenry serve` needs: a PostgreSQL whose commits wait for
// the disk, secrets in files, addresses.
type production struct {
	dir, public, admin string
	token              string
	db                 *localpg.Server
	platform           *authtest.Party
	round              int
}

func newProduction(t *testing.T) *production {
	t.Helper()
	dir, err := os.MkdirTemp("", "tokenry-crash-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // the database's user passes
		t.Fatal(err)
	}
	p := &production{dir: dir, public: address(t), admin: address(t), token: rand.Text(), platform: authtest.NewParty(t, false), round: -1}
	if p.db, err = localpg.Start(t.Context(), localpg.Config{Dir: filepath.Join(dir, "pg"), Sync: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.db.Stop)
	kek := make([]byte, 32)
	rand.Read(kek)
	for name, content := range map[string]string{
		"url": p.db.URL("tokenry"), "token": p.token, "kek": base64.StdEncoding.EncodeToString(kek),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve runs this binary as `tokenry serve` and waits until it is ready.
func (p *production) serve(t *testing.T) *exec.Cmd {
	t.Helper()
	p.round++
	var log bytes.Buffer
	cmd := &exec.Cmd{
		Path: os.Args[0],
		Args: []string{"tokenry", "serve", "--set", "issuer=http://" + p.public, "--set", "public.listen=" + p.public,
			"--set", "admin.listen=" + p.admin, "--set", "telemetry.listen=", "--set", "limits.token_per_agent=100000/s",
			"--set", "admin.bootstrap_token_file=" + filepath.Join(p.dir, "token"), "--set", "keys.kek_file=" + filepath.Join(p.dir, "kek")},
		Env:    append(os.Environ(), "TOKENRY_DATABASE__URL_FILE="+filepath.Join(p.dir, "url")),
		Stderr: &log,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // in vain where the test has done it
		if t.Failed() {
			t.Logf("the server said:\n%s", log.String())
		}
	})
	until(t, func() bool {
		res, err := http.Get("http://" + p.public + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return cmd
}

// apply registers one agent of one platform.
func (p *production) apply(t *testing.T) {
	t.Helper()
	keys, err := json.Marshal(p.platform.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	docs, err := manifest.Parse("crash.yaml", strings.NewReader(`
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: ci }
spec: { type: oidc, tokens: workload, issuer: "https://ci.example", keys: { jwks: `+string(keys)+` } }
---
apiVersion: tokenry/v1
kind: Resource
metadata: { name: gateway }
spec: { identifier: "https://gateway.example", scopes: [ { name: "llm:read" } ] }
---
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: job }
spec: { resources: [ { name: gateway, scopes: ["llm:read"] } ] }
---
apiVersion: tokenry/v1
kind: Agent
metadata: { name: build }
spec: { blueprint: job, owner: o@example.com, sponsor: ci, credentials: [ { name: ci, issuer: ci, subject: { exact: "build" } } ] }
`))
	if err != nil {
		t.Fatal(err)
	}
	var request api.ApplyRequest
	for i := range docs {
		request.Objects = append(request.Objects, docs[i].Object())
	}
	client, err := api.New(api.Config{URL: "http://" + p.admin, Token: p.token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Apply(t.Context(), request); err != nil {
		t.Fatal(err)
	}
}

// load sends requests from many connections until meanwhile has returned and
// the server stops answering.
func (p *production) load(t *testing.T, received *tokens, meanwhile func()) {
	t.Helper()
	now := time.Now()
	form := url.Values{
		"grant_type": {string(oauth.TokenExchange)}, "subject_token_type": {string(oauth.JWTType)},
		"subject_token": {p.platform.Sign(t, "JWT", authtest.Claims{
			"iss": "https://ci.example", "sub": "build", "aud": "http://" + p.public, "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		})},
	}.Encode()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var killed atomic.Bool
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	for range 32 {
		wg.Go(func() {
			for ctx.Err() == nil {
				jti, err := exchange(ctx, client, "http://"+p.public+"/token", form)
				if err == nil {
					received.add(p.round, jti)
				} else if killed.Load() {
					return
				}
			}
		})
	}
	meanwhile()
	killed.Store(true)
	wg.Wait()
}

// exchange gives the `jti` of a token only when the whole answer arrived.
func exchange(ctx context.Context, client *http.Client, endpoint, form string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	parts := strings.Split(answer.Token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		JTI string `json:"jti"`
	}
	err = json.Unmarshal(payload, &claims)
	return claims.JTI, err
}

// audit compares what clients hold with what the trail says.
func (p *production) audit(t *testing.T, received *tokens) {
	t.Helper()
	db, err := storage.Open(t.Context(), storage.Config{URL: p.db.URL("tokenry"), MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	events := map[string]int{}
	for cursor := ""; ; {
		page, next, err := db.Events(t.Context(), storage.EventFilter{Kinds: []audit.Kind{audit.TokenIssued}}, cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			events[e.JTI]++
		}
		if cursor = next; next == "" {
			break
		}
	}
	seen := map[string]bool{}
	for _, jti := range received.jti {
		if seen[jti] {
			t.Errorf("two clients received %s", jti)
		}
		seen[jti] = true
		if events[jti] != 1 {
			t.Errorf("token %s has %d events, want exactly 1", jti, events[jti])
		}
	}
	t.Logf("%d tokens received in rounds of %v, %d events", len(received.jti), received.round, len(events))
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("waited for 30 s in vain")
}
