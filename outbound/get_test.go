package outbound_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/outbound"
)

func plainClient(t testing.TB, timeout time.Duration) *outbound.Client {
	t.Helper()
	return newClient(t, outbound.Config{AllowHTTP: true, AllowNetworks: nets(t, lo+"/32"), Timeout: timeout})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	var seen http.Header
	s := serve(t, lo, false, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Content-Type", "text/html") // not believed
		w.Write([]byte(`{"keys":[]}`))
	})
	client := plainClient(t, 0)
	for range 2 {
		answer, err := client.Get(t.Context(), outbound.Request{URL: s.URL + "/keys", Accept: "application/jwk-set+json"})
		if err != nil || string(answer.Body) != `{"keys":[]}` || answer.MaxAge >= 0 {
			t.Fatalf("%+v, %v", answer, err)
		}
	}
	for name, want := range map[string]string{
		"Accept": "application/jwk-set+json", "Accept-Encoding": "identity", "User-Agent": "tokenry",
		"Cookie": "", "Authorization": "", "Referer": "", // SEC-SF-23
	} {
		if got := seen.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := client.Get(t.Context(), outbound.Request{URL: s.URL}); err != nil || seen.Get("Accept") != "application/json" {
		t.Errorf("Accept: %q, %v", seen.Get("Accept"), err)
	}
}

func TestRedirect(t *testing.T) { // SEC-SF-10
	t.Parallel()
	target := serve(t, lo, false, text("followed"))
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{target.URL, "http://127.0.0.1/", "/elsewhere"} {
			s := serve(t, lo, false, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("followed")
				}
				http.Redirect(w, r, to, code)
			})
			_, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL})
			var status *outbound.StatusError
			if !errors.As(err, &status) || status.Code != code {
				t.Errorf("%d to %s: %v, want a StatusError", code, to, err)
			}
		}
	}
	if n := target.connections.Load(); n != 0 {
		t.Errorf("%d connections to the target", n)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	for _, code := range []int{201, 204, 206, 400, 404, 500, 503} {
		s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			if code != 204 {
				w.Write([]byte("SECRET"))
			}
		})
		_, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL})
		var status *outbound.StatusError
		if !errors.As(err, &status) || status.Code != code {
			t.Fatalf("%v, want a StatusError of %d", err, code)
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("the error repeats the answer: %v", err)
		}
	}
}

func TestTooLarge(t *testing.T) { // SEC-SF-12
	t.Parallel()
	const limit = 512 << 10
	for _, row := range []struct {
		size int
		ok   bool
	}{{limit, true}, {limit + 1, false}, {10 << 20, false}} {
		s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush() // no Content-Length
			io.CopyN(w, zeros{}, int64(row.size))
		})
		answer, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL})
		if row.ok && (err != nil || len(answer.Body) != row.size) {
			t.Errorf("%d bytes: %d, %v", row.size, len(answer.Body), err)
		}
		if !row.ok && !errors.Is(err, outbound.ErrTooLarge) {
			t.Errorf("%d bytes: %v, want ErrTooLarge", row.size, err)
		}
	}
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEndless(t *testing.T) { // SEC-SF-12
	t.Parallel()
	s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, zeros{}) })
	if _, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL}); !errors.Is(err, outbound.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func TestLargeHeader(t *testing.T) { // SEC-SF-12
	t.Parallel()
	s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("a", 64<<10))
	})
	if _, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL}); err == nil {
		t.Error("accepted")
	}
}

func TestSlow(t *testing.T) { // SEC-SF-12
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"no answer":           func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no body":             func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); <-r.Context().Done() },
		"a byte now and then": drip,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, lo, false, handler)
			start := time.Now()
			_, err := plainClient(t, 200*time.Millisecond).Get(t.Context(), outbound.Request{URL: s.URL})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error = %v, want DeadlineExceeded", err)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func drip(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		w.Write([]byte("a"))
		w.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond)
	}
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	s := serve(t, lo, false, drip)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := plainClient(t, 0).Get(ctx, outbound.Request{URL: s.URL}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want Canceled", err)
	}
}

func TestCompressed(t *testing.T) { // SEC-JE-07
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.CopyN(z, zeros{}, 8<<20)
	z.Close()
	for _, encoding := range []string{"gzip", "x-gzip", "br", "gzip, identity"} {
		s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			w.Write(bomb.Bytes())
		})
		if answer, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL}); err == nil {
			t.Errorf("%s: %d bytes were taken", encoding, len(answer.Body))
		}
	}
}

