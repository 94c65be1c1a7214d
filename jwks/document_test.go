package jwks_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jwks"
)

// What is not a key set takes nothing away, and is not the credential's fault.
func TestNotAKeySet(t *testing.T) { // SEC-SF-20, fault F-46
	t.Parallel()
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("k%d", i)
	}
	private := jwk(t, "k9", "sig")
	private["d"] = private["x"]
	for name, body := range map[string]string{
		"HTML":               "<html>Sign in</html>",
		"error":              `{"error":"server_error"}`,
		"null":               `{"keys":null}`,
		"no array":           `{"keys":{}}`,
		"empty set":          `{"keys":[]}`,
		"empty":              "",
		"array":              `[]`,
		"truncated":          set(t, "k1")[:60],
		"SEC-SF-13 101 keys": set(t, many...),
		"SEC-SF-15 private":  encode(t, object{"keys": []object{private}}),
		"SEC-SF-15 oct":      `{"keys":[{"kty":"oct","kid":"k9","k":"c2VjcmV0"}]}`,
		"encryption alone":   encode(t, object{"keys": []object{jwk(t, "k9", "enc")}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := keysOf(t, "max-age=60", "k1")
			w.want("k1", "ok")
			p.put("/keys", page{body: body})
			w.pass(time.Minute)
			w.want("k1", "ok")
			until(t, func() bool { return len(w.reports()) == 1 })
			w.pass(time.Hour - 1)
			w.want("k1", "ok")
			w.pass(1)
			w.want("k1", "stale")

			first := newWorld(t, jwks.Source{URL: p.URL + "/keys"})
			first.want("k1", "unavailable")
			if strings.HasPrefix(name, "SEC-SF-15") && !strings.Contains(first.reports()[0], "private member") {
				t.Errorf("reports %q, without the reason", first.reports())
			}
			if len(first.reports()) != 1 || strings.Contains(first.reports()[0], "Sign in") {
				t.Errorf("reports %q", first.reports())
			}
		})
	}
}

func TestBadKeyBesideGoodOne(t *testing.T) { // SEC-SF-14, SEC-SF-15, SEC-JP-18
	t.Parallel()
	off := jwk(t, "off", "sig")
	off["y"] = off["x"]
	private := jwk(t, "private", "sig")
	private["d"] = private["x"]
	keys := []object{
		{"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"}, off, private,
		{"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}, jwk(t, "good", "sig"),
	}
	p := newProvider(t)
	p.put("/keys", page{body: encode(t, object{"keys": keys}), header: "max-age=60"})
	w := newWorld(t, jwks.Source{URL: p.URL + "/keys"})
	w.want("good", "ok")
	for _, kid := range []string{"pq", "off", "private", "oct"} {
		if got := w.outcome(kid); got == "ok" {
			t.Errorf("the key %q is used", kid)
		}
	}
	fetch := func() {
		w.pass(time.Minute)
		before := p.fetches()
		until(t, func() bool { // the one before may not have settled yet
			w.want("good", "ok")
			return p.fetches() > before
		})
	}
	fetch()
	fetch()
	until(t, func() bool { return len(w.reports()) == 1 })
	for _, kid := range []string{"pq", "off", "private", "oct"} {
		if !strings.Contains(w.reports()[0], kid) {
			t.Errorf("reported %q, without %s", w.reports()[0], kid)
		}
	}
	wantReports(t, w, "key 1") // in one piece
	// A change is news.
	p.put("/keys", page{body: encode(t, object{"keys": keys[2:]}), header: "max-age=60"})
	fetch()
	until(t, func() bool { return len(w.reports()) == 2 })
}

func bundle(t testing.TB, extra object, keys ...object) string {
	t.Helper()
	all := object{"keys": keys}
	maps.Copy(all, extra)
	return encode(t, all)
}

func bundleOf(t testing.TB, body string) (*world, *provider) {
	t.Helper()
	p := newProvider(t)
	p.put("/bundle", page{body: body, header: "max-age=3600"})
	return newWorld(t, jwks.Source{BundleURL: p.URL + "/bundle"}), p
}

// Keys for other uses are passed over without a word.
func TestBundleUses(t *testing.T) {
	t.Parallel()
	plain := jwk(t, "plain", "")
	delete(plain, "use")
	w, _ := bundleOf(t, bundle(t, nil,
		jwk(t, "jwt", "jwt-svid"), jwk(t, "x509", "x509-svid"), jwk(t, "wit", "wit-svid"), jwk(t, "sig", "sig"), jwk(t, "upper", "JWT-SVID"), plain))
	w.want("jwt", "ok")
	for _, kid := range []string{"x509", "wit", "sig", "upper", "plain"} {
		w.want(kid, "kid_unknown")
	}
	wantReports(t, w)
}

func TestBundleRefreshHint(t *testing.T) { // SEC-SF-26
	t.Parallel()
	for _, row := range []struct {
		hint any
		want time.Duration
	}{
		{nil, 5 * time.Minute},
		{600, 10 * time.Minute},
		{0, 10 * time.Second},
		{1, 10 * time.Second},
		{315360000, 24 * time.Hour},
		{int64(1) << 62, 24 * time.Hour},
	} {
		t.Run(fmt.Sprint(row.hint), func(t *testing.T) {
			t.Parallel()
			extra := object{}
			if row.hint != nil {
				extra["spiffe_refresh_hint"] = row.hint
			}
			w, p := bundleOf(t, bundle(t, extra, jwk(t, "k1", "jwt-svid")))
			w.wantFreshFor(p, row.want)
		})
	}
}

func TestNotABundle(t *testing.T) {
	t.Parallel()
	var many []object
	for i := range 101 {
		many = append(many, jwk(t, fmt.Sprintf("k%d", i), "jwt-svid"))
	}
	good := jwk(t, "k1", "jwt-svid")
	for name, body := range map[string]string{
		"HTML":              "<html>",
		"no keys":           `{"spiffe_sequence":1}`,
		"null":              `{"keys":null}`,
		"object":            `{"keys":{}}`,
		"keys twice":        `{"keys":[],` + bundle(t, nil, good)[1:],
		"SEC-SF-13":         bundle(t, nil, many...),
		"hint is text":      bundle(t, object{"spiffe_refresh_hint": "300"}, good),
		"hint is a half":    bundle(t, object{"spiffe_refresh_hint": 0.5}, good),
		"hint is negative":  bundle(t, object{"spiffe_refresh_hint": -1}, good),
		"hint is null":      bundle(t, object{"spiffe_refresh_hint": nil}, good),
		"sequence is text":  bundle(t, object{"spiffe_sequence": "1"}, good),
		"sequence too long": bundle(t, object{"spiffe_sequence": 1e30}, good),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := bundleOf(t, body)
			w.want("k1", "unavailable")
			p.put("/bundle", page{status: 404})
			w.pass(time.Minute)
			w.want("k1", "unavailable")
		})
	}
}

