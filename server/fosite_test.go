package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/server"
)

// TestFositeDefaults: what fosite would do by itself, and what is done instead.
// Each row fails when its override is taken away.
func TestFositeDefaults(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"an unknown grant type is invalid_request", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, itself("grant_type", "urn:x")(t, as)), oauth.UnsupportedGrantType, oauth.ReasonGrantType)
		}},
		{"grant_type is split on spaces", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, itself("grant_type", "client_credentials x")(t, as)), oauth.UnsupportedGrantType, oauth.ReasonGrantType)
		}},
		{"descriptions hint at redirect_uri and quote input", func(t *testing.T, as *authtest.Server) {
			a := as.Post(t, forAlice("subject_token", "MARKER")(t, as))
			if strings.Contains(string(a.Body), "redirect") || strings.Contains(string(a.Body), "MARKER") || strings.Contains(string(a.Body), "hint") {
				t.Errorf("body %s", a.Body)
			}
		}},
		{"401 without WWW-Authenticate", func(t *testing.T, as *authtest.Server) {
			a := raw(t, as, http.MethodPost, formType, "grant_type=client_credentials", func(r *http.Request) { r.SetBasicAuth("x", "y") })
			if a.Status != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("status %d, headers %v", a.Status, a.Header)
			}
		}},
		{"no invalid_target", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, itself("resource", "https://elsewhere.example")(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
		}},
		{"audiences match by prefix", func(t *testing.T, as *authtest.Server) {
			for _, resource := range []string{"https://gateway.example/", "https://gateway.example/deeper", "https://GATEWAY.example", "https://gateway.example:443"} {
				as.WantRefused(t, as.Post(t, itself("resource", resource)(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
			}
		}},
		{"scopes match by wildcard", func(t *testing.T, as *authtest.Server) {
			for _, scope := range []string{"llm", "llm:*", "*", "llm:read:more"} {
				as.WantRefused(t, as.Post(t, itself("scope", scope)(t, as)), oauth.InvalidScope, oauth.ReasonScope)
			}
		}},
		{"of a duplicate parameter the first counts", func(t *testing.T, as *authtest.Server) {
			body := itself()(t, as).Encode() + "&scope=memory%3Awrite"
			as.WantRefused(t, raw(t, as, http.MethodPost, formType, body, nil), oauth.InvalidRequest, oauth.ReasonDuplicateParam)
		}},
		{"a client id in Basic and another in the body", func(t *testing.T, as *authtest.Server) {
			a := raw(t, as, http.MethodPost, formType, "grant_type=client_credentials&client_id=research-agent", func(r *http.Request) {
				r.SetBasicAuth("secret-agent", as.Secret(t, "secret-agent"))
			})
			as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
		}},
		{"Basic and an assertion together", func(t *testing.T, as *authtest.Server) {
			a := raw(t, as, http.MethodPost, formType, itself()(t, as).Encode(), func(r *http.Request) { r.SetBasicAuth("research-agent", "x") })
			as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
		}},
		{"a body of 5 MiB", func(t *testing.T, as *authtest.Server) {
			body := itself()(t, as).Encode() + "&padding=" + strings.Repeat("x", 65536)
			as.WantRefused(t, raw(t, as, http.MethodPost, formType, body, nil), oauth.InvalidRequest, oauth.ReasonHTTPTooLarge)
		}},
		{"multipart bodies", func(t *testing.T, as *authtest.Server) {
			body := "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--b--\r\n"
			as.WantRefused(t, raw(t, as, http.MethodPost, "multipart/form-data; boundary=b", body, nil), oauth.InvalidRequest, oauth.ReasonHTTPMediaType)
		}},
		{"wrong credentials are skipped where a grant needs none", func(t *testing.T, as *authtest.Server) {
			form := authtest.ExchangeForm(as.ServiceAccount(t, "research", nil), "client_id", "research-agent", "client_secret", "wrong")
			as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthSecret)
		}},
		{"an assertion for the token endpoint's URL", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"aud": as.Issuer + "/token"})), oauth.InvalidClient, clientFault("aud"))
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", nil)))
		}},
		{"an assertion that lives ten years", func(t *testing.T, as *authtest.Server) {
			exp := as.Clock.Now().AddDate(10, 0, 0).Unix()
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"exp": exp})), oauth.InvalidClient, clientFault("lifetime"))
		}},
		{"jti is spent before aud is looked at", func(t *testing.T, as *authtest.Server) {
			wrong := authtest.Claims{"jti": "once", "aud": "https://other.example"}
			as.WantRefused(t, as.Post(t, keyed(t, as, "", wrong)), oauth.InvalidClient, clientFault("aud"))
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", authtest.Claims{"jti": "once"})))
		}},
		{"jti is not scoped to its client", jtiPerClient},
		{"no EdDSA for assertions", func(t *testing.T, _ *authtest.Server) {
			as := authtest.Start(t)
			as.KeyAgent.AddKey(t, "k2", "EdDSA")
			as.Apply(t, authtest.Resources(as))
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", nil)))
		}},
	})
}

