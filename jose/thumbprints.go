package jose

// thumbprints are the digests of a certificate that a header or a JWK may name:
// x5t and x5t#S256 of RFC 7515, Sections 4.1.7 and 4.1.8, and of RFC 7517,
// Sections 4.8 and 4.9. No certificate is ever looked for by them. Large
// providers write them into every token, so they are taken; but a token whose
// header names another certificate than its key has was not made as its issuer
// says, and is refused.
type thumbprints struct{ sha1, sha256 string } // base64url, as written; empty = not named

// readThumbprints reads both members; each is a string.
func readThumbprints(o Object) (thumbprints, error) {
	var p thumbprints
	var err error
	if p.sha1, _, err = o.String("x5t"); err != nil {
		return thumbprints{}, refuse(FaultHeaderMalformed, "x5t is no string")
	}
	if p.sha256, _, err = o.String("x5t#S256"); err != nil {
		return thumbprints{}, refuse(FaultHeaderMalformed, "x5t#S256 is no string")
	}
	return p, nil
}

// differ reports whether both sides name a certificate by the same digest, and
// not the same one. What only one side names cannot be compared and proves
// nothing.
func (p thumbprints) differ(key thumbprints) bool {
	return p.sha1 != "" && key.sha1 != "" && p.sha1 != key.sha1 ||
		p.sha256 != "" && key.sha256 != "" && p.sha256 != key.sha256
}
