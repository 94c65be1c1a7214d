package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/authtest"
	"github.com/tokenry/tokenry/oauth"
)

// TestRowsFCTrust proves what a federated credential may be about; how one is
// matched is proven elsewhere.
func TestRowsFCTrust(t *testing.T) {
	t.Parallel()
	prove(t, []row{
		// With 422, as every fault of a manifest: RFC 9110, Section 15.5.21.
		{"FC-02", func(t *testing.T, as *authtest.Server) {
			for _, iss := range []string{" https://fc.example", "https://fc.example ", "https://fc.example\\t", "http://fc.example", "ftp://fc.example", "fc.example", ""} {
				err := as.TryApply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: fc-two }
spec: { type: oidc, tokens: workload, issuer: "`+iss+`", keys: { discovery: true } }
`)
				if err == nil || !strings.Contains(err.Error(), "spec.issuer") {
					t.Errorf("%q: %v", iss, err)
				}
				if as.Model.Rules().Issuer("fc-two") != nil {
					t.Fatalf("%q was stored", iss)
				}
			}
		}},
		// Server-wide, and with 422.
		{"FC-03", func(t *testing.T, as *authtest.Server) {
			for _, blueprint := range []string{"researcher", "writer"} {
				err := as.TryApply(t, bound("fc-three", blueprint, "system:serviceaccount:prod:research"))
				if err == nil || !strings.Contains(err.Error(), "already stand for agent") || as.Model.Agent("fc-three") != nil {
					t.Errorf("%s: %v", blueprint, err)
				}
			}
			if err := as.TryApply(t, bound("fc-three", "writer", "system:serviceaccount:prod:fc3", "system:serviceaccount:prod:fc3")); err == nil {
				t.Error("one agent has a subject twice")
			}
		}},
		// There is no limit: the same agent may run in as many places as it likes.
		{"FC-04", func(t *testing.T, as *authtest.Server) {
			var subjects []string
			for i := range 50 {
				subjects = append(subjects, fmt.Sprintf("system:serviceaccount:prod:fc4-%d", i))
			}
			as.Apply(t, bound("fc-four", "researcher", subjects...))
			c := authtest.WantIssued(t, as.Post(t, itself("client_assertion", as.ServiceAccount(t, "fc4-49", nil))(t, as)))
			if c["sub"] != "fc-four" {
				t.Errorf("sub %v", c["sub"])
			}
		}},
		{"FC-09", func(t *testing.T, as *authtest.Server) {
			own := delegated(t, as)
			as.WantRefused(t, as.Post(t, itself("client_assertion", own)(t, as)), oauth.InvalidClient, clientFault("type"))
			as.WantRefused(t, as.Post(t, itself("client_assertion", own, "client_assertion_type", string(oauth.SPIFFEAssertion))(t, as)), oauth.InvalidClient, clientFault("spiffe_id"))
			as.WantRefused(t, as.Post(t, authtest.ExchangeForm(own)), oauth.InvalidClient, oauth.ReasonAuthNone)
			as.WantRefused(t, as.Post(t, granted(own)), oauth.InvalidClient, oauth.ReasonAuthNone)
			as.WantRefused(t, as.Post(t, as.As(t, "research", authtest.ExchangeForm(own))), oauth.InvalidRequest, subjectFault("type"))
			as.WantRefused(t, as.Post(t, as.As(t, "research", granted(own))), oauth.InvalidGrant, grantFault("type"))
			err := as.TryApply(t, `
apiVersion: tokenry/v1
kind: TrustedIssuer
metadata: { name: fc-nine }
spec: { type: oidc, tokens: workload, issuer: "`+as.Issuer+`", keys: { discovery: true } }
`)
			if err == nil || as.Model.Rules().Issuer("fc-nine") != nil {
				t.Errorf("we are a trusted issuer of ours: %v", err)
			}
		}},
	})
}

// bound is a manifest of an agent with credentials of prod-cluster.
func bound(name string, blueprint string, subjects ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
apiVersion: tokenry/v1
kind: Agent
metadata: { name: %s }
spec:
  blueprint: %s
  owner: carol@example.com
  sponsor: research-leads
  credentials:
`, name, blueprint)
	for i, s := range subjects {
		fmt.Fprintf(&b, "    - { name: c%d, issuer: prod-cluster, subject: { exact: %q } }\n", i, s)
	}
	return b.String()
}
