package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/keys"
)

// signer is the kid that signs now; the signature is checked on the way.
func signer(t *testing.T, r *keys.Ring) string {
	t.Helper()
	compact, err := r.Sign("at+jwt", []byte(`{"sub":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := jose.Parse(compact)
	if err != nil {
		t.Fatal(err)
	}
	key, err := r.Public(tok.Alg, tok.Kid)
	if err != nil {
		t.Fatalf("the key that signed is not public: %v", err)
	}
	if err := tok.Verify(key); err != nil {
		t.Fatal(err)
	}
	if tok.Typ != "at+jwt" || key.Thumbprint() != tok.Kid {
		t.Errorf("typ %q, kid %q", tok.Typ, tok.Kid)
	}
	return tok.Kid
}

func TestFirstKeySignsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := newRing(t, w.config())
	if _, err := r.Sign("at+jwt", []byte(`{}`)); !errors.Is(err, keys.ErrNoKey) { // SEC-KY-13
		t.Errorf("before the first refresh: %v, want ErrNoKey", err)
	}
	if got := string(r.JWKS()); got != `{"keys":[]}` {
		t.Errorf("before the first refresh: %s", got)
	}

	refresh(t, r)

	if kid := signer(t, r); !slices.Equal(published(t, r), []string{kid}) {
		t.Errorf("%s signs, %v is published", kid, published(t, r))
	}
	refresh(t, r)
	if len(w.rows) != 1 {
		t.Errorf("%d keys made, want 1", len(w.rows))
	}
}

// TestRotation walks through one rotation (SEC-KY-01, SEC-KY-02, SEC-KY-03):
// a key is published before it signs, and the old one stays for its tokens.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	first := signer(t, r)
	var second string
	for _, step := range []struct {
		at        time.Duration
		published int
		second    bool // signs
	}{
		{rotate - publish - time.Second, 1, false},
		{rotate - publish, 2, false},
		{rotate - time.Second, 2, false},
		{rotate, 2, true},
		{rotate + maxTTL + 5*time.Minute - time.Second, 2, true},
		{rotate + maxTTL + 5*time.Minute, 1, true},
	} {
		w.now = epoch.Add(step.at)
		refresh(t, r)
		kids := published(t, r)
		if len(kids) != step.published {
			t.Errorf("at %v: %d keys published, want %d", step.at, len(kids), step.published)
		}
		if second == "" && len(kids) == 2 {
			second = kids[1]
		}
		if got := signer(t, r); (got != first) != step.second || step.second && got != second {
			t.Errorf("at %v: %s signs", step.at, got)
		}
	}
	var fault *jose.Error
	if _, err := r.Public("ES256", first); !errors.As(err, &fault) || fault.Fault != jose.FaultKidUnknown {
		t.Errorf("the forgotten key: %v, want kid_unknown", err)
	}
}

// TestSignsByTheClock: the change of keys needs no refresh at that very second.
func TestSignsByTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	first := signer(t, r)
	w.now = epoch.Add(rotate - publish)
	refresh(t, r)
	w.now = epoch.Add(rotate)
	if signer(t, r) == first {
		t.Error("the old key still signs")
	}
	w.now = w.now.Add(maxTTL + 5*time.Minute)
	if _, err := r.Public("ES256", first); err == nil {
		t.Error("the old key still verifies")
	}
}

// TestNeverSignsUnpublished: after a long stop the successor is overdue, and
// still waits until verifiers have had time to learn it.
func TestNeverSignsUnpublished(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	first := signer(t, r)
	w.now = epoch.Add(3 * rotate)
	r = w.replica(t)
	if got := signer(t, r); got != first {
		t.Errorf("%s signs without having been published", got)
	}
	w.now = w.now.Add(publish)
	refresh(t, r)
	if signer(t, r) == first || len(w.rows) != 2 {
		t.Errorf("the successor does not sign after its time in the set, %d rows", len(w.rows))
	}
}

// TestReplicasMakeOneKey: at each turn all replicas try at the same moment
// (SEC-KY-05).
func TestReplicasMakeOneKey(t *testing.T) {
	t.Parallel()
	w := newWorld()
	rings := make([]*keys.Ring, 5)
	for i := range rings {
		rings[i] = newRing(t, w.config())
	}
	for turn := range 3 {
		w.now = epoch.Add(time.Duration(turn) * rotate)
		if turn > 0 {
			w.now = w.now.Add(-publish)
		}
		var all sync.WaitGroup
		for _, r := range rings {
			all.Go(func() {
				if err := r.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(w.rows) != turn+1 {
			t.Fatalf("turn %d: %d keys, want %d", turn, len(w.rows), turn+1)
		}
		for _, r := range rings[1:] {
			if signer(t, r) != signer(t, rings[0]) || string(r.JWKS()) != string(rings[0].JWKS()) {
				t.Errorf("turn %d: replicas disagree", turn)
			}
		}
	}
}

// TestSlowClocksMakeOneKey: two replicas whose clocks are behind the one that
// made the last key lose no race for it; the second has read before the first
// inserts.
func TestSlowClocksMakeOneKey(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.replica(t)
	w.now = epoch.Add(-2 * time.Minute)
	first := newRing(t, w.config())
	cfg := w.config()
	cfg.Insert = func(ctx context.Context, row keys.Row, expected string) error {
		refresh(t, first)
		return w.insert(ctx, row, expected)
	}
	second := newRing(t, cfg)

	refresh(t, second)

	if signer(t, first) != signer(t, second) || len(w.rows) != 2 {
		t.Errorf("%d keys, want 2", len(w.rows))
	}
}

// TestRevokedKeyLeavesAtOnce: SEC-KY-04.
func TestRevokedKeyLeavesAtOnce(t *testing.T) {
	t.Parallel()
	for name, atTurn := range map[string]bool{"alone": false, "with a successor waiting": true} {
		w := newWorld()
		r := w.replica(t)
		first := signer(t, r)
		if atTurn {
			w.now = epoch.Add(rotate - publish)
			refresh(t, r)
		}
		before := len(w.rows)
		revoked := w.now.Add(2 * time.Minute) // by a clock that is ahead
		w.change(first, func(row *keys.Row) { row.Revoked = &revoked })

		refresh(t, r)
		refresh(t, r)

		if signer(t, r) == first || slices.Contains(published(t, r), first) {
			t.Errorf("%s: the revoked key is still in use", name)
		}
		if _, err := r.Public("ES256", first); !errors.Is(err, keys.ErrRevoked) {
			t.Errorf("%s: %v, want ErrRevoked", name, err)
		}
		if len(w.rows) != before+1 {
			t.Errorf("%s: %d keys, want one more than %d", name, len(w.rows), before)
		}
	}
}

// TestOldKeyNeverReturns: when the active key is retired, a new one signs; its
// predecessor, which verifiers are about to forget, does not.
func TestOldKeyNeverReturns(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	first := signer(t, r)
	w.now = epoch.Add(rotate - publish)
	refresh(t, r)
	w.now = epoch.Add(rotate + time.Minute)
	second := signer(t, r)
	retired := w.now
	w.change(second, func(row *keys.Row) { row.Retired = &retired })

	refresh(t, r)

	if got := signer(t, r); got == first || got == second {
		t.Errorf("an old key signs: %s", got)
	}
	w.now = retired.Add(maxTTL + 5*time.Minute - time.Second)
	refresh(t, r)
	if !slices.Contains(published(t, r), second) {
		t.Error("the retired key left before its tokens")
	}
	w.now = retired.Add(maxTTL + 5*time.Minute)
	refresh(t, r)
	if slices.Contains(published(t, r), second) {
		t.Error("the retired key is still published after its tokens")
	}
}

// TestStoppedSuccessorTakesOverFromNobody: stopped before its turn, it leaves
// the current key in place, and another successor is published.
func TestStoppedSuccessorTakesOverFromNobody(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	first := signer(t, r)
	w.now = epoch.Add(rotate - publish)
	refresh(t, r)
	revoked := w.now
	w.change(published(t, r)[1], func(row *keys.Row) { row.Revoked = &revoked })
	w.now = w.now.Add(time.Hour)
	refresh(t, r)

	if got := signer(t, r); got != first || len(w.rows) != 3 {
		t.Errorf("%s signs, %d keys; want the first and a third one waiting", got, len(w.rows))
	}
	w.now = epoch.Add(rotate + time.Minute) // the stopped key's turn
	if got := signer(t, r); got != first {
		t.Errorf("%s signs, want the first until the third's turn", got)
	}
	third := epoch.Add(rotate + time.Hour)
	w.now = third
	if got := signer(t, r); got != w.rows[2].Kid {
		t.Errorf("%s signs, want the third", got)
	}
	w.now = third.Add(maxTTL)
	refresh(t, r)
	if !slices.Contains(published(t, r), first) {
		t.Error("the first key left before its tokens")
	}
}

// TestPublicPinsTheAlgorithm: RFC 8725, Section 3.1.
func TestPublicPinsTheAlgorithm(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	var fault *jose.Error
	if _, err := r.Public("RS256", signer(t, r)); !errors.As(err, &fault) || fault.Fault != jose.FaultKeyAlgMismatch {
		t.Errorf("got %v, want key_alg_mismatch", err)
	}
}

// TestSetShape: use, alg and kid are there, private members never
// (RFC 8414, Section 2; SEC-KY-08).
func TestSetShape(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		w := newWorld()
		cfg := w.config()
		cfg.Alg = alg
		r := newRing(t, cfg)
		refresh(t, r)
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		if err := json.Unmarshal(r.JWKS(), &set); err != nil {
			t.Fatal(err)
		}
		k := set.Keys[0]
		if k["use"] != "sig" || k["alg"] != alg || k["kid"] != signer(t, r) || k["kty"] == nil {
			t.Errorf("%s: %v", alg, k)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if _, ok := k[private]; ok {
				t.Errorf("%s: the set has the private member %q", alg, private)
			}
		}
	}
}

// TestWrongKEK: the error names the key and says what to do; a replica that is
// already running goes on, and this one makes no keys (SEC-KY-11).
func TestWrongKEK(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	kid := signer(t, r)
	cfg := w.config()
	cfg.KEK = keys.NewKEK()
	wrong := newRing(t, cfg)
	w.now = epoch.Add(rotate - publish)

	err := wrong.Refresh(t.Context())

	if !errors.Is(err, keys.ErrSealed) || !strings.Contains(err.Error(), kid) {
		t.Errorf("got %v, want ErrSealed naming %s", err, kid)
	}
	if _, err := wrong.Sign("at+jwt", nil); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("sign: %v", err)
	}
	if len(w.rows) != 1 {
		t.Error("a replica with the wrong KEK made a key")
	}
	refresh(t, r)
	signer(t, r)
}

// TestAlteredRow: neither a flipped bit nor another row's key under this name
// opens, and a revocation elsewhere takes effect all the same.
func TestAlteredRow(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.replica(t)
	w.now = epoch.Add(rotate - publish)
	w.replica(t)
	a, b := w.rows[0], w.rows[1]
	for name, edit := range map[string]func(*keys.Row){
		"bit":     func(r *keys.Row) { r.Sealed = slices.Clone(a.Sealed); r.Sealed[40] ^= 1 },
		"swap":    func(r *keys.Row) { r.Sealed = b.Sealed },
		"alg":     func(r *keys.Row) { r.Alg = "RS256" },
		"version": func(r *keys.Row) { r.Sealed = append([]byte{9}, a.Sealed[1:]...) },
		"short":   func(r *keys.Row) { r.Sealed = []byte{1} },
		"empty":   func(r *keys.Row) { r.Sealed = nil },
	} {
		altered := newWorld()
		altered.kek, altered.now, altered.rows = w.kek, w.now, slices.Clone(w.rows)
		altered.change(a.Kid, edit)
		r := newRing(t, altered.config())
		if err := r.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), a.Kid) {
			t.Errorf("%s: %v, want an error naming the key", name, err)
		}
		if got := published(t, r); !slices.Equal(got, []string{b.Kid}) {
			t.Errorf("%s: %v published, want the other key alone", name, got)
		}
	}
}

// TestStoreAway: the last reading stays.
func TestStoreAway(t *testing.T) {
	t.Parallel()
	w := newWorld()
	r := w.replica(t)
	before := string(r.JWKS())
	w.err = errors.New("connection refused")
	if err := r.Refresh(t.Context()); !errors.Is(err, w.err) {
		t.Errorf("got %v", err)
	}
	if signer(t, r); string(r.JWKS()) != before {
		t.Error("the set changed")
	}
}

// TestRunReportsOnce: an outage is one line, not one each second.
func TestRunReportsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.err = errors.New("connection refused")
	loads := make(chan struct{}, 100)
	cfg := w.config()
	cfg.Load = func(ctx context.Context) ([]keys.Row, error) {
		loads <- struct{}{}
		return w.load(ctx)
	}
	reports := make(chan error, 100)
	cfg.Report = func(err error) { reports <- err }
	r := newRing(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	<-loads
	<-loads
	cancel()
	<-ended
	if len(reports) != 1 {
		t.Errorf("%d reports, want 1", len(reports))
	}
}

func TestNewIsStrict(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*keys.Config){
		"no KEK":           func(c *keys.Config) { c.KEK = nil },
		"short KEK":        func(c *keys.Config) { c.KEK = c.KEK[:16] },
		"no load":          func(c *keys.Config) { c.Load = nil },
		"no insert":        func(c *keys.Config) { c.Insert = nil },
		"no rotation":      func(c *keys.Config) { c.RotateEvery = 0 },
		"no longest token": func(c *keys.Config) { c.MaxTTL = 0 },
		"early":            func(c *keys.Config) { c.PublishBefore = c.RotateEvery },
		"HS256":            func(c *keys.Config) { c.Alg = "HS256" },
	} {
		cfg := newWorld().config()
		spoil(&cfg)
		if _, err := keys.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestStaleRingSignsNothing: a key that was revoked elsewhere must not sign on
// where the store cannot be read; what was published stays.
func TestStaleRingSignsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	cfg := w.config()
	cfg.Stale = 50 * time.Millisecond
	r := newRing(t, cfg)
	refresh(t, r)
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(60 * time.Millisecond)
	if _, err := r.Sign("JWT", []byte("{}")); !errors.Is(err, keys.ErrNoKey) || !errors.Is(r.Ready(), keys.ErrNoKey) {
		t.Errorf("signing with a stale reading: %v, ready: %v; want ErrNoKey", err, r.Ready())
	}
	if len(published(t, r)) == 0 {
		t.Error("the key set is empty")
	}
	refresh(t, r)
	if err := r.Ready(); err != nil {
		t.Errorf("after a new reading: %v", err)
	}
}
