package server_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/oauth"
)

// TestAbuseKH: what a header says of keys, and of itself.
func TestAbuseKH(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(abuses(khHeaders()), khNetwork(), khKeys()))
}

func khHeaders() []abuse {
	many := make([]string, 300)
	for i := range many {
		many[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	return []abuse{
		{"SEC-KH-01", "header_forbidden", func(t *testing.T, as *authtest.Server) []string {
			attacker := authtest.NewParty(t, false)
			jwk := attacker.JWKS()["keys"].([]map[string]any)[0]
			return []string{attacker.SignHeader(t, object{"alg": "ES256", "kid": "k1", "jwk": jwk}, alice(t, as))}
		}},
		{"SEC-KH-05", "header_forbidden", func(t *testing.T, as *authtest.Server) []string {
			attacker := authtest.NewParty(t, false)
			return []string{attacker.SignHeader(t, object{"alg": "ES256", "kid": "k1", "x5c": []string{selfSigned(t, as, attacker)}}, alice(t, as))}
		}},
		{"SEC-KH-06", "header_forbidden", members(`"x5c":["AAAA"]`, `"x5c":"AAAA"`, `"x5c":null`, `"x5c":["`+strings.Repeat(`A","`, 2500)+`"]`)},
		{"SEC-KH-08", "kid_unknown", headers(`{"alg":"ES256","kid":"../../../../dev/null"}`, `{"alg":"ES256","kid":"file:///dev/null"}`)},
		{"SEC-KH-09", "kid_unknown", headers(
			`{"alg":"ES256","kid":"x' OR '1'='1"}`, `{"alg":"ES256","kid":"$(id)"}`, "{\"alg\":\"ES256\",\"kid\":\"`kid` %n\"}")},
		{"SEC-KH-10", "kid_malformed", headers(
			`{"alg":"ES256","kid":"`+strings.Repeat("k", 10<<10)+`"}`, `{"alg":"ES256","kid":"k1\r\nlevel=INFO"}`,
			`{"alg":"ES256","kid":"k1\u001b[2J"}`, `{"alg":"ES256","kid":"k1\u202e"}`)},
		{"SEC-KH-11", "header_malformed", headers(
			`{"alg":"ES256","kid":1}`, `{"alg":"ES256","kid":["k1"]}`, `{"alg":"ES256","kid":{"k":1}}`, `{"alg":"ES256","kid":null}`)},
		{"SEC-KH-17", "crit", members(`"crit":["x"],"x":1`)},
		{"SEC-KH-18", "crit", members(`"crit":[]`)},
		{"SEC-KH-19", "crit", members(`"crit":["alg"]`, `"crit":"exp"`, `"crit":["x","x"],"x":1`, `"crit":null`)},
		{"SEC-KH-20", "header_forbidden", members(`"zip":"DEF"`)},
		{"SEC-KH-21", "header_forbidden", members(`"enc":"A128GCM"`, `"epk":{"kty":"EC"}`, `"p2c":2147483647`)},
		{"SEC-KH-22", "header_too_large", members(
			`"m":"`+strings.Repeat("x", 4<<10)+`"`, strings.Join(many, ","), strings.Join(many[:31], ","))},
		{"SEC-KH-23", "typ", members(`"typ":1`, `"typ":["JWT"]`, `"typ":"`+strings.Repeat("x", 1<<10)+`"`, `"typ":null`)},
		{"SEC-KH-24", "header_forbidden", members(`"iss":"https://a.example"`, `"sub":"mallory"`, `"aud":"https://a.example"`)},
		{"SEC-KH-25", "header_malformed", members(`"alg":"ES256"`, `"alg":"none"`, `"kid":"k1"`, `"k\u0069d":"k2"`)},
	}
}

// selfSigned is a certificate that the attacker made for the victim's name.
func selfSigned(t *testing.T, as *authtest.Server, attacker *authtest.Party) string {
	t.Helper()
	key := privateKey(t, attacker)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: as.IDP.URL},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der) // RFC 7515, Section 4.1.6: not base64url
}

// bait is a listener that counts who calls.
func bait(t *testing.T) (address string, calls *atomic.Int32) {
	t.Helper()
	l, calls := authtest.Listen(t), &atomic.Int32{}
	go func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				calls.Add(1)
				_ = conn.Close()
			}
		}
	}()
	return l.Addr().String(), calls
}

// lure is a row whose header points somewhere. Nobody goes there, nor to the
// provider for its keys.
func lure(id string, header func(address string) []object) row {
	return row{id, func(t *testing.T, as *authtest.Server) {
		address, calls := bait(t)
		p := newProvider(t, as, lower(id), "ES256", "", only(nil))
		authtest.WantIssued(t, show(t, as, p.token(t, as, nil))) // its keys are known now
		for _, h := range header(address) {
			as.WantRefused(t, show(t, as, p.token(t, as, h)), oauth.InvalidRequest, subjectFault("header_forbidden"))
		}
		if n := calls.Load(); n > 0 {
			t.Errorf("%d connections went out", n)
		}
		// The bait works.
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1)) // until the other side has counted and closed
		if calls.Load() != 1 {
			t.Error("the bait does not count")
		}
	}}
}