func TestBundleRollback(t *testing.T) { // SEC-SF-26
	t.Parallel()
	next := func(sequence any, kid string) string {
		extra := object{"spiffe_refresh_hint": 60}
		if sequence != nil {
			extra["spiffe_sequence"] = sequence
		}
		return bundle(t, extra, jwk(t, kid, "jwt-svid"))
	}
	w, p := bundleOf(t, next(7, "k7"))
	w.want("k7", "ok")
	p.put("/bundle", page{body: next(6, "k6")})
	w.pass(time.Minute)
	w.want("k6", "kid_unknown")
	w.want("k7", "ok")
	until(t, func() bool { return len(w.reports()) == 1 })
	wantReports(t, w, "sequence number went back")
	p.put("/bundle", page{body: next(7, "k7b")}) // the same number is no step back
	w.pass(time.Minute)
	w.settled("k7b", "ok")
	p.put("/bundle", page{body: next(nil, "k0")}) // without a number the last one fetched is the newest
	w.pass(time.Minute)
	w.settled("k0", "ok")
	p.put("/bundle", page{body: next(6, "k6")}) // what was seen is not forgotten
	w.pass(time.Minute)
	w.want("k0", "ok")
	until(t, func() bool { return len(w.reports()) == 2 })
	w.want("k6", "kid_unknown")
}

// A trust domain can withdraw all of its keys at once.
func TestEmptyBundle(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]object{"empty": {}, "X.509 alone": {jwk(t, "x", "x509-svid")}} {
		w, p := bundleOf(t, bundle(t, object{"spiffe_refresh_hint": 60}, jwk(t, "k1", "jwt-svid")))
		w.want("k1", "ok")
		p.put("/bundle", page{body: bundle(t, nil, keys...)})
		w.pass(10 * time.Minute)
		if got := w.outcome("k1"); got != "kid_unknown" {
			t.Errorf("%s: %s, want kid_unknown", name, got)
		}
		wantReports(t, w, "no keys for JWT-SVIDs")
	}
}
