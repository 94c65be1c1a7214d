package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/localpg"
)

// TestPostgresGone: without Postgres nothing is issued and the client is told to
// come back; what needs no Postgres is served; and when it is back, so are we,
// without a restart.
func TestPostgresGone(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tokenry-outage-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // the database's user passes
		t.Fatal(err)
	}
	start := func() *localpg.Server {
		t.Helper()
		pg, err := localpg.Start(t.Context(), localpg.Config{Dir: filepath.Join(dir, "pg")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pg.Stop)
		return pg
	}
	pg := start()
	url := pg.URL("tokenry")
	if err := storage.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	as := authtest.StartWith(t, authtest.Options{Database: url})
	authtest.WantIssued(t, as.Post(t, forAlice()(t, as)))

	pg.Stop()

	// At first the registry is fresh and the ledger cannot write, then the
	// registry is stale: both are 503, and neither issues.
	until(t, "the registry is stale", func() bool {
		a := as.Post(t, forAlice()(t, as))
		retry, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.Status != http.StatusServiceUnavailable || a.Error != string(oauth.TemporarilyUnavailable) || a.AccessToken != "" || err != nil || retry < 1 {
			t.Fatalf("without Postgres: %d, Retry-After %q, %s", a.Status, a.Header.Get("Retry-After"), a.Body)
		}
		return a.ErrorCode == string(oauth.ReasonRegistryStale)
	})
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		document(t, as, path)
	}
	if got := status(t, as.PublicURL+"/livez"); got != http.StatusOK {
		t.Errorf("livez answers %d", got)
	}
	if got := status(t, as.PublicURL+"/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("readyz answers %d", got)
	}
	// Whoever has proved nothing is told what is wrong with the request, not with us.
	a := raw(t, as, http.MethodPost, formType, "grant_type=nonsense", nil)
	if a.Status != http.StatusBadRequest || a.Error != string(oauth.UnsupportedGrantType) {
		t.Errorf("a malformed request: %d %s", a.Status, a.Body)
	}

	start()

	until(t, "issuing again", func() bool {
		return as.Post(t, forAlice()(t, as)).Status == http.StatusOK
	})
	if got := status(t, as.PublicURL+"/readyz"); got != http.StatusOK {
		t.Errorf("readyz answers %d after the outage", got)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("after 30 s still not: %s", what)
}

func status(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
