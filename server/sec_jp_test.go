package server_test

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestAbuseJP: how the signature of a token can be got around. What is said of
// subject_token holds for client_assertion, which goes through the same door.
func TestAbuseJP(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(abuses(jpAlgorithms()), abuses(jpForms()), abuses(jpSignatures()), jpKeys(), jpRequests()))
}

func jpAlgorithms() []abuse {
	return []abuse{
		{"SEC-JP-01", "alg_not_allowed", headers(`{"alg":"none","kid":"k1"}`)},
		{"SEC-JP-02", "alg_not_allowed", headers(`{"alg":"None"}`, `{"alg":"nONE"}`, `{"alg":"NONE "}`, `{"alg":"none\u0000"}`)},
		{"SEC-JP-03", "alg_not_allowed", macs(func(k publicForms) [][]byte { return [][]byte{k.pem} })},
		{"SEC-JP-04", "alg_not_allowed", macs(func(k publicForms) [][]byte {
			return [][]byte{
				k.der, k.pkcs1, k.jwk, append([]byte("\n "), k.pem...), append([]byte("\u200b"), k.pem...),
				append([]byte("# key\n"), k.pem...), []byte(strings.TrimSpace(string(k.pem))),
				[]byte(strings.ReplaceAll(string(k.pem), "\n", "\r\n")),
			}
		})},
		{"SEC-JP-05", "alg_not_allowed", macs(func(publicForms) [][]byte { return [][]byte{{}, []byte("null")} })},
		{"SEC-JP-11", "header_malformed", headers(
			`{"kid":"k1"}`, `{"alg":["ES256"],"kid":"k1"}`, `{"alg":1,"kid":"k1"}`, `{"alg":null,"kid":"k1"}`,
			`{"alg":"es256","kid":"k1"}`, `{"alg":"ES256\u0000","kid":"k1"}`, `{"alg":"ES256 ","kid":"k1"}`)},
		{"SEC-JP-39", "alg_not_allowed", headers(
			`{"alg":"ES256K","kid":"k1"}`, `{"alg":"RS1","kid":"k1"}`, `{"alg":"dir","kid":"k1"}`, `{"alg":"A128KW","kid":"k1"}`,
			// EdDSA is not allowed for an issuer that does not ask for it, whatever its keys.
			`{"alg":"EdDSA","kid":"k1"}`)},
	}
}

