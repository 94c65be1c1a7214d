package registry

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tokenry/tokenry/condition"
)

// checkPlatform checks a credential against what is known of the platform of
// its issuer: that it holds on to something which cannot become somebody
// else's, and that it reads claims which are there.
func (w *world) checkPlatform(ps *problems, at string, issuer *TrustedIssuer, c *Credential) {
	if p, ok := presets()[issuer.Preset]; ok && !p.pinned(c) {
		ps.add(at+".claims", "pins no immutable identifier of %s: a name there can be registered again by somebody else; %s", issuer.Preset, p.advice())
	}
	if issuer.Type == OIDC {
		checkMutable(ps, at, c)
	}
	platform, names := issuer.usualClaims()
	if names == nil {
		return
	}
	misspelt := func(at string, path condition.Path, written func(condition.Path) string) {
		text := ""
		if near := condition.Misspelt(path[0], names); near != "" {
			text = fmt.Sprintf("claims.%s: tokens of %s have no such claim; did you mean %q?", path[0], platform, near)
		} else if meant := meantOfCluster(path); issuer.Type == Kubernetes && meant != nil {
			text = fmt.Sprintf("%s: tokens of %s have no such claim; did you mean %s?", written(path), platform, written(meant))
		}
		if p := (Problem{Path: at, Message: text}); text != "" && !slices.Contains(*ps, p) {
			*ps = append(*ps, p)
		}
	}
	for _, path := range w.reads(c.Condition) {
		misspelt(at+".condition", path, condition.Path.Expression)
	}
	quoted := func(p condition.Path) string { return strconv.Quote(p.String()) }
	for _, path := range slices.Sorted(maps.Keys(c.Claims)) {
		misspelt(at+".claims", claimPath(path), quoted)
	}
	for _, label := range slices.Sorted(maps.Keys(c.Labels)) {
		misspelt(at+".labels", claimPath(c.Labels[label]), quoted)
	}
}

// pinned says that the credential asks for one of the platform's immutable
// identifiers, by its value.
func (p preset) pinned(c *Credential) bool {
	if p.subject != nil && p.subject.MatchString(c.Subject.Exact) {
		return true
	}
	return slices.ContainsFunc(p.pins, func(path string) bool { return c.Claims[path] != "" })
}

// advice says what would pin the credential.
func (p preset) advice() string {
	var ways []string
	if len(p.pins) > 0 {
		ways = append(ways, "add one of "+strings.Join(p.pins, ", ")+" with its value")
	}
	if p.subject != nil {
		ways = append(ways, "give "+p.subjectIs+" as subject.exact")
	}
	return strings.Join(ways, ", or ")
}

// address is an e-mail address, or a pattern of some.
var address = regexp.MustCompile(`^[^:/\s]*@[^@:/\s]+\.[^@:/\s.]+$`)

// checkMutable refuses an address or a login name as what a workload is known
// by: it can be changed, and given to somebody else.
func checkMutable(ps *problems, at string, c *Credential) {
	for _, s := range []struct{ name, text string }{{"exact", c.Subject.Exact}, {"glob", c.Subject.Glob}} {
		if address.MatchString(s.text) {
			ps.add(at+".subject."+s.name, "is an e-mail address, which can be given to somebody else; name the id that the issuer puts into sub")
		}
	}
	for _, path := range slices.Sorted(maps.Keys(c.Claims)) {
		switch path {
		case "email", "user_email", "preferred_username", "unique_name", "upn":
			ps.add(at+".claims", "%s can be changed and given to somebody else; pin the id of the subject", path)
		}
	}
}

// usualClaims are the names that claims of an issuer have, and what it is
// called; nil = they are not known. Platforms add claims, so a name that is not
// there is no error.
func (t *TrustedIssuer) usualClaims() (platform string, names []string) {
	names = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"} // RFC 7519, Section 4.1
	if p, ok := presets()[t.Preset]; ok {
		return t.Preset, append(names, p.claims...)
	}
	switch t.Type {
	case Kubernetes:
		return "a Kubernetes cluster", append(names, clusterClaim)
	case SPIFFE:
		return "a SPIFFE trust domain", names
	}
	return "", nil
}

// reads lists the claims that a condition looks at. A condition is compiled
// once for all objects that say the same.
func (w *world) reads(source string) []condition.Path {
	if source == "" {
		return nil
	}
	paths, known := w.conditions[source]
	if !known {
		if program, err := condition.Compile(source); err == nil {
			paths = program.Paths()
		}
		w.conditions[source] = paths
	}
	return paths
}
