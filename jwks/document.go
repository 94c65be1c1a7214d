package jwks

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Times for which a set is fresh. An issuer that says less would be asked with
// nearly every request, and one that says more could not take a key back.
const (
	minFresh     = 30 * time.Second
	maxFresh     = time.Hour
	defaultFresh = 5 * time.Minute
	minHint      = 10 * time.Second
	maxHint      = 24 * time.Hour
	defaultHint  = 5 * time.Minute // recommended in SPIFFE Federation, Section 4.1
)

// keys are what a source publishes.
type keys struct {
	jose.Set                     // for signatures of tokens
	roots    []*x509.Certificate // of a SPIFFE bundle: the authorities of X.509-SVIDs
}

// document is what a source said.
type document struct {
	keys
	fresh    time.Duration // negative = it does not say
	sequence int64         // of a bundle; -1 = it has none
	finding  error         // what is wrong with it, though it is taken
}

// readJWKS reads a JWK set. Keys that nobody can use are left out and found
// fault with; the others serve: RFC 7517, Section 5.
//
// A set without any key that can be used is refused. That is how an issuer
// looks whose disk is full or whose page moved, and no issuer goes on issuing
// without keys.
func readJWKS(raw []byte) (document, error) {
	set, skipped, err := jose.ReadSet(raw)
	if err != nil {
		return document{}, notKeys("a JWK set", err)
	}
	finding := errors.Join(skipped...)
	if set.Len() == 0 && finding != nil {
		return document{}, fmt.Errorf("the JWK set has no key that can be used: %s", finding.Error())
	} else if set.Len() == 0 {
		return document{}, errors.New("the JWK set has no key")
	}
	return document{keys: keys{Set: set}, fresh: -1, sequence: -1, finding: finding}, nil
}

// readBundle reads a SPIFFE bundle: a JWK set whose keys say what they are for,
// with two members of its own. Keys for other uses than SVIDs are passed
// over in silence: SPIFFE Trust Domain and Bundle, Section 4.2.2.
//
// Unlike a JWK set, a bundle without keys is taken at its word: the trust domain
// has withdrawn them all (Section 4.1.3).
func readBundle(raw []byte) (document, error) {
	object, err := jose.ParseObject(raw)
	if err != nil {
		return document{}, notKeys("a SPIFFE bundle", err)
	}
	list, ok := object["keys"].([]any) // RFC 7517, Section 5.1: required, and null is no array
	if !ok {
		return document{}, errors.New(`this is not a SPIFFE bundle: it has no array "keys"`)
	}
	doc := document{fresh: defaultHint, sequence: -1}
	if hint, ok, err := whole(object, "spiffe_refresh_hint"); err != nil {
		return document{}, err
	} else if ok {
		// Compared as seconds: so long a hint need not fit a Duration.
		doc.fresh = time.Duration(min(max(hint, int64(minHint/time.Second)), int64(maxHint/time.Second))) * time.Second
	}
	if sequence, ok, err := whole(object, "spiffe_sequence"); err != nil {
		return document{}, err
	} else if ok {
		doc.sequence = sequence
	}
	var ours []any
	var skipped []error
	for _, key := range list {
		switch use(key) {
		case "jwt-svid":
			ours = append(ours, key)
		case "x509-svid":
			root, err := x509Authority(key)
			if err != nil {
				skipped = append(skipped, err)
				continue
			}
			doc.roots = append(doc.roots, root)
		}
	}
	if len(ours) == 0 && len(doc.roots) == 0 {
		doc.finding = errors.Join(append(skipped, errors.New("the SPIFFE bundle has no keys: no SVID can be verified"))...)
		return doc, nil
	}
	filtered, err := json.Marshal(map[string]any{"keys": ours})
	if err != nil {
		return document{}, notKeys("a SPIFFE bundle", err)
	}
	set, bad, err := jose.ReadSet(filtered)
	if err != nil {
		return document{}, notKeys("a SPIFFE bundle", err)
	}
	doc.Set, doc.finding = set, errors.Join(append(skipped, bad...)...)
	return doc, nil
}

// x509Authority reads a key for X.509-SVIDs: of its `x5c` the first value
// counts, and one without is not used: X509-SVID, Section 6.2.
func x509Authority(key any) (*x509.Certificate, error) {
	members, _ := key.(map[string]any)
	chain, _ := members["x5c"].([]any)
	if len(chain) == 0 {
		return nil, errors.New("an x509-svid key of the SPIFFE bundle has no x5c")
	}
	text, _ := chain[0].(string)
	der, err := base64.StdEncoding.Strict().DecodeString(text) // RFC 7517, Section 4.7: not base64url
	if err != nil {
		return nil, errors.New("an x509-svid key of the SPIFFE bundle has an x5c that is no base64")
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("an x509-svid key of the SPIFFE bundle has an x5c that is no certificate")
	}
	if !root.IsCA {
		return nil, errors.New("an x509-svid key of the SPIFFE bundle is no certificate authority")
	}
	return root, nil
}

// use returns the use of a JWK; "" when it has none: RFC 7517, Section 4.2.
func use(key any) string {
	members, _ := key.(map[string]any)
	use, _ := members["use"].(string)
	return use
}

// whole reads a whole number that is not negative.
func whole(object jose.Object, name string) (int64, bool, error) {
	value, ok := object[name]
	if !ok {
		return 0, false, nil
	}
	if number, isNumber := value.(json.Number); isNumber {
		if n, err := number.Int64(); err == nil && n >= 0 {
			return n, true, nil
		}
	}
	return 0, false, fmt.Errorf("the SPIFFE bundle's %s is not a whole number", name)
}

// notKeys says that a document is not what it should be. The cause is put in
// words and not wrapped: callers take a *jose.Error for the fault of a
// credential, and this is the source's.
func notKeys(what string, err error) error {
	return fmt.Errorf("this is not %s: %s", what, err.Error())
}
