package jose_test

import (
	"crypto/ecdsa"
	"testing"

	"github.com/tokenry/tokenry/jose"
)

// TestThumbprintsAgree: SEC-KH-07. A header may name a certificate, as those of
// large providers do, but no other than the key's.
func TestThumbprintsAgree(t *testing.T) {
	t.Parallel()
	key := newKey(t, "ES256").(*ecdsa.PrivateKey)
	for _, row := range []struct {
		id     string
		header object
		key    object
		want   jose.Fault
	}{
		{"none", nil, nil, ""},
		{"of_the_token_alone", object{"x5t": "a", "x5t#S256": "b"}, nil, ""},
		{"of_the_key_alone", nil, object{"x5t": "a", "x5t#S256": "b"}, ""},
		{"alike", object{"x5t": "a", "x5t#S256": "b"}, object{"x5t": "a", "x5t#S256": "b"}, ""},
		{"of_two_kinds", object{"x5t": "a"}, object{"x5t#S256": "b"}, ""},
		{"key_unreadable", object{"x5t": "a"}, object{"x5t": 1}, ""},
		{"SEC-KH-07", object{"x5t#S256": "c"}, object{"x5t#S256": "b"}, jose.FaultHeaderForbidden},
		{"SEC-KH-07_SHA-1", object{"x5t": "c"}, object{"x5t": "a"}, jose.FaultHeaderForbidden},
		{"SEC-KH-07_one", object{"x5t": "a", "x5t#S256": "c"}, object{"x5t": "a", "x5t#S256": "b"}, jose.FaultHeaderForbidden},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			published := jwk(t, "k", key.Public())
			for name, value := range row.key {
				published = with(published, name, value)
			}
			set, _, err := jose.ReadSet(keySet(t, published))
			if err != nil {
				t.Fatal(err)
			}
			header := object{"alg": "ES256", "kid": "k"}
			for name, value := range row.header {
				header[name] = value
			}
			token := mustParse(t, signRaw(t, key, encode(t, header), []byte(`{"sub":"a"}`)))
			found, err := set.Select(token.Alg, token.Kid)
			if err != nil {
				t.Fatal(err)
			}
			wantFault(t, token.Verify(found), row.want)
		})
	}
}