// jtiPerClient has two clients use one jti: neither can burn the other's.
func jtiPerClient(t *testing.T, _ *authtest.Server) {
	as := authtest.Start(t)
	other := authtest.NewParty(t, false)
	as.Apply(t, `
apiVersion: tokenry/v1
kind: Agent
metadata: { name: other-agent }
spec: { blueprint: researcher, owner: o@example.com, sponsor: s, jwks: `+jsonText(t, other.JWKS())+` }
`)
	authtest.WantIssued(t, as.Post(t, keyed(t, as, "", authtest.Claims{"jti": "same"})))
	now := as.Clock.Now()
	form := keyed(t, as, "", nil)
	form.Set("client_assertion", other.Sign(t, "", authtest.Claims{
		"iss": "other-agent", "sub": "other-agent", "aud": as.Issuer, "jti": "same", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}))
	authtest.WantIssued(t, as.Post(t, form))
}

// TestFositeConfigIsComplete: a getter that finds its field empty writes a
// default into it, without a lock, while requests run.
func TestFositeConfigIsComplete(t *testing.T) {
	t.Parallel()
	config := server.FositeConfig("https://sts.example", nil)
	value := reflect.ValueOf(config)
	empty := func() map[string]bool {
		fields := map[string]bool{}
		for i := range value.Elem().NumField() {
			if value.Elem().Field(i).IsZero() {
				fields[value.Elem().Type().Field(i).Name] = true
			}
		}
		return fields
	}
	before := empty()
	called := 0
	for i := range value.NumMethod() {
		method := value.Type().Method(i)
		if strings.HasPrefix(method.Name, "Get") && method.Type.NumIn() == 2 {
			value.Method(i).Call([]reflect.Value{reflect.ValueOf(context.Background())})
			called++
		}
	}
	if called < 30 {
		t.Fatalf("called %d getters; has fosite changed?", called)
	}
	after := empty()
	for name := range before {
		if !after[name] {
			t.Errorf("%s was written by a getter; set it", name)
		}
	}
}

// TestAuthorizationHeader: RFC 6749, Section 2.3.1; RFC 7617, Section 2.
func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	secret := as.Secret(t, "secret-agent")
	good := base64.StdEncoding.EncodeToString([]byte("secret-agent:" + secret))
	post := func(headers ...string) *authtest.Answer {
		return raw(t, as, http.MethodPost, formType, url.Values{"grant_type": {"client_credentials"}}.Encode(), func(r *http.Request) {
			r.Header["Authorization"] = headers
		})
	}
	authtest.WantIssued(t, post("Basic "+good))
	authtest.WantIssued(t, post("bAsIc "+good)) // RFC 9110, Section 11.1: schemes have no case
	for name, row := range map[string]struct {
		headers []string
		reason  oauth.Reason
	}{
		"no base64":   {[]string{"Basic %%%"}, oauth.ReasonAuthMalformed},
		"no colon":    {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte("secret-agent"))}, oauth.ReasonAuthMalformed},
		"no secret":   {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte("secret-agent:"))}, oauth.ReasonAuthSecret},
		"two headers": {[]string{"Basic " + good, "Basic " + good}, oauth.ReasonAuthAmbiguous},
		"a bearer":    {[]string{"Bearer " + good}, oauth.ReasonAuthMalformed},
		"empty":       {[]string{""}, oauth.ReasonAuthMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as.WantRefused(t, post(row.headers...), oauth.InvalidClient, row.reason)
		})
	}
}

// TestNoSecretIsNone: an empty secret proves nothing, whatever is stored.
func TestNoSecretIsNone(t *testing.T) {
	t.Parallel()
	as := authtest.Start(t)
	empty := sha256.Sum256(nil)
	if err := as.DB.SetSecret(t.Context(), "test", "secret-agent", empty[:]); err != nil {
		t.Fatal(err)
	}
	as.Advance(t, 0)
	a := raw(t, as, http.MethodPost, formType, url.Values{"grant_type": {"client_credentials"}}.Encode(), func(r *http.Request) {
		r.SetBasicAuth("secret-agent", "")
	})
	as.WantRefused(t, a, oauth.InvalidClient, oauth.ReasonAuthSecret)
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
