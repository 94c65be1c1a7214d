package server_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

func clientFault(fault string) oauth.Reason { return oauth.TokenFault(oauth.AreaClient, fault) }

// keyed is key-agent asking for itself by private_key_jwt.
func keyed(t *testing.T, as *authtest.Server, typ string, change authtest.Claims, pairs ...string) url.Values {
	t.Helper()
	return with(url.Values{
		"grant_type": {"client_credentials"}, "resource": {"https://gateway.example"},
		"client_assertion_type": {string(oauth.JWTBearerAssertion)},
		"client_assertion":      {as.Assertion(t, typ, change)},
	}, pairs)
}

// TestRowsJA proves client assertions: RFC 7521, RFC 7523 and RFC 10070. JA-09
// to JA-12 are about the jwt-bearer grant and listed as not yet in
// docs/divergences.md.
func TestRowsJA(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		{"JA-01", func(t *testing.T, as *authtest.Server) {
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", nil)))
			two := keyed(t, as, "", nil)
			two.Set("client_assertion", two.Get("client_assertion")+","+as.Assertion(t, "", nil))
			as.WantRefused(t, as.Post(t, two), oauth.InvalidClient, clientFault("not_compact_jws"))
			as.WantRefused(t, as.Post(t, keyed(t, as, "", nil, "client_assertion_type", "")), oauth.InvalidClient, oauth.ReasonAuthMalformed)
			as.WantRefused(t, as.Post(t, keyed(t, as, "", nil, "client_assertion", "")), oauth.InvalidClient, oauth.ReasonAuthMalformed)
			as.WantRefused(t, as.Post(t, keyed(t, as, "", nil, "client_assertion_type", "urn:x")), oauth.InvalidClient, oauth.ReasonAuthMalformed)
		}},
		{"JA-02", func(t *testing.T, as *authtest.Server) {
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", authtest.Claims{"aud": []string{as.Issuer}})))
			for _, aud := range []any{as.Issuer + "/token", as.Issuer + "/", strings.ToUpper(as.Issuer)} {
				as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"aud": aud})), oauth.InvalidClient, clientFault("aud"))
			}
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"aud": []string{as.Issuer, "https://other.example"}})), oauth.InvalidClient, clientFault("aud"))
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"aud": nil})), oauth.InvalidClient, clientFault("aud_missing"))
		}},
		{"JA-03", func(t *testing.T, as *authtest.Server) {
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"sub": "research-agent"})), oauth.InvalidClient, clientFault("iss_sub"))
		}},
		{"JA-04", func(t *testing.T, as *authtest.Server) {
			for _, typ := range []string{"", "JWT", "client-authentication+jwt"} {
				authtest.WantIssued(t, as.Post(t, keyed(t, as, typ, nil)))
			}
			for _, typ := range []string{"at+jwt", "oauth-id-jag+jwt", "dpop+jwt", "statuslist+jwt"} {
				as.WantRefused(t, as.Post(t, keyed(t, as, typ, nil)), oauth.InvalidClient, clientFault("type"))
			}
		}},
		{"JA-05", func(t *testing.T, as *authtest.Server) {
			authtest.WantIssued(t, as.Post(t, keyed(t, as, "", nil, "client_id", "key-agent")))
			as.WantRefused(t, as.Post(t, keyed(t, as, "", nil, "client_id", "research-agent")), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
		}},
		{"JA-06", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now()
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"exp": now.Add(-time.Second).Unix()})), oauth.InvalidClient, clientFault("expired"))
			bad := keyed(t, as, "", nil)
			token := bad.Get("client_assertion")
			bad.Set("client_assertion", token[:len(token)-8]+"AAAAAAAA")
			as.WantRefused(t, as.Post(t, bad), oauth.InvalidClient, clientFault("signature"))
			foreign := keyed(t, as, "", nil)
			foreign.Set("client_assertion", as.IDP.Sign(t, "", authtest.Claims{"iss": "key-agent", "sub": "key-agent", "aud": as.Issuer, "jti": "x", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}))
			as.WantRefused(t, as.Post(t, foreign), oauth.InvalidClient, clientFault("signature"))
		}},
		{"JA-07", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now()
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"exp": nil})), oauth.InvalidClient, clientFault("exp_missing"))
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"exp": now.Add(6 * time.Minute).Unix()})), oauth.InvalidClient, clientFault("lifetime"))
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"iat": now.Add(-10 * time.Minute).Unix()})), oauth.InvalidClient, clientFault("lifetime"))
		}},
		{"JA-08", func(t *testing.T, as *authtest.Server) {
			form := keyed(t, as, "", nil)
			authtest.WantIssued(t, as.Post(t, form))
			as.WantRefused(t, as.Post(t, form), oauth.InvalidClient, oauth.ReasonAuthReplay)
			as.WantRefused(t, as.Post(t, keyed(t, as, "", authtest.Claims{"jti": nil})), oauth.InvalidClient, clientFault("jti_missing"))
			// A platform's credential is served again from caches and never single-use.
			again := itself()(t, as)
			authtest.WantIssued(t, as.Post(t, again))
			authtest.WantIssued(t, as.Post(t, again))
		}},
	})
}
