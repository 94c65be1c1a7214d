package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/cmd/wire"
	"github.com/tokenry/tokenry/storage/storagetest"
)

func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestServeWantsStrongSecrets: what can be guessed is no secret.
func TestServeWantsStrongSecrets(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Admin.BootstrapTokenFile, c.Keys.KEKFile = file(t, "token", "short\n"), file(t, "kek", "0123456789abcdef0123456789abcdef")
	refused(t, wire.Serve(t.Context(), c, "v", io.Discard), "the admin token")
	c.Admin.BootstrapTokenFile = file(t, "token", strings.Repeat("t", 16))
	refused(t, wire.Serve(t.Context(), c, "v", io.Discard), "key-encryption key") // 32 letters are no key
	c.Admin.BootstrapTokenFile = "/nowhere/token"
	refused(t, wire.Serve(t.Context(), c, "v", io.Discard), "/nowhere/token")
}

// TestMigrateCheck: a replica that may not migrate does not start on an older
// schema, and says what to do.
func TestMigrateCheck(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Issuer, c.Database.URL, c.Database.Migrate = "https://sts.example", storagetest.Empty(t), "check"
	_, err := wire.Start(t.Context(), wire.Config{Config: c, KEK: make([]byte, 32), BootstrapToken: "t"})
	refused(t, err, "tokenry migrate up")
	if err := wire.Migrate(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	st, err := wire.MigrationStatus(t.Context(), c)
	if err != nil || st.Version != st.Wanted || st.Advice != "" {
		t.Errorf("after migrating: %+v, %v", st, err)
	}
}

// TestDevRunsOnce: two on one directory would overwrite each other's admin token.
func TestDevRunsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dev"), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(dir, "dev", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	o := cli.DevOptions{DataDir: dir, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}
	refused(t, wire.Dev(t.Context(), o, nil, "v", func(cli.DevInfo) { t.Error("ready") }), "runs already")
}

// TestDevStaysOnLoopback and tells of an address that is taken.
func TestDevStaysOnLoopback(t *testing.T) {
	t.Parallel()
	taken := authtest.Listen(t).Addr().String()
	for listen, want := range map[string]string{
		"0.0.0.0:0": "loopback", ":8080": "loopback", "example.com:80": "loopback", "127.0.0.1": "loopback", taken: "is in use",
	} {
		o := cli.DevOptions{DataDir: t.TempDir(), Listen: listen, AdminListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}
		refused(t, wire.Dev(t.Context(), o, nil, "v", func(cli.DevInfo) { t.Error("ready") }), want)
	}
}

// TestCertificateIsReadAgain: secret mounts rotate under a running server, and a
// half-written file leaves the old pair in place.
func TestCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(serial int64, at time.Time) {
		t.Helper()
		certificate(t, cert, key, serial)
		if err := os.Chtimes(cert, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(1, time.Now().Add(-time.Hour))
	as := authtest.StartWith(t, authtest.Options{Empty: true, Config: func(c *config.Config) {
		c.Public.TLS = config.TLS{CertFile: cert, KeyFile: key, Min: "1.3"}
	}})
	serial := func() int64 {
		t.Helper()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(as.PublicURL, "https://"), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // its serial number is what is looked at
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("serial %d", got)
	}
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond)
	if got := serial(); got != 1 {
		t.Errorf("serial %d while the file is broken", got)
	}
	write(2, time.Now())
	time.Sleep(1100 * time.Millisecond)
	if got := serial(); got != 2 {
		t.Errorf("serial %d after the files were replaced", got)
	}
}

// TestEveryLineIsALogLine: what net/http has to say is in the log's own form.
func TestEveryLineIsALogLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	certificate(t, cert, key, 1)
	said := &lines{}
	as := authtest.StartWith(t, authtest.Options{Empty: true, Log: said, Config: func(c *config.Config) {
		c.Public.TLS = config.TLS{CertFile: cert, KeyFile: key, Min: "1.3"}
	}})
	res, err := http.Get("http" + strings.TrimPrefix(as.PublicURL, "https"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for range 100 {
		if strings.Contains(said.String(), `level=WARN msg="http: TLS handshake error`) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the log has no line of it: %q", said)
}

// TestKeysThatAreNeverFetched are refused when they are named, by what the
// server's settings allow.
func TestKeysThatAreNeverFetched(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Empty: true, Config: func(c *config.Config) { c.Trust.AllowHTTP = false }})
	refused(t, as.TryApply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: idp }
spec: { type: oidc, issuer: "http://127.0.0.1:1/idp", audiences: [a], keys: { discovery: true } }
`), "spec.issuer")
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func certificate(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{key: {Type: "PRIVATE KEY", Bytes: pkcs8}, cert: {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnreadBodiesAreCutOff: a body that never comes must not hold a connection
// for ever, on routes that read none either, nor keep the server from ending.
func TestUnreadBodiesAreCutOff(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Empty: true})
	host := strings.TrimPrefix(as.PublicURL, "http://")
	ended := make(chan string, 3)
	for _, head := range []string{"GET /.well-known/jwks.json", "POST /token", "GET /nowhere"} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, head+" HTTP/1.1\r\nHost: "+host+"\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nx"); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.Copy(io.Discard, conn) // until the server closes
			ended <- head
		}()
	}
	for range cap(ended) {
		select {
		case <-ended:
		case <-time.After(25 * time.Second):
			t.Fatal("a connection is held open after 25 s")
		}
	}
}

// TestIdleServerEndsAtOnce, and is ready until then.
func TestIdleServerEndsAtOnce(t *testing.T) {
	t.Parallel()
	as := authtest.StartWith(t, authtest.Options{Empty: true})
	ready := as.PublicURL + "/readyz"
	res, err := http.Get(ready)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %d", res.StatusCode)
	}
	start := time.Now()
	if err := as.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("an idle server took %s to end", took)
	}
}

// TestMutualTLSNeedsItsFiles: a server that could verify no client certificate,
// or show none of its own, does not start.
func TestMutualTLSNeedsItsFiles(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Config){
		"mtls_ca_file": func(c *config.Config) { c.Public.MTLSCAFile = "/nowhere/ca.pem" },
		"holds no certificate": func(c *config.Config) {
			c.Public.MTLSCAFile = file(t, "ca.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
		},
		"mutual TLS listener": func(c *config.Config) { c.Public.MTLSListen = "127.0.0.1:0" }, // without public.tls
	} {
		c := config.Default()
		c.Issuer, c.Database.URL = "https://sts.example", storagetest.URL(t)
		c.Public.Listen, c.Admin.Listen, c.Telemetry.Listen = "127.0.0.1:0", "127.0.0.1:0", ""
		change(&c)
		_, err := wire.Start(t.Context(), wire.Config{Config: c, KEK: make([]byte, 32), BootstrapToken: "t"})
		refused(t, err, name)
	}
}
