package server_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/registry"
)

// TestSecurityID: names that are nearly ours, nearly somebody's, or not for ever.
func TestSecurityID(t *testing.T) {
	t.Parallel()
	// An issuer with a path, and what comes near its `iss`.
	near := func(id string, change ...func(url string) string) row {
		return row{id, func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			iss := p.URL + "/realms/a"
			name := strings.ToLower(id)
			as.Apply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: `+name+` }
spec: { type: oidc, issuer: "`+iss+`", keys: { jwks: `+inline(t, p)+` } }
---`+usersRule("for-"+name, name, `true`))
			now := as.Clock.Now()
			send := func(iss string) *authtest.Answer {
				return forUser(t, as, p.Sign(t, "JWT", authtest.Claims{"iss": iss, "sub": "alice", "aud": as.Issuer, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}))
			}
			authtest.WantIssued(t, send(iss))
			for _, f := range change {
				as.WantRefused(t, send(f(p.URL)), oauth.InvalidRequest, subjectFault("issuer_unknown"))
			}
			if p.Fetches() != 0 {
				t.Errorf("%d fetches for an iss that is not registered", p.Fetches())
			}
		}}
	}
	to := func(path string) func(string) string {
		return func(url string) string { return url + path }
	}
	prove(t, []row{
		{"SEC-ID-31", func(t *testing.T, as *authtest.Server) {
			for _, target := range []string{`https://gateway.example\`, "https://gateway.example\t", "https://gateway.example%2F", "https://gateway%2eexample"} {
				as.WantRefused(t, as.Post(t, itself("resource", target)(t, as)), oauth.InvalidTarget, oauth.ReasonTarget)
			}
		}},
		near("SEC-ID-06", to("/realms/a?x"), to("/realms/a?"), to("/realms/a#f"), to("/realms/a#")),
		near("SEC-ID-07", to("/realms/b/../a"), to("/%2e%2e/realms/a"), to("/realms/%61"), to("//realms/a"), to("/realms//a"), to("/realms/./a")),
		{"SEC-ID-27", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, usersRule("domain", "corp-idp", `claims.email.endsWith("@nice.example") && claims.email.split("@").size() == 2 && claims.email_verified == true`))
			send := func(email string) *authtest.Answer {
				return forUser(t, as, guest(t, as, "gail", authtest.Claims{"email": email, "email_verified": true}), "scope", "llm:read")
			}
			authtest.WantIssued(t, send("a@nice.example"))
			for _, email := range []string{"a@nice.example@evil.example", "a@evil.example@nice.example", "a@notnice.example", "a@nice.example.", "a@nice.example\n"} {
				as.WantRefused(t, send(email), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
			}
		}},
		// Nothing acknowledges it: an address is never what a workload is known by.
		{"SEC-ID-28", func(t *testing.T, as *authtest.Server) {
			p := authtest.NewParty(t, false)
			const google = "https://accounts.google.com"
			for more, subject := range map[string]string{"": "ci@acme.iam.gserviceaccount.com", `, claims: { email: "ci@acme.iam.gserviceaccount.com" }`: "112233445566778899001"} {
				err := as.TryApply(t, platform(t, "google-cloud", google, p, subject, more))
				if err == nil || !strings.Contains(err.Error(), "given to somebody else") || as.Model.Agent("google-cloud-agent") != nil {
					t.Errorf("%s%s: %v", subject, more, err)
				}
			}
			as.Apply(t, platform(t, "google-cloud", google, p, "112233445566778899001", ""))
		}},
		// A server is one tenant, so no URL names one. What its URLs name is
		// compared byte for byte.
		{"SEC-ID-29", func(t *testing.T, as *authtest.Server) {
			for name, want := range map[string]bool{"research-agent": true, "Research-Agent": false, "research_agent": false, "research-agent/": false} {
				_, err := as.Admin.Object(t.Context(), registry.KindAgent, name)
				if (err == nil) != want {
					t.Errorf("%s: %v", name, err)
				}
				var answer *api.Error
				if err != nil && (!errors.As(err, &answer) || answer.Status != http.StatusNotFound) {
					t.Errorf("%s is refused and not missing: %v", name, err)
				}
			}
		}},
		// A condition names a claim as it is, and a pin by its path: ~1 is a slash
		// in the one and two characters in the other.
		{"SEC-ID-30", func(t *testing.T, as *authtest.Server) {
			as.Apply(t, usersRule("unescaped", "corp-idp", `"admin" in claims["https://x/roles"]`)+"---"+
				usersRule("escaped", "corp-idp", `"auditor" in claims["https:~1~1y~1roles"]`)+"---"+
				usersRule("nested", "corp-idp", `"owner" in claims.https.z.roles`))
			send := func(claim, role string) *authtest.Answer {
				return forUser(t, as, guest(t, as, "hugo", authtest.Claims{claim: []string{role}}), "scope", "llm:read")
			}
			authtest.WantIssued(t, send("https://x/roles", "admin"))
			as.WantRefused(t, send("https://y/roles", "auditor"), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
			as.WantRefused(t, send("https.z.roles", "owner"), oauth.InvalidRequest, oauth.ReasonActorUnauthorized)
			p := authtest.NewParty(t, false)
			const role, iss = "arn:aws:iam::123456789012:role/x", "https://6f9619ff.tokens.sts.global.api.aws"
			err := as.TryApply(t, platform(t, "aws", iss, p, role, `, claims: { "https://sts.amazonaws.com//aws_account": "123456789012" }`))
			if err == nil || as.Model.Agent("aws-agent") != nil {
				t.Errorf("a pin that pins nothing is accepted: %v", err)
			}
			as.Apply(t, platform(t, "aws", iss, p, role, `, claims: { "https:~1~1sts.amazonaws.com~1/aws_account": "123456789012" }`))
		}},
	})
}
