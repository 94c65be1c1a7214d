package jwks_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jwks"
)

// push is a source that says what a test has it say.
type push struct {
	jwt, x509 func([]byte, error)
	ended     chan struct{}
}

// pushed starts a set with a source that has begun.
func pushed(t *testing.T) (*world, *push) {
	t.Helper()
	p := &push{ended: make(chan struct{})}
	begun := make(chan struct{})
	w := newWorld(t, jwks.Source{Feed: func(ctx context.Context, jwt, x509 func([]byte, error)) {
		p.jwt, p.x509 = jwt, x509
		close(begun)
		<-ctx.Done()
		close(p.ended)
	}})
	t.Cleanup(w.Close)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Key(ctx, "ES256", "k1"); !errors.Is(err, jwks.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("error = %v, want ErrUnavailable and Canceled", err)
	}
	<-begun
	return w, p
}

// der is the certificate of an authority.
func der(t *testing.T, key object) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(key["x5c"].([]string)[0])
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestFed(t *testing.T) {
	t.Parallel()
	w, p := pushed(t)
	one, two := authority(t, nil), authority(t, nil)
	bare := jwk(t, "k2", "")
	delete(bare, "use") // SPIRE's agent leaves it out
	p.jwt([]byte(bundle(t, nil, jwk(t, "k1", "jwt-svid"), bare, jwk(t, "w", "wit-svid"))), nil)
	w.want("k1", "ok")
	w.want("k2", "ok")
	w.want("w", "key_use")
	w.wantAuthoritiesSoon(p, der(t, one), one)
	p.x509(append(der(t, one), der(t, two)...), nil)
	w.wantAuthorities(one, two)
	w.pass(1000 * time.Hour) // it would have said so
	w.want("k1", "ok")
	p.jwt([]byte(set(t, "k3")), nil)
	w.want("k3", "ok")
	w.want("k1", "kid_unknown")
	w.wantAuthorities(one, two)
	wantReports(t, w, `kid "w"`)
}

// wantAuthoritiesSoon asks for the authorities before they are there.
func (w *world) wantAuthoritiesSoon(p *push, raw []byte, want object) {
	w.t.Helper()
	time.AfterFunc(10*time.Millisecond, func() { p.x509(raw, nil) })
	w.wantAuthorities(want)
}

// What is at hand is given at once, also to somebody who may not wait.
func TestFedAtHand(t *testing.T) {
	t.Parallel()
	w, p := pushed(t)
	root := authority(t, nil)
	p.jwt([]byte(set(t, "k1")), nil)
	p.x509(der(t, root), nil)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // a select would choose by chance
		if _, err := w.Key(over, "ES256", "k1"); err != nil {
			t.Fatal(err)
		}
		if roots, err := w.Authorities(over); err != nil || len(roots) != 1 {
			t.Fatalf("%d authorities, %v", len(roots), err)
		}
	}
}

// A trust domain that the source does not know any more has no keys at all, at
// once.
func TestFedGone(t *testing.T) { // SB-08
	t.Parallel()
	for name, nothing := range map[string][]byte{"not in the answer": nil, "no keys": []byte(`{"keys":[]}`)} {
		w, p := pushed(t)
		root := authority(t, nil)
		p.jwt([]byte(set(t, "k1")), nil)
		p.x509(der(t, root), nil)
		w.want("k1", "ok")
		w.wantAuthorities(root)
		p.jwt(nothing, nil)
		if got := w.outcome("k1"); got != "kid_unknown" {
			t.Errorf("%s: %s, want kid_unknown", name, got)
		}
		w.wantAuthorities(root)
		wantReports(t, w) // X.509 alone is fine
		p.x509(nil, nil)
		w.wantAuthorities()
		p.x509(nil, nil)
		wantReports(t, w, "no keys: no SVID can be verified") // once
	}
}