func jpForms() []abuse {
	inside := func(s, mark string) string { return s[:5] + mark + s[5:] }
	return []abuse{
		{"SEC-JP-20", "not_compact_jws", changed(
			func(h, p, _ string) string { return h + "." + p },
			func(string, string, string) string { return ".." },
			func(string, string, string) string { return "...." },
			func(h, p, s string) string { return h + "." + p + "." + s + "..." },
			// A million dots are more than a request may have (below); these are as many as fit.
			func(string, string, string) string { return strings.Repeat(".", 60_000) })},
		{"SEC-JP-21", "not_compact_jws", changed(func(h, p, s string) string {
			return `{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`
		})},
		{"SEC-JP-22", "not_compact_jws", changed(func(h, p, s string) string {
			return `{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"AA"},{"protected":"` + h + `","signature":"` + s + `"}]}`
		})},
		{"SEC-JP-23", "not_compact_jws", changed(func(_, p, s string) string {
			return `{"payload":"` + p + `","header":{"alg":"ES256","kid":"k1"},"signature":"` + s + `"}`
		})},
		{"SEC-JP-24", "not_compact_jws", changed(
			func(h, p, s string) string { return inside(h, "\n") + "." + p + "." + s },
			func(h, p, s string) string { return h + "." + inside(p, "\r") + "." + s },
			func(h, p, s string) string { return h + "." + p + "." + inside(s, "\r\n") })},
		{"SEC-JP-25", "not_compact_jws", changed(
			func(h, p, s string) string { return h + "." + p + "." + s + "\n" },
			func(h, p, s string) string { return " " + h + "." + p + "." + s },
			func(h, p, s string) string { return h + "." + p + "." + s + "==" },
			func(h, p, s string) string { return h + "=." + p + "." + s })},
		{"SEC-JP-26", "not_canonical", changed(func(h, p, s string) string {
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			last := strings.IndexByte(alphabet, s[len(s)-1]) // 64 bytes leave four bits of it unused
			return h + "." + p + "." + s[:len(s)-1] + alphabet[last|1:last|1+1]
		})},
		{"SEC-JP-27", "not_compact_jws", func(t *testing.T, as *authtest.Server) []string {
			for {
				token := as.User(t, "alice", nil)
				if strings.ContainsAny(token, "-_") {
					return []string{strings.NewReplacer("-", "+", "_", "/").Replace(token)}
				}
			}
		}},
		{"SEC-JP-28", "not_compact_jws", changed(func(h, _, s string) string { return h + ".." + s })},
		{"SEC-JP-29", "crit", func(t *testing.T, as *authtest.Server) []string {
			h, p := b64([]byte(`{"alg":"ES256","kid":"k1","b64":false,"crit":["b64"]}`)), encode(t, alice(t, as))
			return []string{h + "." + b64(p) + "." + signature(t, privateKey(t, as.IDP), h+"."+string(p))}
		}},
		{"SEC-JP-30", "nested", func(t *testing.T, as *authtest.Server) []string {
			inner := as.User(t, "alice", nil)
			return []string{
				as.IDP.SignRaw(t, []byte(`{"alg":"ES256","kid":"k1","cty":"JWT"}`), []byte(inner)),
				as.IDP.SignRaw(t, []byte(`{"alg":"ES256","kid":"k1","cty":"application/jwt"}`), []byte(inner)),
			}
		}},
		{"SEC-JP-35", "too_large", func(t *testing.T, as *authtest.Server) []string {
			authtest.WantIssued(t, show(t, as, sized(t, as, 16384)))
			return []string{sized(t, as, 16385)}
		}},
		{"SEC-JP-38", "not_compact_jws", changed(func(string, string, string) string { return "AbCdEf0123456789_-" })},
		{"SEC-JP-40", "not_compact_jws", changed(
			func(h, p, s string) string { return strings.Repeat(","+h+"."+p+"."+s, 2)[1:] },
			func(h, p, s string) string { return strings.Repeat(" "+h+"."+p+"."+s, 2)[1:] })},
	}
}

// sized is alice's token with a length.
func sized(t *testing.T, as *authtest.Server, length int) string {
	t.Helper()
	claims := alice(t, as)
	for _, short := range []string{"", "x", "xx"} { // three spellings of each part's length
		claims["pad"] = ""
		header := encode(t, object{"alg": "ES256", "kid": "k1", "y": short})
		bare := len(b64(header)) + len(b64(encode(t, claims))) + 2 + len(b64(make([]byte, 64)))
		for more := range 4 {
			claims["pad"] = strings.Repeat("x", (length-bare)*3/4-2+more)
			if token := as.IDP.SignRaw(t, header, encode(t, claims)); len(token) == length {
				return token
			}
		}
	}
	t.Fatalf("no token of %d bytes", length)
	return ""
}

