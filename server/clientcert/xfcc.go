package clientcert

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/tokenry/tokenry/credential"
)

// element is one element of X-Forwarded-Client-Cert, as Envoy documents it:
// pairs of key and value between semicolons. A value that holds a comma, a
// semicolon or an equals sign is in double quotes.
type element struct {
	values map[string][]string // by the key in lower case: keys have no case
}

// Keys that Envoy writes. By, URI and DNS may repeat: they list names.
const (
	keyBy      = "by"
	keyHash    = "hash"
	keyCert    = "cert"
	keyChain   = "chain"
	keySubject = "subject"
	keyURI     = "uri"
	keyDNS     = "dns"
)

// readXFCC reads the certificate of an X-Forwarded-Client-Cert. A header of
// several elements tells of several hops: which of them is the client is a
// guess, and the first is anybody's where a proxy appends to it.
//
// Nothing but Cert and Chain is believed. What else is there must agree with
// them: a URI that the certificate does not have has been smuggled in.
func readXFCC(text string) ([][]byte, error) {
	e, err := parseElement(text)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	if e.has(keyChain) { // the whole of it, the leaf too
		if chain, err = escapedPEM(e.first(keyChain)); err != nil {
			return nil, err
		}
	}
	if e.has(keyCert) {
		leaf, err := escapedPEM(e.first(keyCert))
		if err != nil {
			return nil, err
		}
		if len(leaf) != 1 || len(chain) > 0 && !bytes.Equal(leaf[0], chain[0]) {
			return nil, ErrAmbiguous
		}
		if len(chain) == 0 {
			chain = leaf
		}
	}
	if len(chain) == 0 { // Hash, Subject and URI alone prove nothing
		return nil, ErrMalformed
	}
	if err := e.agrees(chain[0]); err != nil {
		return nil, err
	}
	return chain, nil
}

// agrees holds what the element says of the certificate to the certificate.
func (e element) agrees(leaf []byte) error {
	sum := sha256.Sum256(leaf)
	if e.has(keyHash) && !strings.EqualFold(e.first(keyHash), hex.EncodeToString(sum[:])) {
		return ErrMalformed
	}
	if !e.has(keyURI) {
		return nil
	}
	uris, err := credential.CertificateURIs(leaf)
	if err != nil {
		return ErrMalformed
	}
	for _, claimed := range e.values[keyURI] {
		if claimed != "" && !slices.Contains(uris, claimed) { // Envoy writes an empty one for a certificate without
			return ErrMalformed
		}
	}
	return nil
}

func (e element) has(key string) bool { return len(e.values[key]) > 0 }

func (e element) first(key string) string { return e.values[key][0] }

// parseElement parses a header of exactly one element.
func parseElement(text string) (element, error) {
	e := element{values: map[string][]string{}}
	for {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			return e, ErrMalformed
		}
		key := strings.ToLower(name)
		switch key {
		case keyBy, keyURI, keyDNS:
		case keyHash, keyCert, keyChain, keySubject:
			if e.has(key) {
				return e, ErrMalformed
			}
		default:
			return e, ErrMalformed
		}
		value, after, err := parseValue(rest)
		if err != nil {
			return e, err
		}
		e.values[key] = append(e.values[key], value)
		switch {
		case after == "":
			return e, nil
		case after[0] == ',':
			return e, ErrAmbiguous
		case after[0] != ';':
			return e, ErrMalformed
		}
		text = after[1:]
	}
}

// parseValue reads a value at the start of text, and gives what follows it.
func parseValue(text string) (value, after string, err error) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, `;,`)
		if end < 0 {
			end = len(text)
		}
		if strings.ContainsAny(text[:end], `"=\`) || !visible(text[:end]) {
			return "", "", ErrMalformed
		}
		return text[:end], text[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			if !visible(b.String()) {
				return "", "", ErrMalformed
			}
			return b.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			// RFC 4514 escapes inside a Subject stay as they are but for the quote,
			// which would end the value.
			if i++; text[i] != '"' {
				b.WriteByte('\\')
			}
			b.WriteByte(text[i])
		case c == ';':
			// A subject escapes it (RFC 4514, Section 2.4), and no other value has
			// one: this is another pair in disguise for a parser that is less strict.
			return "", "", ErrMalformed
		default:
			b.WriteByte(c)
		}
	}
	return "", "", ErrMalformed // never closed
}

// visible reports whether s has no control characters.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
