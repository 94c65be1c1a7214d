package credential

import "strings"

// purpose checks what providers write into the payload to say what a token is
// for, because all of theirs have the same typ in the header: `typ` of
// Keycloak, `token_use` of Amazon Cognito. Without this an ID token passes for
// the access token of the same user, and a refresh token for either (RFC 8725,
// Section 3.12).
//
// Other values, and other types, are some claim of the provider's own.
func (e *exam) purpose() error {
	for _, name := range []string{"typ", "token_use"} {
		mark, _ := e.claims[name].(string)
		wanted := ""
		switch strings.ToLower(mark) {
		case "id":
			if !e.idToken {
				wanted = "a token declared as id_token"
			}
		case "bearer", "access":
			if e.idToken {
				wanted = "an ID token"
			}
		case "refresh", "offline", "logout":
			wanted = "an ID or access token"
		}
		if wanted != "" {
			return e.failed(CheckType, &Fault{Name: FaultType, Field: name, Shown: name + " " + mark, Wanted: wanted})
		}
	}
	return nil
}
