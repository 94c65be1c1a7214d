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

// shared is the preset of a host at which everybody can get a token, which says
// what a credential there has to hold on to; empty = the host is somebody's own.
func shared(host string) string {
	for name, p := range presets() {
		if slices.Contains(p.shared, host) {
			return name
		}
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
	ps.add("spec.issuer", "is a platform that everybody can use; set preset: %s (and tokens: workload), which has credentials hold on to what is yours", name)
}

// open says that everybody may have an account at an issuer of users.
func (t *TrustedIssuer) open() bool {
	u, err := url.Parse(t.Issuer)
	return err == nil && (shared(hostOf(u)) != "" || t.Tenant() == personal)
}
