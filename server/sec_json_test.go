package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestAbuseJS: JSON that two readers read differently, and claims of the wrong
// shape. SEC-JS-24 is in package jose.
func TestAbuseJS(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(abuses(jsTexts()), abuses(jsClaims()), jsRequests(), jsAdmin()))
}

func jsTexts() []abuse {
	named := func(sub string) func(string) string {
		return func(claims string) string { return strings.Replace(claims, `"alice"`, sub, 1) }
	}
	after := func(more string) func(string) string {
		return func(claims string) string { return claims + more }
	}
	before := func(more string) func(string) string {
		return func(claims string) string { return more + claims }
	}
	return []abuse{
		{"SEC-JS-01", "json_duplicate", plus(`"sub":"admin"`, `"sub":"alice"`, `"s\u0075b":"admin"`)},
		{"SEC-JS-02", "json_duplicate", plus(`"iss":"x"`, `"aud":"x"`, `"exp":9999999999`, `"jti":"a","jti":"b"`, `"scope":"a","scope":"b"`, `"act":{},"act":{}`)},
		{"SEC-JS-03", "json_duplicate", plus(
			`"act":{"sub":"a","sub":"b"}`, `"cnf":{"jkt":"a","jkt":"b"}`, `"kubernetes.io":{"pod":{"uid":"a","uid":"b"}}`)},
		{"SEC-JS-06", "json_invalid_unicode", payloads(named(`"a\ud800"`), named(`"\udc00a"`), named(`"\ud800\ud800"`))},
		{"SEC-JS-07", "json_invalid_unicode", payloads(named("\"a\xff\""), named("\"\xc0\xaf\""))},
		{"SEC-JS-08", "control_char", payloads(named(`"a\u0000b"`))},
		// Closed or not: the reader stops at the thirty-third level. The rest of ten thousand closed ones fits into no token.
		{"SEC-JS-09", "too_deep", plus(
			`"act":`+strings.Repeat(`{"act":`, 1000)+`{}`+strings.Repeat("}", 1000), `"act":`+strings.Repeat("[", 10_000))},
		{"SEC-JS-10", "too_large", plus(`"n":[`+strings.Repeat("1,", 10_000)+`1]`, `"`+strings.Repeat("n", 20_000)+`":1`)},
		{"SEC-JS-11", "json_malformed", payloads(after("{}"), after(`{"sub":"admin"}`), after(" x"), after("\x00"))},
		{"SEC-JS-12", "json_malformed", payloads(before("\ufeff"), func(claims string) string {
			var wide []byte
			for _, u := range utf16.Encode([]rune(claims)) {
				wide = append(wide, byte(u), byte(u>>8))
			}
			return string(wide)
		})},
		{"SEC-JS-13", "json_malformed", texts(`[]`, `"x"`, `1`, `null`, ` `)},
		// No payload at all is how a detached one looks: SEC-JP-28.
		{"SEC-JS-13_empty", "not_compact_jws", texts(``)},
		{"SEC-JS-14", "json_malformed", payloads(
			after("//x"), before("/**/"), named(`'alice'`), func(string) string { return `{"n":NaN}` },
			func(string) string { return `{"n":-Infinity}` }, func(string) string { return `{"n":0x10}` })},
		{"SEC-JS-16", "claim_type", plus(`"level":1e400`, `"level":-0`, `"level":0.1e1`, `"levels":[{"level":-0}]`)},
	}
}

func jsClaims() []abuse {
	claims := func(changes ...authtest.Claims) func(*testing.T, *authtest.Server) []string {
		return func(t *testing.T, as *authtest.Server) []string {
			var tokens []string
			for _, c := range changes {
				tokens = append(tokens, as.User(t, "alice", c))
			}
			return tokens
		}
	}
	return []abuse{
		{"SEC-JS-17", "aud", claims(
			authtest.Claims{"aud": object{"a": "b"}}, authtest.Claims{"aud": 1}, authtest.Claims{"aud": []any{[]string{"a"}}},
			authtest.Claims{"aud": []string{}}, authtest.Claims{"aud": []string{""}}, authtest.Claims{"aud": ""})},
		{"SEC-JS-17_with_ours", "aud", func(t *testing.T, as *authtest.Server) []string {
			return claims(authtest.Claims{"aud": []any{as.Issuer, ""}}, authtest.Claims{"aud": []any{as.Issuer, 1}})(t, as)
		}},
		{"SEC-JS-18", "scope_type", claims(
			authtest.Claims{"scope": []string{"llm:read"}}, authtest.Claims{"scp": "llm:read"},
			authtest.Claims{"scope": "llm:read", "scp": []string{"memory:write"}})},
		{"SEC-JS-19", "sub", claims(
			authtest.Claims{"sub": 1}, authtest.Claims{"sub": true}, authtest.Claims{"sub": object{}}, authtest.Claims{"sub": ""}, authtest.Claims{"sub": nil})},
		{"SEC-JS-20", "claim_type", claims(
			authtest.Claims{"exp": object{}}, authtest.Claims{"cnf": "x"}, authtest.Claims{"act": []any{}}, authtest.Claims{"may_act": "x"})},
	}
}

