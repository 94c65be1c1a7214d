package jose

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is parsed before a signature was checked.
const (
	maxToken   = 16 << 10 // bytes
	maxHeader  = 2 << 10  // bytes, decoded
	maxMembers = 32       // of a header
	maxName    = 256      // bytes of kid and typ
)

// Parse reads a token without verifying it. The error is an *Error.
func Parse(compact string) (*Token, error) {
	t, err := parseForm(compact, false)
	if err != nil {
		return nil, err
	}
	if t.Claims, err = ParseObject(t.payload); err != nil {
		return nil, err
	}
	return t, nil
}

// parseForm reads all of a token but its claims. proof says that it is a proof
// of possession, which brings its key along.
func parseForm(compact string, proof bool) (*Token, error) {
	header, payload, signature, err := split(compact)
	if err != nil {
		return nil, err
	}
	rawHeader, err := decode(header)
	if err != nil {
		return nil, err
	}
	t := &Token{signed: compact[:len(header)+1+len(payload)]}
	if t.payload, err = decode(payload); err != nil {
		return nil, err
	}
	if t.signature, err = decode(signature); err != nil {
		return nil, err
	}
	if err := t.readHeader(string(rawHeader), proof); err != nil {
		return nil, err
	}
	// After alg, so that alg none (RFC 7518, Section 3.6) is called by its name.
	if signature == "" {
		return nil, refuse(FaultSignature, "there is none")
	}
	return t, nil
}

// split takes the parts of a compact JWS apart. It looks for four dots and
// never cuts at all of them: their number is the sender's.
func split(compact string) (header, payload, signature string, err error) {
	header, rest, _ := strings.Cut(compact, ".")
	payload, rest, _ = strings.Cut(rest, ".")
	signature, _, more := strings.Cut(rest, ".")
	switch {
	case more && isJWE(compact):
		return "", "", "", refuse(FaultJWEUnsupported, "five parts") // RFC 7516, Section 9
	case more || len(header)+len(payload)+2+len(signature) != len(compact):
		return "", "", "", refuse(FaultNotCompactJWS, "not three parts")
	case header == "" || payload == "":
		// Not detached either: RFC 7515, Appendix F.
		return "", "", "", refuse(FaultNotCompactJWS, "an empty part")
	case len(compact) > maxToken:
		return "", "", "", refuse(FaultTooLarge, "more than 16 KiB")
	}
	return header, payload, signature, nil
}

// isJWE reports whether compact has the form of an encrypted token, RFC 7516,
// Section 7.1, and is not two tokens one behind the other.
func isJWE(compact string) bool {
	for i := range len(compact) {
		if !inAlphabet(compact[i]) && compact[i] != '.' {
			return false
		}
	}
	return strings.Count(compact, ".") == 4 && compact[0] != '.'
}

// readHeader checks the header and takes alg, kid and typ out of it, and of a
// proof its key.
func (t *Token) readHeader(raw string, proof bool) error {
	// A NUL is a matter of the members that we read: "none\u0000" is an
	// algorithm that we do not take, not an odd text.
	p := parser{text: raw, nul: true}
	header, err := p.document()
	if err != nil {
		return &Error{Fault: FaultHeaderMalformed, Err: err} // RFC 7515, Section 5.2, step 3
	}
	if err := t.readEmbedded(header, proof); err != nil {
		return err
	}
	if err := refuseMembers(header); err != nil {
		return err
	}
	if err := t.readAlg(header["alg"]); err != nil {
		return err
	}
	var ok bool
	if kid, has := header["kid"]; has { // RFC 7515, Section 4.1.4: a string
		if t.Kid, ok = kid.(string); !ok {
			return refuse(FaultHeaderMalformed, "kid is no string")
		}
		if !isName(t.Kid) {
			return refuse(FaultKidMalformed, "kid is no short printable text")
		}
	}
	if typ, has := header["typ"]; has { // RFC 7515, Section 4.1.9: a string
		if t.Typ, ok = typ.(string); !ok || !isName(t.Typ) {
			return refuse(FaultTyp, "typ is no short printable string")
		}
	}
	if t.prints, err = readThumbprints(header); err != nil {
		return err
	}
	if len(raw) > maxHeader || len(header) > maxMembers {
		return refuse(FaultHeaderTooLarge, "more than 2 KiB or 32 members")
	}
	return nil
}

// refuseMembers refuses what must not be in a header. What is in no list here
// is ignored: RFC 7515, Section 4.
func refuseMembers(header Object) error {
	// We understand no extension, and an empty list is malformed: RFC 7515,
	// Section 4.1.11.
	if _, has := header["crit"]; has {
		return refuse(FaultCrit, "crit")
	}
	if cty, has := header["cty"]; has {
		switch s, ok := cty.(string); {
		case !ok:
			return refuse(FaultHeaderMalformed, "cty is no string")
		case strings.EqualFold(s, "JWT"), strings.EqualFold(s, "application/jwt"): // RFC 7519, Section 5.2
			return refuse(FaultNested, "cty is JWT")
		}
	}
	for name := range header {
		switch name {
		// A key that the token brings along proves nothing, and one that it
		// points at would have us call whomever it likes: RFC 8725, Section
		// 3.10.
		case "jwk", "jku", "x5u", "x5c",
			"b64", // RFC 7797, Section 7: never in a JWT
			// Of encryption, RFC 7516, Section 4.1 and RFC 7518, Section 4: what
			// is signed is neither packed nor encrypted.
			"zip", "enc", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c",
			// Claims belong in the payload, where they are checked: RFC 7519,
			// Section 5.3 lets them be repeated and compared; nobody does.
			"iss", "sub", "aud",
			// Azure signs tokens for Microsoft Graph over another nonce than the
			// one that they show: nobody else can, or should, verify them.
			"nonce":
			return refuse(FaultHeaderForbidden, name)
		}
	}
	return nil
}

// readAlg reads alg, which every header must have: RFC 7515, Section 4.1.1.
func (t *Token) readAlg(v any) error {
	alg, ok := v.(string)
	if !ok {
		return refuse(FaultHeaderMalformed, "alg is no string")
	}
	if _, known := algorithmOf(alg); !known {
		// Names are case-sensitive (RFC 7515, Section 4.1.1). One of ours in
		// another spelling is a broken library, not a setting to change.
		if misspelt(alg) {
			return refuse(FaultHeaderMalformed, "alg is misspelt")
		}
		return refuse(FaultAlgNotAllowed, "none, symmetric or unknown") // RFC 8725, Section 3.2
	}
	t.Alg = alg
	return nil
}

func misspelt(alg string) bool {
	bare := strings.TrimFunc(alg, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
	for _, name := range algorithms() {
		if strings.EqualFold(bare, name) {
			return true
		}
	}
	return false
}

// isName reports whether s may be a kid or typ: it is shown to people and
// written to logs, so it must not hide or reorder what stands around it.
func isName(s string) bool {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