func jpSignatures() []abuse {
	order := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	zero, above := make([]byte, 32), slices.Repeat([]byte{0xff}, 32)
	resigned := func(forge ...func(good []byte) []byte) func(*testing.T, *authtest.Server) []string {
		return func(t *testing.T, as *authtest.Server) []string {
			var tokens []string
			for _, f := range forge {
				h, p, s := cut(t, as.User(t, "alice", nil))
				tokens = append(tokens, h+"."+p+"."+b64(f(unb64(t, s))))
			}
			return tokens
		}
	}
	return []abuse{
		{"SEC-JP-12", "signature", resigned(
			func([]byte) []byte { return make([]byte, 64) },
			func(g []byte) []byte { return slices.Concat(zero, g[32:]) },
			func(g []byte) []byte { return slices.Concat(g[:32], zero) },
			func(g []byte) []byte { return slices.Concat(order, g[32:]) },
			func(g []byte) []byte { return slices.Concat(g[:32], order) },
			func(g []byte) []byte { return slices.Concat(above, g[32:]) },
			func(g []byte) []byte { return slices.Concat(g[:32], above) })},
		{"SEC-JP-14", "signature", resigned(func(g []byte) []byte {
			r, s := new(big.Int).SetBytes(g[:32]), new(big.Int).SetBytes(g[32:])
			return asn1Pair(r, s)
		})},
		{"SEC-JP-15", "signature", resigned(
			func(g []byte) []byte { return g[:63] },
			func(g []byte) []byte { return append(g, 0) },
			func(g []byte) []byte { return slices.Concat([]byte{0}, g) },
			func(g []byte) []byte { return slices.Concat([]byte{0}, g[:32], []byte{0}, g[32:]) })},
		{"SEC-JP-31", "signature", func(t *testing.T, as *authtest.Server) []string {
			return []string{as.Cluster.Sign(t, "JWT", alice(t, as))} // both call their key k1
		}},
		{"SEC-JP-33", "signature", func(t *testing.T, as *authtest.Server) []string {
			h, p, _ := cut(t, as.User(t, "alice", nil))
			_, _, s := cut(t, as.User(t, "mallory", nil))
			return []string{h + "." + p + "." + s}
		}},
	}
}

func jpRequests() []row {
	return []row{
		{"SEC-JP-13", func(t *testing.T, as *authtest.Server) {
			// A value is spent by its jti, and not by the text of what carried it.
			assertion := as.Assertion(t, "", nil)
			authtest.WantIssued(t, as.Post(t, ask(assertion)))
			h, p, s := cut(t, assertion)
			raw := unb64(t, s)
			twin := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(raw[32:]))
			again := h + "." + p + "." + b64(append(raw[:32:32], twin.FillBytes(make([]byte, 32))...))
			if again == assertion {
				t.Fatal("the signature has no twin")
			}
			as.WantRefused(t, as.Post(t, ask(again)), oauth.InvalidClient, oauth.ReasonAuthReplay)
		}},
		{"SEC-JP-20_million", func(t *testing.T, as *authtest.Server) {
			// The form door is before the JOSE door: DESIGN gives a request 64 KiB.
			as.WantRefused(t, show(t, as, strings.Repeat(".", 1<<20)), oauth.InvalidRequest, oauth.ReasonHTTPTooLarge)
		}},
		{"SEC-JP-32", flipped},
		{"SEC-JP-34", func(t *testing.T, as *authtest.Server) {
			secret := as.Secret(t, "secret-agent")
			forged := authtest.NewParty(t, false).Sign(t, "", authtest.Claims{"iss": "secret-agent", "sub": "secret-agent", "aud": as.Issuer})
			form := ask(forged)
			form.Set("client_id", "secret-agent")
			form.Set("client_secret", secret)
			as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
			a := raw(t, as, http.MethodPost, formType, ask(forged).Encode(), func(r *http.Request) { r.SetBasicAuth("secret-agent", secret) })
			as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
		}},
		{"SEC-JP-36", func(t *testing.T, as *authtest.Server) {
			for _, token := range []string{"", " ", "   "} {
				as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, oauth.ReasonSubjectMissing)
			}
			bare := authtest.ExchangeForm(" ")
			as.WantRefused(t, as.Post(t, bare), oauth.InvalidClient, oauth.ReasonAuthNone)
		}},
		refused("SEC-JP-37", oauth.InvalidRequest, oauth.ReasonSubjectMissing, forAlice("subject_token", "")),
	}
}

// flipped flips one bit of each byte of a token, and all eight in its signature:
// whatever a token then is, it is none of ours to believe. Every bit is flipped
// in package jose.
func flipped(t *testing.T, as *authtest.Server) {
	token := as.User(t, "alice", nil)
	form := forAlice()(t, as)
	edge := strings.LastIndexByte(token, '.')
	for i := range token {
		bits := []int{i % 8}
		if i > edge {
			bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
		}
		for _, bit := range bits {
			other := []byte(token)
			other[i] ^= 1 << bit
			form.Set("subject_token", string(other))
			a := as.Post(t, form)
			if other[i] == 0 || other[i] > 0x7f { // the form door: NUL, and what is no UTF-8
				as.WantRefused(t, a, oauth.InvalidRequest, oauth.Reason(a.ErrorCode))
				continue
			}
			if !strings.HasPrefix(a.ErrorCode, "subject_token.") {
				t.Fatalf("bit %d of byte %d: %d %s", bit, i, a.Status, a.Body)
			}
			as.WantRefused(t, a, oauth.InvalidRequest, oauth.Reason(a.ErrorCode))
		}
	}
}