// While the source is away the last keys serve, each half for its own hour.
func TestFedAway(t *testing.T) {
	t.Parallel()
	w, p := pushed(t)
	root := authority(t, nil)
	away := errors.New("it is away")
	p.x509(nil, away)
	w.wantNoAuthorities(jwks.ErrUnavailable)
	p.jwt([]byte(set(t, "k1")), nil)
	p.x509(der(t, root), nil)
	w.wantAuthorities(root)

	p.jwt(nil, away)
	w.pass(30 * time.Minute)
	p.jwt(nil, away) // which is not the beginning
	p.x509(nil, away)
	w.pass(30*time.Minute - 1)
	w.want("k1", "ok")
	w.pass(1)
	w.want("k1", "stale")
	w.want("k2", "stale") // nobody knows
	w.wantAuthorities(root)
	w.pass(30 * time.Minute)
	w.wantNoAuthorities(jwks.ErrStale)

	p.jwt([]byte(set(t, "k1")), nil)
	w.want("k1", "ok")
	w.pass(time.Hour)
	w.want("k1", "ok")
	wantReports(t, w, "away", "away", "away") // X.509 twice, JWT once
}

// What cannot be read takes nothing away, for an hour.
func TestFedNonsense(t *testing.T) { // SEC-SF-13, SEC-SF-15, SEC-SF-20
	t.Parallel()
	many := make([]string, 101)
	for i := range many {
		many[i] = "k"
	}
	for name, raw := range map[string]string{"HTML": "<html>", "null": `{"keys":null}`, "SEC-SF-13": set(t, many...)} {
		w, p := pushed(t)
		p.jwt([]byte(set(t, "k1")), nil)
		p.jwt([]byte(raw), nil)
		w.pass(time.Hour - 1)
		if got := w.outcome("k1"); got != "ok" {
			t.Errorf("%s: %s, want ok", name, got)
		}
		w.pass(1)
		w.want("k1", "stale")
		wantReports(t, w, "not a JWK set")
	}
	w, p := pushed(t)
	root := authority(t, nil)
	p.x509(der(t, root), nil)
	p.x509(der(t, root)[:100], nil)
	w.wantAuthorities(root)
	leaf := authority(t, func(c *x509.Certificate) { c.IsCA = false })
	p.x509(append(der(t, leaf), der(t, root)...), nil)
	w.wantAuthorities(root)
	p.x509(append(guessed(t), der(t, root)...), nil)
	w.wantAuthorities(root)
	private := jwk(t, "private", "sig")
	private["d"] = private["x"]
	p.jwt([]byte(encode(t, object{"keys": []object{private, jwk(t, "k1", "sig")}})), nil)
	w.want("k1", "ok")
	w.want("private", "kid_unknown")
	wantReports(t, w, "no certificates", "not that of an authority", "key_weak", "private member")
}

func TestFedCloses(t *testing.T) {
	t.Parallel()
	w, p := pushed(t)
	p.jwt([]byte(set(t, "k1")), nil)
	w.want("k1", "ok")
	w.Close()
	<-p.ended
	p.jwt(nil, errors.New("the end")) // is no news
	w.want("k1", "ok")                // for requests under way
	start := time.Now()
	w.wantNoAuthorities(jwks.ErrUnavailable)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it waited %s for what never comes", took)
	}
	w.Close()
	wantReports(t, w)
	fetched, _ := keysOf(t, "", "k1")
	fetched.Close()
	fetched.want("k1", "ok")
}

// A source that says nothing holds up the first request, and not those after.
func TestFedSilent(t *testing.T) {
	t.Parallel()
	w, p := pushed(t)
	start := time.Now()
	w.want("k1", "unavailable")
	if took := time.Since(start); took < 4*time.Second || took > 9*time.Second {
		t.Errorf("the first request took %s", took)
	}
	start = time.Now()
	w.want("k1", "unavailable")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the second request took %s", took)
	}
	p.jwt([]byte(set(t, "k1")), nil)
	w.want("k1", "ok")
}
