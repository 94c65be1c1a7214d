package credential_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/credential"
	"github.com/tokenry/tokenry/registry"
)

// apiServer answers every TokenReview with answer, and counts them.
type apiServer struct {
	*httptest.Server
	asked atomic.Int64
}

func newAPIServer(t testing.TB, answer http.HandlerFunc) *apiServer {
	t.Helper()
	s := &apiServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		io.Copy(io.Discard, r.Body) // or the server does not notice that the client has gone
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// reviewed has the cluster's tokens reviewed at url.
func reviewed(t testing.TB, w *world, cluster *issuer, url, tokenFile string) {
	t.Helper()
	w.put(registry.KindTrustedIssuer, "cluster", &registry.TrustedIssuer{
		Type: registry.Kubernetes, Issuer: cluster.URL, Keys: registry.KeySource{Discovery: true},
		TokenReview: &registry.TokenReview{URL: url, TokenFile: tokenFile},
	})
}

func tokenFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTokenFile: without a token of our own nobody is asked.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	w, cluster, _ := clusterWorld(t)
	api := newAPIServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer ours" || r.URL.Path != "/k8s/apis/authentication.k8s.io/v1/tokenreviews" {
			t.Errorf("asked at %s with %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		io.WriteString(w, `{"status":{"authenticated":true,"audiences":["`+ours+`"],"user":{"username":"`+accountSubject+`"}}}`)
	})
	token := cluster.sign(t, nil, accountClaims(cluster.URL))
	for name, file := range map[string]string{
		"none": "/nowhere/token", "a folder": t.TempDir(), "a pipe": "/dev/stdin", "nothing in it": tokenFile(t, " \n"),
		"two lines": tokenFile(t, "ours\nX-Other: 1"), "too large": tokenFile(t, strings.Repeat("x", 17<<10)),
	} {
		reviewed(t, w, cluster, api.URL, file)
		_, err := w.Subject(t.Context(), token, jwtURI)
		f := wantReviewFault(t, err)
		if !errors.Is(err, credential.ErrReviewUnavailable) || errors.Is(err, credential.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if last := f.Checks[len(f.Checks)-1]; last.Name != credential.CheckReview || last.OK {
			t.Errorf("%s: the last check is %+v", name, last)
		}
	}
	if n := api.asked.Load(); n != 0 {
		t.Errorf("asked %d times without a token", n)
	}
	reviewed(t, w, cluster, api.URL+"/k8s/", tokenFile(t, "ours\n"))
	id, err := w.Subject(t.Context(), token, jwtURI)
	if err != nil || id.Review != credential.Reviewed {
		t.Fatalf("%+v, %v", id, err)
	}
}

func wantReviewFault(t testing.TB, err error) *credential.Fault {
	t.Helper()
	var f *credential.Fault
	if !errors.As(err, &f) || f.Name != credential.FaultReviewUnavailable {
		t.Fatalf("%v, want %s", err, credential.FaultReviewUnavailable)
	}
	return f
}

// TestClusterThatHangs: one API server is asked so many questions at once, and
// the tokens of others do not wait for it.
func TestClusterThatHangs(t *testing.T) { // F-50
	t.Parallel()
	w, cluster, generic := clusterWorld(t)
	w.agent("job", "researcher", exact("generic", "repo:acme/app"))
	api := newAPIServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	reviewed(t, w, cluster, api.URL, tokenFile(t, "ours"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 40+12)
	ask := func(account string, n int) {
		c := accountClaims(cluster.URL)
		c["sub"] = "system:serviceaccount:prod:" + account
		c["kubernetes.io"] = object{"namespace": "prod", "serviceaccount": object{"name": account, "uid": "u-1"}}
		token := cluster.sign(t, nil, c)
		for range n {
			go func() {
				_, err := w.Subject(ctx, token, jwtURI)
				done <- err
			}()
		}
	}
	// Of one account only so many, whoever asks more gets no turn.
	w.agent("greedy", "researcher", exact("cluster", "system:serviceaccount:prod:greedy"))
	ask("greedy", 12)
	for range 12 - 8 {
		wantReviewFault(t, <-done)
	}
	for i := range 4 {
		name := fmt.Sprintf("busy-%d", i)
		w.agent(name, "researcher", exact("cluster", "system:serviceaccount:prod:"+name))
		ask(name, 8)
	}
	for api.asked.Load() < 32 {
		time.Sleep(time.Millisecond)
	}
	job := object{"iss": generic.URL, "sub": "repo:acme/app", "aud": ours, "iat": t0.Unix(), "exp": t0.Unix() + 300}
	if _, err := w.Subject(t.Context(), generic.sign(t, nil, job), jwtURI); err != nil {
		t.Error(err)
	}
	time.Sleep(200 * time.Millisecond)
	if n := api.asked.Load(); n != 32 {
		t.Errorf("%d questions at once, want 32", n)
	}
	cancel()
	for range 40 {
		wantReviewFault(t, <-done)
	}
}
