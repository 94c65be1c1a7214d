package registry

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Hosts of Microsoft Entra, whose issuers name a tenant in their path: the
// worldwide cloud, that of the US government, and the one in China.
var entraHosts = [...]string{
	"login.microsoftonline.com", "sts.windows.net", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "sts.chinacloudapi.cn",
}

// personal is the tenant of everybody's own account at Microsoft.
const personal = "9188040d-6c67-4c5b-b112-36a304b66dad"

var tenantID = regexp.MustCompile(`^` + guid + `$`)

// Tenant returns the tenant in an issuer of Microsoft Entra, which the claim
// `tid` of its tokens must equal; empty for other issuers. All tenants there
// have the same keys.
func (t *TrustedIssuer) Tenant() string {
	tenant, ok := entraTenant(t.Issuer)
	if t.Type != OIDC || !ok {
		return ""
	}
	return tenant
}

// entraTenant returns the first segment of the path of an Entra issuer.
func entraTenant(issuer string) (string, bool) {
	u, err := url.Parse(issuer)
	if err != nil || !slices.Contains(entraHosts[:], hostOf(u)) {
		return "", false
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return tenant, true
}

// hostOf is the host of a URL as DNS sees it.
func hostOf(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

// shared are hosts at which everybody can get a token, and the preset that says
// what a credential there has to hold on to.
func shared(host string) string {
	switch host {
	case "token.actions.githubusercontent.com":
		return "github-actions"
	case "gitlab.com":
		return "gitlab-ci"
	case "accounts.google.com":
		return "google-cloud"
	case "app.terraform.io", "app.eu.terraform.io":
		return "terraform-cloud"
	case "agent.buildkite.com":
		return "buildkite"
	case "oidc.circleci.com":
		return "circleci"
	}
	return ""
}

// validatePlatform checks what depends on whose platform the issuer is.
func validatePlatform(ps *problems, t *TrustedIssuer) {
	u, err := url.Parse(t.Issuer)
	if err != nil || t.Type == SPIFFE {
		u = &url.URL{}
	}
	host := hostOf(u)
	p, known := presets()[t.Preset]
	switch {
	case t.Preset == "":
		validateShared(ps, t, host)
	case !known: // the table of fields says so
	case t.Type != OIDC && t.Type != "":
		ps.add("spec.preset", "is only for an issuer of type oidc; leave it out")
	case t.Tokens == UserTokens:
		ps.add("spec.preset", "%s speaks of workloads; leave spec.tokens out", t.Preset)
	case t.Issuer != "" && (!p.issuer.MatchString(t.Issuer) || shared(host) != "" && shared(host) != t.Preset):
		ps.add("spec.issuer", "is no issuer of %s, which is %s; leave spec.preset out for another one", t.Preset, p.form)
	}
	// A token's iss has the tenant that it is from, never one of these words:
	// such an issuer would have to be checked by a claim (SEC-AC-27).
	if tenant, entra := entraTenant(t.Issuer); entra && t.Type != SPIFFE && t.Preset == "" && !tenantID.MatchString(tenant) {
		ps.add("spec.issuer", "names no single tenant of Microsoft Entra: put the id of the tenant into its path, as the iss of its tokens has it")
	}
}

// validateShared refuses an issuer without preset at a host where everybody can
// get a token with a subject and an audience of their choice. At Google people
// have accounts too; rules for them need a condition (checkRule).
func validateShared(ps *problems, t *TrustedIssuer, host string) {
	name := shared(host)
	if name == "" || name == "google-cloud" && t.SubjectTokens() == UserTokens {
		return
	}
	ps.add("spec.issuer", "is shared by everybody: anybody's job gets a token there; set preset: %s (and tokens: workload), which has credentials hold on to what is yours", name)
}

// open says that everybody may have an account at an issuer of users.
func (t *TrustedIssuer) open() bool {
	u, err := url.Parse(t.Issuer)
	return err == nil && (hostOf(u) == "accounts.google.com" || t.Tenant() == personal)
}
