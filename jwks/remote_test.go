package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jwks"
)

// keysOf starts a provider with one set and a world that reads it.
func keysOf(t testing.TB, header string, kids ...string) (*world, *provider) {
	t.Helper()
	p := newProvider(t)
	p.put("/keys", page{body: set(t, kids...), header: header})
	return newWorld(t, jwks.Source{URL: p.URL + "/keys"}), p
}

func TestFetchedOnFirstUse(t *testing.T) {
	t.Parallel()
	w, p := keysOf(t, "", "k1")
	if n := p.fetches(); n != 0 {
		t.Fatalf("%d fetches before the first use", n)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := w.outcome("k1"); got != "ok" {
				t.Errorf("outcome %s", got)
			}
		})
	}
	wg.Wait()
	w.wantFetches(p, 1)
}

// One who waits may go; the fetch goes on for the others.
func TestWaiterGivesUp(t *testing.T) {
	t.Parallel()
	w, p := keysOf(t, "", "k1")
	release := p.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := w.Key(ctx, "ES256", "k1")
		failed <- err
	}()
	w.wantFetches(p, 1)
	cancel()
	if err := <-failed; !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want ErrUnavailable and Canceled", err)
	}
	release()
	w.want("k1", "ok")
	w.wantFetches(p, 1)
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		header string
		want   time.Duration
	}{
		{"", 5 * time.Minute},
		{"max-age=600", 10 * time.Minute},
		{"max-age=0", 30 * time.Second},
		{"no-store", 30 * time.Second},
		{"max-age=10", 30 * time.Second},
		{"max-age=86400", time.Hour},
	} {
		t.Run(row.header, func(t *testing.T) {
			t.Parallel()
			w, p := keysOf(t, row.header, "k1")
			w.wantFreshFor(p, row.want)
		})
	}
}

// A slow answer is not a younger one, and one that took longer than it may serve
// does not serve.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		took    time.Duration
		outcome string
		fetches int
	}{{59 * time.Second, "ok", 1}, {60 * time.Second, "ok", 2}, {2 * time.Hour, "stale", 2}} {
		w, p := keysOf(t, "max-age=60", "k1")
		release := p.hold(t)
		first := make(chan string)
		go func() { first <- w.outcome("k1") }()
		w.wantFetches(p, 1)
		w.pass(row.took)
		release()
		if got := <-first; got != row.outcome {
			t.Errorf("after %s: %s, want %s", row.took, got, row.outcome)
		}
		w.want("k1", "ok")
		w.wantFetches(p, row.fetches)
	}
}

// Requests do not wait for a refresh.
func TestRefreshInTheBackground(t *testing.T) { // fault F-45
	t.Parallel()
	w, p := keysOf(t, "max-age=60", "k1")
	w.want("k1", "ok")
	p.put("/keys", page{body: set(t, "k2"), header: "max-age=60"})
	release := p.hold(t)
	w.pass(time.Minute)
	for range 20 {
		w.want("k1", "ok") // hangs if it waits
	}
	w.wantFetches(p, 2)
	release()
	w.settled("k1", "kid_unknown") // SEC-SF-21: the provider has taken it back
	w.want("k2", "ok")
	w.wantFetches(p, 3) // one of them for k1
}