func khNetwork() []row {
	return []row{
		lure("SEC-KH-02", func(address string) []object {
			return []object{{"jku": "http://169.254.169.254/latest/meta-data"}, {"jku": "http://" + address + "/jwks"}}
		}),
		lure("SEC-KH-03", func(address string) []object {
			return []object{{"jku": "https://idp.example@evil.example/jwks"}, {"jku": "http://idp.example@" + address + "/jwks"}}
		}),
		lure("SEC-KH-04", func(address string) []object {
			return []object{{"x5u": "https://evil.example/chain.pem"}, {"x5u": "http://" + address + "/chain.pem"}}
		}),
	}
}

func khKeys() []row {
	return []row{
		{"SEC-KH-06_10000", func(t *testing.T, as *authtest.Server) {
			// So many entries do not fit: they end at the size of a token, or of a request.
			for entry, reason := range map[string]oauth.Reason{`"",`: subjectFault("too_large"), `"AAAA",`: oauth.ReasonHTTPTooLarge} {
				list := strings.TrimSuffix(strings.Repeat(entry, 10_000), ",")
				token := members(`"x5c":[`+list+`]`)(t, as)[0]
				as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, reason)
			}
		}},
		{"SEC-KH-07", func(t *testing.T, as *authtest.Server) {
			// Large providers name the certificate in every token; it is compared and never followed.
			p := newProvider(t, as, "kh-07", "ES256", "", only(object{"x5t": "c2hhLTE", "x5t#S256": "c2hhLTI1Ng"}))
			authtest.WantIssued(t, show(t, as, p.token(t, as, object{"x5t": "c2hhLTE", "x5t#S256": "c2hhLTI1Ng"})))
			as.WantRefused(t, show(t, as, p.token(t, as, object{"x5t#S256": "b3RoZXI"})), oauth.InvalidRequest, subjectFault("header_forbidden"))
			as.WantRefused(t, show(t, as, p.token(t, as, object{"x5t": "b3RoZXI"})), oauth.InvalidRequest, subjectFault("header_forbidden"))
		}},
		{"SEC-KH-12", func(t *testing.T, as *authtest.Server) {
			svid := as.SPIRE.SignHeader(t, object{"alg": "ES256", "typ": "JWT"}, authtest.Payload(t, as.SVID(t, "/agents/research/r7", nil)))
			account := as.Cluster.SignHeader(t, object{"alg": "ES256"}, authtest.Payload(t, as.ServiceAccount(t, "research", nil)))
			for _, token := range []string{svid, account} {
				as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, subjectFault("kid_missing"))
				as.WantRefused(t, as.Post(t, authtest.ExchangeForm(token)), oauth.InvalidRequest, subjectFault("kid_missing"))
			}
			as.WantRefused(t, as.Post(t, ask(account)), oauth.InvalidClient, clientFault("kid_missing"))
		}},
		{"SEC-KH-13", func(t *testing.T, as *authtest.Server) {
			p := newProvider(t, as, "kh-13", "ES256", "", beside(t, nil))
			authtest.WantIssued(t, show(t, as, p.token(t, as, nil)))
			as.WantRefused(t, show(t, as, p.token(t, as, object{"kid": nil})), oauth.InvalidRequest, subjectFault("kid_missing"))
		}},
		{"SEC-KH-14", func(t *testing.T, as *authtest.Server) {
			rsaKey := authtest.NewParty(t, false)
			rsaKey.AddKey(t, "k1", "RS256")
			other := rsaKey.JWKS()["keys"].([]map[string]any)
			p := newProvider(t, as, "kh-14", "ES256", "", func(jwk object) []any { return []any{other[1], jwk} })
			authtest.WantIssued(t, show(t, as, p.token(t, as, nil)))
			p = newProvider(t, as, "kh-14-twice", "ES256", "", func(jwk object) []any { return []any{other[0], jwk} })
			as.WantRefused(t, show(t, as, p.token(t, as, nil)), oauth.InvalidRequest, subjectFault("kid_ambiguous"))
		}},
		{"SEC-KH-15", func(t *testing.T, as *authtest.Server) {
			b := newProvider(t, as, "kh-15", "ES256", "", only(object{"kid": "of-b"}))
			authtest.WantIssued(t, show(t, as, b.token(t, as, object{"kid": "of-b"})))
			token := b.SignHeader(t, object{"alg": "ES256", "kid": "of-b"}, alice(t, as)) // from A, it says
			as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, subjectFault("kid_unknown"))
		}},
		{"SEC-KH-16", ownKey},
	}
}

// ownKey has our own key sign for a provider, as if it had been stolen. Its kid
// is none of the provider's; and where the provider has a key of that name, ours
// is still not the one.
func ownKey(t *testing.T, as *authtest.Server) {
	ring, err := keys.New(keys.Config{
		KEK: []byte("0123456789abcdef0123456789abcdef"), RotateEvery: 720 * time.Hour, MaxTTL: time.Hour, Now: as.Clock.Now,
		Load:   as.DB.SigningKeys,
		Insert: func(context.Context, keys.Row, string) error { return errors.New("there is a key") },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	sign := func(claims authtest.Claims) string {
		token, err := ring.Sign("JWT", encode(t, claims))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	token := sign(alice(t, as))
	as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, subjectFault("kid_unknown"))
	p := newProvider(t, as, "kh-16", "ES256", "", only(object{"kid": authtest.Header(t, token)["kid"]}))
	as.WantRefused(t, show(t, as, sign(p.user(t, as))), oauth.InvalidRequest, subjectFault("signature"))
}
