package jwks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/tokenry/tokenry/jwks"
)

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

// authority is a new authority of X.509-SVIDs as a bundle has it. change is
// made to its certificate first; nil = none.
func authority(t testing.TB, change func(*x509.Certificate)) object {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: []*url.URL{{Scheme: "spiffe", Host: "prod.example"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return object{
		"kty": "EC", "crv": "P-256", "use": "x509-svid", "x": b64(point[1:33]), "y": b64(point[33:]),
		"x5c": []string{base64.StdEncoding.EncodeToString(der)},
	}
}

// guessed is the certificate of an authority whose key can be found again:
// CVE-2017-15361.
func guessed(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	weak := &rsa.PublicKey{N: new(big.Int).Exp(big.NewInt(65537), big.NewInt(130), nil), E: 65537}
	der, err := x509.CreateCertificate(rand.Reader, template, template, weak, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// with returns a key with another member; nil takes it out.
func with(key object, name string, value any) object {
	changed := maps.Clone(key)
	changed[name] = value
	if value == nil {
		delete(changed, name)
	}
	return changed
}

// wantAuthorities checks that the authorities are those of keys, in order.
func (w *world) wantAuthorities(keys ...object) {
	w.t.Helper()
	got, err := w.Authorities(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	ok := len(got) == len(keys)
	for i := 0; ok && i < len(keys); i++ {
		ok = base64.StdEncoding.EncodeToString(got[i].Raw) == keys[i]["x5c"].([]string)[0]
	}
	if !ok {
		w.t.Fatalf("%d authorities, want %d of these", len(got), len(keys))
	}
}

// Keys for other uses are passed over without a word, and none serves for the
// other kind of SVID.
func TestBundleUses(t *testing.T) { // SB-08
	t.Parallel()
	plain := jwk(t, "plain", "")
	delete(plain, "use")
	x509 := authority(t, nil)
	named := authority(t, nil)
	named["kid"] = "x509" // SB-09: it should have none, and it names nothing
	posing := authority(t, nil)
	posing["use"], posing["kid"] = "jwt-svid", "posing"
	w, _ := bundleOf(t, bundle(t, nil,
		jwk(t, "jwt", "jwt-svid"), x509, named, posing, jwk(t, "wit", "wit-svid"), jwk(t, "sig", "sig"), jwk(t, "upper", "JWT-SVID"), plain))
	w.want("jwt", "ok")
	w.want("posing", "ok") // a JWT authority with a certificate is a JWT authority
	for _, kid := range []string{"x509", "wit", "sig", "upper", "plain"} {
		w.want(kid, "kid_unknown")
	}
	w.want("", "kid_missing") // which would find the only key that fits
	w.wantAuthorities(x509, named)
	wantReports(t, w)
}

func TestBundleAuthorities(t *testing.T) { // SB-09
	t.Parallel()
	good := authority(t, nil)
	certificate := func(key object) string { return key["x5c"].([]string)[0] }
	other := authority(t, nil)
	for _, row := range []struct {
		name string
		key  func() object
		want string // part of the report; "" = the key serves
	}{
		{"no kid", func() object { return other }, ""},
		{"more than one value", func() object {
			return with(other, "x5c", []string{certificate(other), certificate(authority(t, nil)), "nonsense"})
		}, ""},
		{"alg and key_ops, which say nothing here", func() object {
			return with(with(other, "alg", "ES256"), "key_ops", []string{"sign"})
		}, ""},
		{"no x5c", func() object { return with(other, "x5c", nil) }, "no x5c"},
		{"x5c is empty", func() object { return with(other, "x5c", []string{}) }, "no x5c"},
		{"x5c is text", func() object { return with(other, "x5c", certificate(other)) }, "no x5c"},
		{"x5c of numbers", func() object { return with(other, "x5c", []int{1}) }, "certificate is none"},
		{"base64url", func() object { return with(other, "x5c", []string{"_-_-"}) }, "no base64"},
		{"no certificate", func() object { return with(other, "x5c", []string{"AAAA"}) }, "certificate is none"},
		{"the second would do", func() object {
			return with(other, "x5c", []string{"AAAA", certificate(other)})
		}, "certificate is none"},
		{"a leaf", func() object {
			return authority(t, func(c *x509.Certificate) { c.IsCA = false })
		}, "not that of an authority"},
		{"without basic constraints", func() object {
			return authority(t, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false })
		}, "not that of an authority"},
		{"CVE-2017-15361", func() object {
			return with(other, "x5c", []string{base64.StdEncoding.EncodeToString(guessed(t))})
		}, "key_weak"},
		{"for another key", func() object { return with(other, "x5c", []string{certificate(good)}) }, "another key"},
		{"private", func() object { return with(other, "d", other["x"]) }, "private member"},
		{"SB-08 unknown type", func() object { return with(other, "kty", "AKP") }, "kty"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			w := newWorld(t, jwks.Source{BundleURL: p.URL + "/bundle"})
			p.put("/bundle", page{body: bundle(t, nil, good, row.key(), jwk(t, "k1", "jwt-svid"))})
			w.want("k1", "ok")
			if row.want == "" {
				if got, err := w.Authorities(t.Context()); err != nil || len(got) != 2 {
					t.Errorf("%d authorities, %v, want 2", len(got), err)
				}
				wantReports(t, w)
				return
			}
			w.wantAuthorities(good) // the others serve
			wantReports(t, w, row.want)
		})
	}
}

// A JWK set is no bundle: whatever it says, it makes no authority.
func TestKeySetHasNoAuthorities(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.put("/keys", page{body: bundle(t, nil, authority(t, nil), jwk(t, "k1", "sig"))})
	w := newWorld(t, jwks.Source{URL: p.URL + "/keys"})
	w.want("k1", "ok")
	w.wantAuthorities()
}

func TestAuthoritiesUnavailable(t *testing.T) {
	t.Parallel()
	w, p := bundleOf(t, "nonsense")
	w.wantNoAuthorities(jwks.ErrUnavailable)
	root := authority(t, nil)
	p.put("/bundle", page{body: bundle(t, nil, root)})
	w.pass(time.Minute)
	w.wantAuthorities(root)
	wantReports(t, w, "not a SPIFFE bundle") // X.509 alone is fine
	p.put("/bundle", page{status: 500})
	w.pass(5*time.Minute + time.Hour)
	w.wantNoAuthorities(jwks.ErrStale)
}

// A trust domain can withdraw all of its keys at once, or all of one kind.
func TestEmptyBundle(t *testing.T) { // SB-08
	t.Parallel()
	root := authority(t, nil)
	for name, row := range map[string]struct {
		keys    []object
		roots   []object
		reports []string
	}{
		"empty":      {nil, nil, []string{"no keys"}},
		"X.509":      {[]object{root}, []object{root}, nil},
		"other uses": {[]object{jwk(t, "w", "wit-svid")}, nil, []string{"no keys"}},
	} {
		w, p := bundleOf(t, bundle(t, object{"spiffe_refresh_hint": 60}, jwk(t, "k1", "jwt-svid"), root))
		w.want("k1", "ok")
		w.wantAuthorities(root)
		p.put("/bundle", page{body: bundle(t, nil, append([]object{}, row.keys...)...)})
		w.pass(10 * time.Minute)
		if got := w.outcome("k1"); got != "kid_unknown" {
			t.Errorf("%s: %s, want kid_unknown", name, got)
		}
		w.wantAuthorities(row.roots...)
		wantReports(t, w, row.reports...)
	}
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
	mixed := []object{good}
	for range 100 {
		mixed = append(mixed, jwk(t, "", "wit-svid"))
	}
	for name, body := range map[string]string{
		"HTML":              "<html>",
		"no keys":           `{"spiffe_sequence":1}`,
		"null":              `{"keys":null}`,
		"object":            `{"keys":{}}`,
		"keys twice":        `{"keys":[],` + bundle(t, nil, good)[1:],
		"SEC-SF-13":         bundle(t, nil, many...),
		"SEC-SF-13 mixed":   bundle(t, nil, mixed...),
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

func TestBundleFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bundle.json")
	root := authority(t, nil)
	put(t, file, bundle(t, object{"spiffe_sequence": 7}, jwk(t, "k1", "jwt-svid"), root))
	w := newWorld(t, jwks.Source{BundleFile: file})
	w.want("k1", "ok")
	w.wantAuthorities(root)
	// Whoever writes the file knows what he does.
	put(t, file, bundle(t, object{"spiffe_sequence": 1}, jwk(t, "k2", "jwt-svid")))
	w.pass(time.Second)
	w.want("k2", "ok")
	w.wantAuthorities()
	wantReports(t, w)
}