// A set that nobody asked for in a while is fetched before it serves.
func TestIdleSet(t *testing.T) { // SEC-SF-21
	t.Parallel()
	w, p := keysOf(t, "max-age=60", "k1")
	w.want("k1", "ok")
	p.put("/keys", page{body: set(t, "k2"), header: "max-age=60"})
	w.pass(time.Minute + 5*time.Minute)
	w.want("k1", "kid_unknown")
	w.wantFetches(p, 2)
	w.want("k2", "ok")

	// But it serves when the provider is away, and then without a wait.
	p.put("/keys", page{status: 502})
	w.pass(7 * time.Minute)
	w.want("k2", "ok")
	w.wantFetches(p, 3)
	p.hold(t)
	w.pass(5 * time.Second)
	start := time.Now()
	w.want("k2", "ok")
	w.wantFetches(p, 4)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Somebody whose time is up while an idle set is fetched is served with what
// there is.
func TestIdleSetAndNoTime(t *testing.T) {
	t.Parallel()
	w, p := keysOf(t, "max-age=60", "k1")
	w.want("k1", "ok")
	p.hold(t)
	w.pass(10 * time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.Key(ctx, "ES256", "k1"); err != nil {
		t.Error(err)
	}
	// He does not hear that his credential is bad when nobody knows.
	if _, err := w.Key(ctx, "ES256", "k2"); !errors.Is(err, jwks.ErrUnavailable) {
		t.Errorf("error = %v, want ErrUnavailable", err)
	}
}

func TestUnavailableAndBackOff(t *testing.T) { // fault F-44
	t.Parallel()
	w, p := keysOf(t, "")
	p.put("/keys", page{status: 502, body: "SECRET"})
	fetches := 0
	for i, gap := range []time.Duration{5, 10, 20, 40, 60, 60} {
		gap *= time.Second
		fetches++
		w.want("k1", "unavailable")
		w.wantFetches(p, fetches)
		w.pass(gap - 1)
		for range 10 {
			w.want("k1", "unavailable")
		}
		w.wantFetches(p, fetches)
		w.pass(1)
		if i == 5 {
			p.put("/keys", page{body: set(t, "k1")})
			w.want("k1", "ok")
		}
	}
	wantReports(t, w, "status 502") // once, not with each failure
	if strings.Contains(w.reports()[0], "SECRET") {
		t.Error("the report repeats the answer")
	}
	// The next failure is news, and waits from the beginning.
	p.put("/keys", page{status: 502})
	w.pass(5 * time.Minute)
	w.want("k1", "ok")
	until(t, func() bool { return len(w.reports()) == 2 })
	before := p.fetches()
	w.pass(5 * time.Second)
	w.want("k1", "ok")
	w.wantFetches(p, before+1)
}

func TestStale(t *testing.T) { // SEC-SF-22
	t.Parallel()
	for _, limit := range []time.Duration{0, 2 * time.Hour} {
		p := newProvider(t)
		p.put("/keys", page{body: set(t, "k1"), header: "max-age=60"})
		w := newWorldOf(t, jwks.Config{Source: jwks.Source{URL: p.URL + "/keys"}, MaxStale: limit})
		if limit == 0 {
			limit = time.Hour
		}
		w.want("k1", "ok")
		p.put("/keys", page{status: 500})
		w.pass(time.Minute + limit - 1)
		w.want("k1", "ok")
		w.pass(1)
		w.want("k1", "stale")
		w.want("k2", "stale") // nobody knows
		before := p.fetches()
		w.want("k1", "stale")
		w.wantFetches(p, before) // it backs off all the same
		p.put("/keys", page{body: set(t, "k1")})
		w.pass(time.Minute)
		w.want("k1", "ok")
	}
}

func TestUnknownKid(t *testing.T) { // SEC-SF-16, SEC-KH-09
	t.Parallel()
	w, p := keysOf(t, "", "k1")
	w.want("k0", "kid_unknown") // the set was fetched just for this request
	w.wantFetches(p, 1)
	for i := range 1000 {
		w.want(fmt.Sprintf("%d ' OR '1'='1", i), "kid_unknown")
	}
	w.wantFetches(p, 2)
	w.pass(30*time.Second - 1)
	w.want("k0", "kid_unknown")
	w.wantFetches(p, 2)
	w.pass(1)
	w.want("k0", "kid_unknown")
	w.wantFetches(p, 3)
	w.want("k1", "ok")
}

func TestUnknownKidAndProviderAway(t *testing.T) { // SEC-SF-16
	t.Parallel()
	w, p := keysOf(t, "max-age=3600", "k1")
	w.want("k1", "ok")
	p.put("/keys", page{status: 500})
	for range 10 {
		w.want("k0", "kid_unknown")
	}
	w.wantFetches(p, 2)
	w.pass(6 * time.Second) // past the back-off
	w.want("k0", "kid_unknown")
	w.wantFetches(p, 2)
	w.pass(24 * time.Second)
	w.want("k0", "kid_unknown")
	w.want("k1", "ok")
	w.wantFetches(p, 3)
}

// The back-off of failed refreshes holds for unknown kids too.
func TestBackOffBeforeUnknownKid(t *testing.T) {
	t.Parallel()
	w, p := keysOf(t, "max-age=60", "k1")
	w.want("k1", "ok")
	p.put("/keys", page{status: 500})
	w.pass(time.Minute)
	w.want("k1", "ok")
	until(t, func() bool { return len(w.reports()) == 1 })
	w.want("k0", "kid_unknown")
	w.wantFetches(p, 2)
}

// Only an unknown kid is worth a fetch.
func TestOtherFaultsFetchNothing(t *testing.T) {
	t.Parallel()
	w, p := keysOf(t, "", "k1", "k2", "k3", "k3")
	w.want("k1", "ok")
	w.want("", "kid_missing")     // SEC-KH-13
	w.want("k3", "kid_ambiguous") // SEC-KH-14
	if _, err := w.Key(t.Context(), "RS256", "k1"); err == nil {
		t.Error("a P-256 key for RS256")
	}
	w.wantFetches(p, 1)
}

// An issuer that begins to sign with a new key at once loses no request.
func TestRotationWithoutOverlap(t *testing.T) { // fault F-47
	t.Parallel()
	w, p := keysOf(t, "max-age=3600", "k0")
	w.want("k0", "ok")
	for i := range 20 {
		kid := fmt.Sprintf("k%d", i+1)
		p.put("/keys", page{body: set(t, kid), header: "max-age=3600"})
		w.pass(30 * time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := w.outcome(kid); got != "ok" {
					t.Errorf("outcome %s", got)
				}
			})
		}
		wg.Wait()
		w.wantFetches(p, i+2)
		w.want("k0", "kid_unknown")
		w.wantFetches(p, i+2)
	}
}

