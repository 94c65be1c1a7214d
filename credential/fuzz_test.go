package credential_test

import (
	"errors"
	"testing"

	"github.com/tokenry/tokenry/credential"
)

// FuzzSubject mutates real tokens. Nothing but the token itself may pass: a
// second spelling of a token would be a second token.
func FuzzSubject(f *testing.F) {
	w, v := vectorWorld(f)
	genuine := make(map[string]bool, len(v.Tokens))
	for _, raw := range v.Tokens {
		genuine[raw] = true
		f.Add(raw, false)
		f.Add(raw+" ", true)
		f.Add(raw[:len(raw)-1]+"_", false)
	}
	f.Fuzz(func(t *testing.T, raw string, assertion bool) {
		var err error
		if assertion {
			_, err = w.Assertion(t.Context(), raw, spiffeURI)
		} else {
			_, err = w.Subject(t.Context(), raw, jwtURI)
		}
		if err == nil && !genuine[raw] {
			t.Fatalf("accepted %q", raw)
		}
		var fault *credential.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Fatalf("error %T is no Fault", err)
		}
	})
}
