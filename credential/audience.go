package credential

import (
	"slices"
	"strings"

	"github.com/tokenry/tokenry/registry"
)

// anAudience is what is wanted of `aud` that cannot be read.
const anAudience = "a string or an array of strings, none of them empty"

// audiences reads `aud`: a string or an array of strings (RFC 7519, Section
// 4.1.3), not empty and without empty values.
func (e *exam) audiences() ([]string, error) {
	if e.claims["aud"] == nil {
		return nil, e.fail(CheckAudience, FaultAudienceMissing, "", "aud")
	}
	values, _, err := e.claims.Strings("aud")
	if err != nil || len(values) == 0 || slices.Contains(values, "") {
		return nil, e.fail(CheckAudience, FaultAudience, kindOf(e.claims["aud"]), anAudience)
	}
	return values, nil
}

// userAudience checks that a user's token was made for us, or for the
// application that the operator named. It may name others too: a user's token
// is often meant for a group of services.
func (e *exam) userAudience() error {
	values, err := e.audiences()
	if err != nil {
		return err
	}
	wanted := e.accepted()
	// Compared byte for byte: RFC 7519, Section 4.1.3.
	if !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(wanted, v) }) {
		return e.fail(CheckAudience, FaultAudience, list(values), list(wanted))
	}
	e.pass(CheckAudience, list(values), list(wanted))
	return nil
}

// accepted are the issuer's audiences.
func (e *exam) accepted() []string {
	if len(e.issuer.Spec.Audiences) > 0 {
		return e.issuer.Spec.Audiences
	}
	return []string{e.config.Issuer}
}

// noAPIServer is what is wanted of a token that the API server would accept.
const noAPIServer = "no audience of the API server"

// workloadAudience checks that a workload's token was made for us and for
// nobody else: every other audience could use it here in its name.
func (e *exam) workloadAudience() error {
	values, err := e.audiences()
	if err != nil {
		return err
	}
	if e.issuer.Spec.Type == registry.Kubernetes && slices.ContainsFunc(values, e.apiServer) {
		return e.fail(CheckAudience, FaultAudience, list(values), noAPIServer)
	}
	if len(values) > 1 {
		return e.fail(CheckAudience, FaultAudienceMany, list(values), "one value")
	}
	wanted := e.workloadAudiences()
	if !slices.Contains(wanted, values[0]) {
		return e.fail(CheckAudience, FaultAudience, values[0], list(wanted))
	}
	e.identity.Audience = values[0]
	e.pass(CheckAudience, values[0], list(wanted))
	return nil
}

// workloadAudiences are the values of which a workload's token must hold one. A
// client assertion is for us, as our issuer identifier and nothing else: RFC
// 10070. One that is the grant may name the token endpoint too: RFC 7523,
// Section 3, rule 3. A binding may narrow them.
func (e *exam) workloadAudiences() []string {
	switch {
	case e.position == asGrant && e.config.TokenEndpoint != "":
		return []string{e.config.Issuer, e.config.TokenEndpoint}
	case e.position != asSubject:
		return []string{e.config.Issuer}
	}
	return e.accepted()
}

// selfAudience checks the audience of an assertion that the agent made itself:
// our issuer identifier, as a string or as the one element of an array. The
// token endpoint's URL is refused: RFC 10070.
func (e *exam) selfAudience() error {
	values, err := e.audiences()
	if err != nil {
		return err
	}
	if len(values) != 1 || values[0] != e.config.Issuer {
		return e.fail(CheckAudience, FaultAudience, strings.Join(values, ", "), e.config.Issuer)
	}
	e.pass(CheckAudience, values[0], e.config.Issuer)
	return nil
}
