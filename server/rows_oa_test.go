package server_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// row is one line of a requirements table: an id and the proof of it.
type row struct {
	id    string
	proof func(*testing.T, *authtest.Server)
}

// prove runs rows side by side against one server.
func prove(t *testing.T, rows []row) {
	t.Helper()
	as := authtest.Start(t)
	for _, r := range rows {
		t.Run(r.id, func(t *testing.T) {
			t.Parallel()
			r.proof(t, as)
		})
	}
}

// refused is a row whose request is refused in one way.
func refused(id string, code oauth.Code, reason oauth.Reason, form func(*testing.T, *authtest.Server) url.Values) row {
	return row{id, func(t *testing.T, as *authtest.Server) {
		as.WantRefused(t, as.Post(t, form(t, as)), code, reason)
	}}
}

// issued is a row whose request succeeds.
func issued(id string, form func(*testing.T, *authtest.Server) url.Values, check func(*testing.T, *authtest.Answer, map[string]any)) row {
	return row{id, func(t *testing.T, as *authtest.Server) {
		a := as.Post(t, form(t, as))
		claims := authtest.WantIssued(t, a)
		if check != nil {
			check(t, a, claims)
		}
	}}
}

// itself is research-agent asking for itself, with changes.
func itself(pairs ...string) func(*testing.T, *authtest.Server) url.Values {
	return func(t *testing.T, as *authtest.Server) url.Values {
		form := as.As(t, "research", url.Values{
			"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"}, "scope": {"llm:read"},
		})
		return with(form, pairs)
	}
}

// forAlice is research-agent exchanging alice's token, with changes.
func forAlice(pairs ...string) func(*testing.T, *authtest.Server) url.Values {
	return func(t *testing.T, as *authtest.Server) url.Values {
		return with(as.As(t, "research", authtest.ExchangeForm(as.User(t, "alice", nil))), pairs)
	}
}

