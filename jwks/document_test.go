package jwks_test

import (
	"fmt"
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