// What a server sends instead of HTTP stays there.
func TestErrorsDoNotReflect(t *testing.T) { // SEC-SF-25
	t.Parallel()
	for name, raw := range map[string]string{
		"status line":    "HTTP/1.1 SECRET SECRET\r\n\r\n",
		"other":          "220 SECRET ESMTP\r\n",
		"header":         "HTTP/1.1 200 OK\r\nSECRET\r\n\r\n",
		"length":         "HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n",
		"encoding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: SECRET\r\n\r\n",
		"reason":         "HTTP/1.1 500 SECRET\r\n\r\n",
		"chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n",
		"short body":     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nSECRET",
		"content coding": "HTTP/1.1 200 OK\r\nContent-Encoding: SECRET\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", lo+":0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { listener.Close() })
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conn.Read(make([]byte, 4096))
				conn.Write([]byte(raw))
				conn.Close()
			}()
			_, err = plainClient(t, 0).Get(t.Context(), outbound.Request{URL: "http://" + listener.Addr().String()})
			if err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", lo+":0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	_, err = plainClient(t, 0).Get(t.Context(), outbound.Request{URL: "http://" + listener.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error = %v", err)
	}
	client := newClient(t, outbound.Config{Resolver: newNames(t).resolver()})
	_, err = client.Get(t.Context(), outbound.Request{URL: "https://nobody.example/"})
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("error = %v", err)
	}
}

// Many issuers at once do not become as many connections.
func TestFetchesAtOnce(t *testing.T) { // fault F-49
	t.Parallel()
	var now, most atomic.Int64
	full := make(chan struct{})
	s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		if n == outbound.MaxFetches {
			close(full)
		}
		<-full
		time.Sleep(20 * time.Millisecond) // for one more, if it is let in
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		w.Write([]byte("{}"))
	})
	client := plainClient(t, 10*time.Second)
	var wg sync.WaitGroup
	for range outbound.MaxFetches + 8 {
		wg.Go(func() {
			if _, err := client.Get(t.Context(), outbound.Request{URL: s.URL}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := most.Load(); got != outbound.MaxFetches {
		t.Errorf("%d at once, want %d", got, outbound.MaxFetches)
	}
}

func TestWaitingForASlotEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, lo, false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	client := plainClient(t, 10*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range outbound.MaxFetches {
		wg.Go(func() { client.Get(ctx, outbound.Request{URL: s.URL}) })
	}
	for deadline := time.Now().Add(5 * time.Second); s.connections.Load() < outbound.MaxFetches && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, err := client.Get(short, outbound.Request{URL: s.URL}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want DeadlineExceeded", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := s.connections.Load(); n != outbound.MaxFetches {
		t.Errorf("%d connections", n)
	}
	cancel()
	wg.Wait()
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, row := range []struct {
		name   string
		header http.Header
		want   time.Duration // negative = not said
	}{
		{"nothing", http.Header{}, -1},
		{"max-age", http.Header{"Cache-Control": {"max-age=300"}}, 300 * time.Second},
		{"among others", http.Header{"Cache-Control": {"public, Max-Age=300 , must-revalidate"}}, 300 * time.Second},
		{"quoted", http.Header{"Cache-Control": {`max-age="300"`}}, 300 * time.Second},
		{"twice", http.Header{"Cache-Control": {"max-age=300", "max-age=10"}}, 300 * time.Second},
		{"shared", http.Header{"Cache-Control": {"s-maxage=300"}}, -1},
		{"zero", http.Header{"Cache-Control": {"max-age=0"}}, 0},
		{"nonsense", http.Header{"Cache-Control": {"max-age=soon"}}, 0},
		{"negative", http.Header{"Cache-Control": {"max-age=-300"}}, 0},
		{"for ever", http.Header{"Cache-Control": {"max-age=99999999999999999999"}}, (1 << 31) * time.Second},
		{"no-store", http.Header{"Cache-Control": {"max-age=300, no-store"}}, 0},
		{"no-cache", http.Header{"Cache-Control": {"no-cache"}}, 0},
		{"age", http.Header{"Cache-Control": {"max-age=300"}, "Age": {"100"}}, 200 * time.Second},
		{"too old", http.Header{"Cache-Control": {"max-age=300"}, "Age": {"900"}}, 0},
		{"expires", http.Header{"Expires": {"Sun, 06 Nov 1994 08:54:37 GMT"}, "Date": {date}}, 300 * time.Second},
		{"expired", http.Header{"Expires": {"Sun, 06 Nov 1994 08:44:37 GMT"}, "Date": {date}}, 0},
		{"expires nonsense", http.Header{"Expires": {"0"}, "Date": {date}}, 0},
		{"expires without date", http.Header{"Expires": {date}, "Date": {"now"}}, 0},
		{"max-age before expires", http.Header{"Expires": {date}, "Date": {date}, "Cache-Control": {"max-age=60"}}, time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, lo, false, func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range row.header {
					w.Header()[name] = values
				}
				fmt.Fprint(w, "{}")
			})
			answer, err := plainClient(t, 0).Get(t.Context(), outbound.Request{URL: s.URL})
			if err != nil {
				t.Fatal(err)
			}
			if got := answer.MaxAge; got != row.want && (got >= 0 || row.want >= 0) {
				t.Errorf("MaxAge = %s, want %s", got, row.want)
			}
		})
	}
}