func with(form url.Values, pairs []string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			form.Del(pairs[i])
			continue
		}
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func raw(t *testing.T, as *authtest.Server, method, contentType, body string, change func(*http.Request)) *authtest.Answer {
	t.Helper()
	r, err := http.NewRequest(method, as.PublicURL+"/token", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if change != nil {
		change(r)
	}
	return as.Do(t, r)
}

const formType = "application/x-www-form-urlencoded"

// TestRowsOA proves the token endpoint's discipline: RFC 6749, Sections 2.3,
// 3.2, 3.3, 4.4 and 5.
func TestRowsOA(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"OA-01", func(t *testing.T, as *authtest.Server) {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
				a := raw(t, as, method, formType, "", nil)
				as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonHTTPMethod)
				if a.Header.Get("Allow") != http.MethodPost {
					t.Errorf("%s: Allow %q, want POST", method, a.Header.Get("Allow"))
				}
			}
		}},
		{"OA-02", func(t *testing.T, as *authtest.Server) {
			for _, ct := range []string{"application/json", "multipart/form-data; boundary=x", "text/plain", "", formType + "; charset=utf-16"} {
				as.WantRefused(t, raw(t, as, http.MethodPost, ct, `{"grant_type":"client_credentials"}`, nil), oauth.InvalidRequest, oauth.ReasonHTTPMediaType)
			}
			as.WantRefused(t, raw(t, as, http.MethodPost, formType, "grant_type=%ff", nil), oauth.InvalidRequest, oauth.ReasonEncoding)
			as.WantRefused(t, raw(t, as, http.MethodPost, formType, "grant_type=%zz", nil), oauth.InvalidRequest, oauth.ReasonMalformed)
			as.WantRefused(t, raw(t, as, http.MethodPost, formType, "grant_type=a;scope=b", nil), oauth.InvalidRequest, oauth.ReasonMalformed)
			as.WantRefused(t, raw(t, as, http.MethodPost, formType, "grant_type=a%00", nil), oauth.InvalidRequest, oauth.ReasonControlChar)
		}},
		{"OA-03", func(t *testing.T, as *authtest.Server) {
			form := forAlice()(t, as)
			form.Set("subject_token", "")
			as.WantRefused(t, as.Post(t, form), oauth.InvalidRequest, oauth.ReasonSubjectMissing)
		}},
		issued("OA-04", itself("foo", "bar", "sub", "admin", "act", "x"), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["sub"] != "research-agent" || c["act"] != nil {
				t.Errorf("an unknown parameter changed the token: %v", c)
			}
		}),
		{"OA-05", func(t *testing.T, as *authtest.Server) {
			for _, name := range []string{"grant_type", "scope", "client_id", "client_assertion", "subject_token", "unheard_of"} {
				body := itself()(t, as).Encode() + "&" + name + "=x&" + name + "=x"
				as.WantRefused(t, raw(t, as, http.MethodPost, formType, body, nil), oauth.InvalidRequest, oauth.ReasonDuplicateParam)
			}
		}},
		{"OA-06", func(t *testing.T, as *authtest.Server) {
			form := itself()(t, as)
			assertion := form.Get("client_assertion")
			form.Del("client_assertion")
			form.Del("client_assertion_type")
			a := raw(t, as, http.MethodPost, formType, form.Encode(), func(r *http.Request) {
				r.URL.RawQuery = url.Values{"client_assertion": {assertion}, "client_assertion_type": {string(oauth.JWTBearerAssertion)}}.Encode()
			})
			as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthNone)
		}},
		{"OA-07", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, itself("grant_type", "")(t, as)), oauth.InvalidRequest, oauth.ReasonMissingParam)
			for _, grant := range []string{"authorization_code", "password", "client_credentials urn:ietf:params:oauth:grant-type:token-exchange", "CLIENT_CREDENTIALS"} {
				as.WantRefused(t, as.Post(t, itself("grant_type", grant)(t, as)), oauth.UnsupportedGrantType, oauth.ReasonGrantType)
			}
		}},
		{"OA-08", grantNotAllowed},
		{"OA-09", func(t *testing.T, as *authtest.Server) {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"nobody"}, "client_secret": {"wrong"}}
			a := as.Post(t, form)
			as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthUnknown)
			if a.Header.Get("WWW-Authenticate") != "" {
				t.Error("WWW-Authenticate without an Authorization header")
			}
			a = raw(t, as, http.MethodPost, formType, "grant_type=client_credentials", func(r *http.Request) { r.SetBasicAuth("nobody", "wrong") })
			as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthUnknown)
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("WWW-Authenticate %q, want Basic", a.Header.Get("WWW-Authenticate"))
			}
		}},
		{"OA-10", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, itself("client_secret", "x")(t, as)), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
			a := raw(t, as, http.MethodPost, formType, "grant_type=client_credentials&client_secret=x", func(r *http.Request) { r.SetBasicAuth("secret-agent", "x") })
			as.WantRefused(t, a, oauth.InvalidRequest, oauth.ReasonTwoAuthMethods)
		}},
		{"OA-11", basicDecoding},
		{"OA-12", func(t *testing.T, as *authtest.Server) {
			// The blueprint of research-agent does not list secret.
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"research-agent"}, "client_secret": {"x"}}
			as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthSecret)
		}},
		{"OA-13", func(t *testing.T, _ *authtest.Server) {
			as := authtest.Start(t) // the rows beside this one guess, too
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"guessed"}, "client_secret": {"x"}}
			for range 40 {
				a := as.Post(t, form)
				if a.Status == http.StatusTooManyRequests {
					if a.Header.Get("Retry-After") == "" {
						t.Error("429 without Retry-After")
					}
					return
				}
			}
			t.Error("40 wrong secrets in a row were not slowed down")
		}},
		refused("OA-14", oauth.InvalidClient, oauth.ReasonAuthNone, itself("client_assertion", "", "client_assertion_type", "", "client_id", "research-agent")),
		issued("OA-15", itself(), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
				t.Errorf("headers %v", a.Header)
			}
			if !regexp.MustCompile(`"expires_in":\d+`).Match(a.Body) || a.TokenType != "Bearer" || a.RefreshToken != "" {
				t.Errorf("body %s", a.Body)
			}
		}),
		issued("OA-16", itself("scope", ""), func(t *testing.T, a *authtest.Answer, _ map[string]any) {
			if a.Scope != "llm:read memory:write" {
				t.Errorf("scope %q, want what was granted", a.Scope)
			}
		}),
		issued("OA-17", itself("scope", ""), func(t *testing.T, _ *authtest.Answer, c map[string]any) {
			if c["scope"] != "llm:read memory:write" {
				t.Errorf("scope %v, want the blueprint's at the resource", c["scope"])
			}
		}),
		{"OA-18", func(t *testing.T, as *authtest.Server) {
			for _, scope := range []string{"llm:read  memory:write", " llm:read", "llm:read\tmemory:write", `a"b`, `a\b`, "ä"} {
				as.WantRefused(t, as.Post(t, itself("scope", scope)(t, as)), oauth.InvalidScope, oauth.ReasonScopeSyntax)
			}
			for _, scope := range []string{"nope", "LLM:READ", "*", "llm:read.evil"} {
				as.WantRefused(t, as.Post(t, itself("scope", scope)(t, as)), oauth.InvalidScope, oauth.ReasonScope)
			}
		}},
		{"OA-19", func(t *testing.T, as *authtest.Server) {
			const marker = "MARKER-<script>\r\n"
			a := as.Post(t, itself("scope", marker, "client_id", marker)(t, as))
			if strings.Contains(string(a.Body), "MARKER") {
				t.Errorf("the body echoes input: %s", a.Body)
			}
			for _, d := range oauth.Definitions() {
				if !regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]+$`).MatchString(d.Description) {
					t.Errorf("%s: description %q has characters outside RFC 6749, Section 5.2", d.Reason, d.Description)
				}
			}
		}},
	})
}

func grantNotAllowed(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: Blueprint
metadata: { name: writer }
spec:
  resources: [ { name: gateway, scopes: ["llm:read"] }, { name: vault, scopes: ["llm:read"] } ]
  defaultResource: vault
  grants: [token_exchange]
`)
	form := as.As(t, "writer", url.Values{"grant_type": {"client_credentials"}})
	as.WantRefused(t, as.Post(t, form), oauth.UnauthorizedClient, oauth.ReasonGrantNotAllowed)
}

