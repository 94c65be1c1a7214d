package outbound_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/outbound"
)

func TestPost(t *testing.T) {
	t.Parallel()
	var seen http.Header
	var asked string
	s := serve(t, "127.0.0.1", true, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen, asked = r.Header, r.Method+" "+string(body)
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{"kind":"TokenReview"}`))
	})
	client := newClient(t, outbound.Config{AllowNetworks: nets(t, "127.0.0.1/32")})
	answer, err := client.Post(t.Context(), outbound.Question{URL: s.URL + "/reviews", Body: []byte(`{"a":1}`), Bearer: "ours", CAFile: s.caFile(t)})
	if err != nil || string(answer.Body) != `{"kind":"TokenReview"}` || asked != `POST {"a":1}` {
		t.Fatalf("%q, answered %s, %v", asked, answer.Body, err)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer ours", "Content-Type": "application/json", "Accept": "application/json", "Cookie": "", "User-Agent": "tokenry",
	} {
		if got := seen.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// The token was for that one question: SEC-K8-15.
	if _, err := client.Get(t.Context(), outbound.Request{URL: s.URL, CAFile: s.caFile(t)}); err == nil || seen.Get("Authorization") != "" {
		t.Errorf("a fetch carries Authorization %q, %v", seen.Get("Authorization"), err)
	}
	if _, err := client.Post(t.Context(), outbound.Question{URL: s.URL}); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a certificate of nobody: %v", err)
	}
}

// TestPostIsGuarded: what holds for a fetch holds for a question.
func TestPostIsGuarded(t *testing.T) {
	t.Parallel()
	target := serve(t, lo, false, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s followed with Authorization %q", r.Method, r.Header.Get("Authorization"))
	})
	for _, code := range []int{202, 204, 302, 307, 308, 401, 403, 429, 500} {
		s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target.URL)
			w.WriteHeader(code)
		})
		_, err := plainClient(t, 0).Post(t.Context(), outbound.Question{URL: s.URL, Bearer: "ours"})
		var status *outbound.StatusError
		if !errors.As(err, &status) || status.Code != code {
			t.Errorf("%v, want a StatusError of %d", err, code)
		}
	}
	inside := serve(t, "127.0.0.1", false, text("inside"))
	if _, err := plainClient(t, 0).Post(t.Context(), outbound.Question{URL: inside.URL, Bearer: "ours"}); !errors.Is(err, outbound.ErrBlocked) || inside.connections.Load() != 0 {
		t.Errorf("%v with %d connections, want ErrBlocked", err, inside.connections.Load())
	}
	large := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) { io.CopyN(w, zeros{}, 1<<20) })
	if _, err := plainClient(t, 0).Post(t.Context(), outbound.Question{URL: large.URL}); !errors.Is(err, outbound.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

// TestPostsHoldUpNoFetch: an API that never answers takes nothing from the
// fetches of others.
func TestPostsHoldUpNoFetch(t *testing.T) {
	t.Parallel()
	silent := serve(t, lo, false, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // or the server does not notice that the client has gone
		<-r.Context().Done()
	})
	s := serve(t, lo, false, text("{}"))
	client := plainClient(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 40 { // more than may fetch at once
		go client.Post(ctx, outbound.Question{URL: silent.URL})
	}
	for silent.connections.Load() < 40 {
		time.Sleep(time.Millisecond)
	}
	if _, err := client.Get(t.Context(), outbound.Request{URL: s.URL}); err != nil {
		t.Error(err)
	}
}