// One that looked into the old set comes to search when somebody else has done
// so: it is neither refused nor worth another fetch.
func TestSearchedMeanwhile(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.put("/keys", page{body: set(t, "k1")})
	var calls atomic.Int64 // of the clock: the first to look, the second to search
	searching, proceed := make(chan struct{}), make(chan struct{})
	now := time.Unix(1795168800, 0)
	s, err := jwks.New(jwks.Config{Source: jwks.Source{URL: p.URL + "/keys"}, Client: client(t, time.Second), Now: func() time.Time {
		if calls.Add(1) == 2 {
			close(searching)
			<-proceed
		}
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	calls.Store(100) // for now
	if _, err := s.Key(t.Context(), "ES256", "k1"); err != nil {
		t.Fatal(err)
	}
	p.put("/keys", page{body: set(t, "k2")})
	calls.Store(0)
	late := make(chan error)
	go func() {
		_, err := s.Key(t.Context(), "ES256", "k2")
		late <- err
	}()
	<-searching
	if _, err := s.Key(t.Context(), "ES256", "k2"); err != nil {
		t.Error(err)
	}
	close(proceed)
	if err := <-late; err != nil {
		t.Error(err)
	}
	if n := p.fetches(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// A refresh under way is waited for before a kid is called unknown.
func TestUnknownKidJoinsRefresh(t *testing.T) {
	t.Parallel()
	w, p := keysOf(t, "max-age=60", "k1")
	w.want("k1", "ok")
	p.put("/keys", page{body: set(t, "k2")})
	release := p.hold(t)
	w.pass(time.Minute)
	w.want("k1", "ok")
	w.wantFetches(p, 2)
	time.AfterFunc(20*time.Millisecond, release)
	w.want("k2", "ok")
	w.wantFetches(p, 2)
}

func TestFlapping(t *testing.T) { // fault F-48
	t.Parallel()
	w, p := keysOf(t, "max-age=3600", "k1")
	w.want("k1", "ok")
	for i := range 60 {
		p.put("/keys", page{body: set(t, fmt.Sprintf("k%d", i%2)), header: "max-age=3600"})
		w.outcome("k0")
		w.outcome("k1")
		w.pass(time.Second)
	}
	if n := p.fetches(); n > 3 {
		t.Errorf("%d fetches in a minute", n)
	}
}

// Sets of two issuers share nothing, even a URL.
func TestSetsAreApart(t *testing.T) { // SEC-SF-28
	t.Parallel()
	w, p := keysOf(t, "", "k1")
	other := newWorld(t, jwks.Source{URL: p.URL + "/keys"})
	w.want("k1", "ok")
	other.want("k1", "ok")
	w.wantFetches(p, 2)
}

// A fetch that nobody ends is ended by the client, and its goroutine with it.
func TestHangingProvider(t *testing.T) { // fault F-45
	t.Parallel()
	p := newProvider(t)
	p.hold(t)
	w := newWorldOf(t, jwks.Config{Source: jwks.Source{URL: p.URL + "/keys"}, Client: client(t, 100*time.Millisecond)})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := w.outcome("k1"); got != "unavailable" {
				t.Errorf("outcome %s", got)
			}
		})
	}
	wg.Wait()
	w.wantFetches(p, 1)
	wantReports(t, w, "no whole answer within 100ms")
}