// asn1Pair is a signature as most of cryptography writes it.
func asn1Pair(r, s *big.Int) []byte {
	number := func(n *big.Int) []byte {
		b := append([]byte{0}, n.Bytes()...) // a zero ahead keeps it positive
		if b[1] < 0x80 {
			b = b[1:]
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	pair := append(number(r), number(s)...)
	return append([]byte{0x30, byte(len(pair))}, pair...)
}

// lowOrder forges tokens under points of low order: R is the identity and S is
// zero, which is valid for one message in eight.
func lowOrder(t *testing.T, as *authtest.Server, p provider, kid string, point []byte) string {
	t.Helper()
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1
	claims := p.user(t, as)
	for i := range 1000 {
		claims["n"] = i
		text := b64(encode(t, object{"alg": "EdDSA", "kid": kid})) + "." + b64(encode(t, claims))
		if ed25519.Verify(point, []byte(text), signature) {
			return text + "." + b64(signature)
		}
	}
	t.Fatal("the point is not of low order")
	return ""
}

func jpEdwards(t *testing.T, as *authtest.Server) {
	points := []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	}
	p := newProvider(t, as, "jp-19", "EdDSA", "EdDSA", func(jwk object) []any {
		keys := []any{jwk}
		for _, point := range points {
			raw, _ := hex.DecodeString(point)
			keys = append(keys, altered(jwk, object{"kid": point[:8], "x": b64(raw)}))
		}
		return keys
	})
	authtest.WantIssued(t, show(t, as, p.token(t, as, nil)))
	for _, point := range points {
		raw, err := hex.DecodeString(point)
		if err != nil {
			t.Fatal(err)
		}
		as.WantRefused(t, show(t, as, lowOrder(t, as, p, point[:8], raw)), oauth.InvalidRequest, subjectFault("signature"))
	}
	// S plus the order of the group is the same number in another spelling.
	h, c, s := cut(t, p.token(t, as, nil))
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	signature := unb64(t, s)
	slices.Reverse(signature[32:]) // little-endian
	sum := new(big.Int).Add(order, new(big.Int).SetBytes(signature[32:]))
	sum.FillBytes(signature[32:])
	slices.Reverse(signature[32:])
	as.WantRefused(t, show(t, as, h+"."+c+"."+b64(signature)), oauth.InvalidRequest, subjectFault("signature"))
}

// textbook signs alice's token with an RSA key that no library signs with:
// PKCS #1 v1.5 (RFC 8017, Section 9.2) and one exponentiation.
func textbook(t *testing.T, as *authtest.Server, p provider, n, d *big.Int) string {
	t.Helper()
	text := b64(encode(t, object{"alg": "RS256", "kid": "k2"})) + "." + b64(encode(t, p.user(t, as)))
	prefix, err := hex.DecodeString("3031300d060960864801650304020105000420")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	size := (n.BitLen() + 7) / 8
	tail := slices.Concat([]byte{0}, prefix, sum[:])
	message := slices.Concat([]byte{0, 1}, slices.Repeat([]byte{0xff}, size-len(tail)-2), tail)
	return text + "." + b64(new(big.Int).Exp(new(big.Int).SetBytes(message), d, n).FillBytes(make([]byte, size)))
}

// prime is one that the exponent 65537 goes with.
func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	for {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		if less := new(big.Int).Sub(p, big.NewInt(1)); less.Mod(less, big.NewInt(65537)).Sign() != 0 {
			return p
		}
	}
}

func jwkNumber(n *big.Int) string { return b64(n.Bytes()) }
