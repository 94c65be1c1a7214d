package credential

import (
	"fmt"
	"strings"

	"github.com/tokenry/tokenry/jose"
)

// isTyp reports whether typ is absent or means want, which is in lower case.
// A media type has no case, and "application/" may be left out: RFC 7515,
// Section 4.1.9.
func isTyp(typ, want string) bool {
	return typ == "" || strings.TrimPrefix(strings.ToLower(typ), "application/") == want
}

// plainTyp checks that the token is a JWT of no special purpose; a federated
// one may also say that it is for client authentication (RFC 7523 as updated
// by RFC 10070).
func (e *exam) plainTyp() error {
	if isTyp(e.token.Typ, "jwt") || e.position == asAssertion && isTyp(e.token.Typ, "client-authentication+jwt") {
		e.pass(CheckType, e.token.Typ, "")
		return nil
	}
	return e.wrongTyp("JWT")
}

// wrongTyp ends the exam of a token whose typ is another one. Registered types
// of JWT end in +jwt: those are tokens of another purpose (RFC 8725, Section
// 3.11), the rest is noise.
func (e *exam) wrongTyp(wanted string) error {
	f := &Fault{Name: string(jose.FaultTyp), Field: "typ", Shown: e.token.Typ, Wanted: wanted}
	if strings.HasSuffix(strings.ToLower(e.token.Typ), "+jwt") {
		f.Name = FaultType
	}
	return e.failed(CheckType, f)
}

// claimType ends the exam of a token whose claim name is no wanted.
func (e *exam) claimType(name, wanted string) error {
	return e.failed(CheckClaims, &Fault{Name: string(jose.FaultClaimType), Field: name, Shown: name, Wanted: name + ": " + wanted})
}

// kindOf names the JSON type of a claim.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return v
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	default:
		return fmt.Sprintf("%v", v)
	}
}

// list shows values to an operator.
func list(values []string) string { return strings.Join(values, ", ") }
