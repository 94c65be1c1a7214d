package server_test

import (
	"net/url"
	"slices"
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

func grantFault(fault string) oauth.Reason { return oauth.TokenFault(oauth.AreaGrant, fault) }

// granted is a token of a workload as the grant of RFC 7523, Section 2.1, with
// changes to the form.
func granted(assertion string, pairs ...string) url.Values {
	return with(url.Values{
		"grant_type": {string(oauth.JWTBearer)}, "assertion": {assertion}, "resource": {"https://gateway.example"}, "scope": {"llm:read"},
	}, pairs)
}

// TestRowsJA proves assertions, for client authentication and as the grant: RFC
// 7521, RFC 7523 and RFC 10070.
func TestRowsJA(t *testing.T) {
	t.Parallel()
	prove(t, slices.Concat(clientAssertions(), grantAssertions()))
}

func clientAssertions() []row {
	return []row{
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
	}
}

func grantAssertions() []row {
	return []row{
		{"JA-09", func(t *testing.T, as *authtest.Server) {
			now := as.Clock.Now()
			missing := granted("")
			as.WantRefused(t, as.Post(t, missing), oauth.InvalidClient, oauth.ReasonAuthNone)
			as.WantRefused(t, as.Post(t, as.As(t, "research", missing)), oauth.InvalidRequest, oauth.ReasonAssertionMissing)
			for fault, assertion := range map[string]string{
				"not_compact_jws": "x",
				"expired":         as.ServiceAccount(t, "research", authtest.Claims{"exp": now.Add(-time.Second).Unix()}),
				"signature":       spoilt(as.ServiceAccount(t, "research", nil)),
				"issuer_unknown":  as.Cluster.Sign(t, "", authtest.Claims{"iss": "https://unknown.example", "sub": "x"}),
				"no_binding":      as.ServiceAccount(t, "nobody", nil),
			} {
				as.WantRefused(t, as.Post(t, granted(assertion)), oauth.InvalidGrant, grantFault(fault))
				as.WantRefused(t, as.Post(t, as.As(t, "research", granted(assertion))), oauth.InvalidGrant, grantFault(fault))
			}
			authtest.WantIssued(t, as.Post(t, granted(as.ServiceAccount(t, "research", nil))))
			authtest.WantIssued(t, as.Post(t, granted(as.SVID(t, "/agents/research/r7", nil))))
		}},
		{"JA-10", func(t *testing.T, as *authtest.Server) {
			sent := func(aud any) *authtest.Answer {
				return as.Post(t, granted(as.ServiceAccount(t, "research", authtest.Claims{"aud": aud})))
			}
			for _, aud := range []any{as.Issuer, []string{as.Issuer}, as.Issuer + "/token", []string{as.Issuer + "/token"}} {
				authtest.WantIssued(t, sent(aud))
			}
			for _, aud := range []any{as.Issuer + "/", as.Issuer + "/token/", strings.ToUpper(as.Issuer), "https://gateway.example"} {
				as.WantRefused(t, sent(aud), oauth.InvalidGrant, grantFault("aud"))
			}
			as.WantRefused(t, sent([]string{as.Issuer, as.Issuer + "/token"}), oauth.InvalidGrant, grantFault("aud_multiple"))
			as.WantRefused(t, sent(nil), oauth.InvalidGrant, grantFault("aud_missing"))
			// The token endpoint is for the grant alone.
			token := as.ServiceAccount(t, "research", authtest.Claims{"aud": as.Issuer + "/token"})
			as.WantRefused(t, as.Post(t, itself("client_assertion", token)(t, as)), oauth.InvalidClient, clientFault("aud"))
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(token)), oauth.InvalidRequest, subjectFault("aud"))
		}},
		{"JA-11", func(t *testing.T, as *authtest.Server) {
			good := as.ServiceAccount(t, "research", nil)
			bad := with(as.As(t, "research", granted(good)), []string{"client_assertion", spoilt(good)})
			as.WantRefused(t, as.Post(t, bad), oauth.InvalidClient, clientFault("signature"))
			as.WantRefused(t, as.Post(t, granted(good, "client_id", "research-agent", "client_secret", "wrong")), oauth.InvalidClient, oauth.ReasonAuthSecret)
			as.WantRefused(t, as.Post(t, granted(good, "client_id", "analysis-agent")), oauth.InvalidClient, oauth.ReasonAuthAmbiguous)
			authtest.WantIssued(t, as.Post(t, granted(good, "client_id", "research-agent")))
			authtest.WantIssued(t, as.Post(t, as.As(t, "research", granted(good))))
		}},
		{"JA-12", func(t *testing.T, as *authtest.Server) {
			exp := as.Clock.Now().Add(45 * time.Second).Unix()
			a := as.Post(t, granted(as.ServiceAccount(t, "research", authtest.Claims{"exp": exp, "txn": "tx-1"})))
			claims := authtest.WantIssued(t, a)
			if claims["exp"] != float64(exp) || a.ExpiresIn > 45 {
				t.Errorf("exp %v, want the assertion's %d", claims["exp"], exp)
			}
			if a.RefreshToken != "" || a.IssuedTokenType != "" {
				t.Errorf("body %s", a.Body)
			}
			if claims["sub"] != "research-agent" || claims["client_id"] != "research-agent" || claims["act"] != nil || claims["txn"] != "tx-1" {
				t.Errorf("claims %v", claims)
			}
			if c := authtest.WantIssued(t, as.Post(t, granted(as.ServiceAccount(t, "research", nil)))); c["txn"] != nil {
				t.Errorf("a txn %v without an exchange", c["txn"])
			}
		}},
	}
}