func jsRequests() []row {
	asAlice := func(id, member string) row {
		return row{id, func(t *testing.T, as *authtest.Server) {
			c := authtest.WantIssued(t, show(t, as, plus(member)(t, as)[0]))
			if c["sub"] != "corp-idp|alice" {
				t.Errorf("issued for %v", c["sub"])
			}
		}}
	}
	return []row{
		asAlice("SEC-JS-04", `"Sub":"admin","SUB":"admin"`),
		asAlice("SEC-JS-05", `"ſub":"admin"`), // U+017F, which folds to s
		{"SEC-JS-10_100000", func(t *testing.T, as *authtest.Server) {
			// DESIGN gives a request 64 KiB: it ends there.
			for _, token := range plus(strings.Repeat(`"n":1,`, 100_000)+`"m":1`, `"`+strings.Repeat("n", 1<<20)+`":1`)(t, as) {
				as.WantRefused(t, show(t, as, token), oauth.InvalidRequest, oauth.ReasonHTTPTooLarge)
			}
		}},
		{"SEC-JS-15", exactInteger},
	}
}

// exactInteger binds an agent to an integer that no float64 holds. Its
// neighbours, of which one is what it would be rounded to, are others.
func exactInteger(t *testing.T, as *authtest.Server) {
	as.Apply(t, `
apiVersion: tokenry/v1
kind: Agent
metadata: { name: exact-agent }
spec:
  blueprint: researcher
  owner: alice@example.com
  sponsor: research-leads
  credentials:
    - { name: k8s, issuer: prod-cluster, subject: { exact: "system:serviceaccount:prod:exact" }, condition: 'claims.employee == 12345678901234567890u' }
`)
	with := func(employee string) *authtest.Answer {
		claims := string(encode(t, authtest.Payload(t, as.ServiceAccount(t, "exact", nil))))
		claims = strings.TrimSuffix(claims, "}") + `,"employee":` + employee + `}`
		return as.Post(t, authtest.ExchangeForm(as.Cluster.SignRaw(t, []byte(`{"alg":"ES256","kid":"k1"}`), []byte(claims))))
	}
	c := authtest.WantIssued(t, with("12345678901234567890"))
	if c["sub"] != "exact-agent" {
		t.Errorf("issued for %v", c["sub"])
	}
	for _, other := range []string{"12345678901234567891", "12345678901234567168", "12345678901234567889", `"12345678901234567890"`} {
		as.WantRefused(t, with(other), oauth.InvalidRequest, oauth.ReasonNoBinding)
	}
	for _, float := range []string{"12345678901234567890.0", "1.2345678901234567890e19", "123456789012345678900", "12345678901234567890.5"} {
		as.WantRefused(t, with(float), oauth.InvalidRequest, subjectFault("claim_type"))
	}
}

func jsAdmin() []row {
	const good = `{"metadata":{"name":"js-admin"},"spec":{"identifier":"https://js.example"}}`
	rejected := func(id string, bodies ...string) row {
		return row{id, func(t *testing.T, as *authtest.Server) {
			for _, body := range bodies {
				r, err := http.NewRequest(http.MethodPost, as.AdminURL+api.Prefix+"/resources", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+as.AdminToken)
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if code := problemCode(t, res); res.StatusCode != http.StatusUnprocessableEntity || code != api.CodeInvalid {
					t.Errorf("%d %s for %s, want 422 %s", res.StatusCode, code, body, api.CodeInvalid)
				}
			}
			if o, err := as.Admin.Object(t.Context(), "Resource", "js-admin"); err == nil {
				t.Errorf("%v was made", o)
			}
		}}
	}
	return []row{
		rejected("SEC-JS-21", `{"role":"viewer","role":"owner"}`,
			`{"metadata":{"name":"js-admin","labels":{"role":"viewer","role":"owner"}},"spec":{"identifier":"https://js.example"}}`),
		rejected("SEC-JS-22", strings.Replace(good, `{"metadata"`, `{"role":"owner","metadata"`, 1), strings.Replace(good, `"spec":{`, `"spec":{"owner":"x",`, 1),
			strings.Replace(good, `"metadata"`, `"Metadata"`, 1)),
		rejected("SEC-JS-23", good+`{"role":"owner"}`, `{}{"role":"owner"}`, good+good),
	}
}
