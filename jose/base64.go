package jose

import (
	"encoding/base64"
	"strings"
)

// base64url is the alphabet of RFC 7515, Section 2 without padding. Strict
// refuses set bits behind the last byte (RFC 4648, Section 3.5).
var base64url = base64.RawURLEncoding.Strict()

// decode decodes one part of a token. Two spellings of one token would defeat
// every list of tokens seen, so there must be no second one.
func decode(part string) ([]byte, error) {
	// The decoder skips line breaks, which RFC 7515, Section 2 does not allow.
	if strings.IndexByte(part, '\n') >= 0 || strings.IndexByte(part, '\r') >= 0 {
		return nil, refuse(FaultNotCompactJWS, "a line break")
	}
	data, err := base64url.DecodeString(part)
	if err == nil {
		return data, nil
	}
	for i := range len(part) {
		if !inAlphabet(part[i]) { // padding too: RFC 7515, Section 2
			return nil, refuse(FaultNotCompactJWS, "a character outside of base64url")
		}
	}
	return nil, refuse(FaultNotCanonical, "a cut part or stray bits at its end")
}

func inAlphabet(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