// basicDecoding sends form-encoded Basic credentials: RFC 6749, Section 2.3.1.
func basicDecoding(t *testing.T, as *authtest.Server) {
	secret := as.Secret(t, "secret-agent")
	post := func(user, password string) *authtest.Answer {
		return raw(t, as, http.MethodPost, formType, "grant_type=client_credentials&resource=https://gateway.example", func(r *http.Request) {
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
		})
	}
	authtest.WantIssued(t, post("secret%2Dagent", secret))
	authtest.WantIssued(t, post("secret-agent", strings.Replace(secret, secret[:1], "%"+hexByte(secret[0]), 1)))
	as.WantRefused(t, post("secret-agent%", secret), oauth.InvalidClient, oauth.ReasonAuthMalformed)
	as.WantRefused(t, post("secret-agent", secret+"%00"), oauth.InvalidClient, oauth.ReasonAuthMalformed) // SEC-HT-42
	as.WantRefused(t, post("secret-agent", secret+"x"), oauth.InvalidClient, oauth.ReasonAuthSecret)
	a := raw(t, as, http.MethodPost, formType, "grant_type=client_credentials", func(r *http.Request) { r.Header.Set("Authorization", "Bearer abc") })
	as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthMalformed)
}

func hexByte(b byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[b>>4], digits[b&15]})
}
