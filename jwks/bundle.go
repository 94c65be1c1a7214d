package jwks

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Times for which a bundle is fresh, whatever its hint says.
const (
	minHint     = 10 * time.Second
	maxHint     = 24 * time.Hour
	defaultHint = 5 * time.Minute // recommended in SPIFFE Federation, Section 4.1
)

// maxKeys bounds a bundle as package jose bounds a JWK set.
const maxKeys = 100

var errNoKeys = errors.New("the trust domain has no keys: no SVID can be verified")

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
	if len(list) > maxKeys {
		return document{}, fmt.Errorf("the SPIFFE bundle has %d keys, more than %d", len(list), maxKeys)
	}
	return doc.fill(list)
}

// fill sorts the keys of a bundle by what they are for. A key never serves for
// the other kind of SVID: SPIFFE Trust Domain and Bundle, Section 4.2.2.
func (d document) fill(list []any) (document, error) {
	ours := []any{}
	var skipped []error
	for i, key := range list {
		switch use(key) {
		case "jwt-svid":
			ours = append(ours, key)
		case "x509-svid":
			root, err := x509Authority(key)
			if err != nil {
				skipped = append(skipped, fmt.Errorf("key %d of the SPIFFE bundle: %w", i+1, err))
				continue
			}
			d.roots = append(d.roots, root)
		}
	}
	filtered, err := json.Marshal(map[string]any{"keys": ours})
	if err != nil {
		return document{}, notKeys("a SPIFFE bundle", err)
	}
	set, bad, err := jose.ReadSet(filtered)
	if err != nil {
		return document{}, notKeys("a SPIFFE bundle", err)
	}
	skipped = append(skipped, bad...)
	if set.Len() == 0 && len(d.roots) == 0 {
		skipped = append(skipped, errNoKeys)
	}
	d.Set, d.finding = set, errors.Join(skipped...)
	return d, nil
}

// x509Authority reads a key for X.509-SVIDs: of its `x5c` the first value
// counts, and one without is not used (X509-SVID, Section 6.2). That is
// reported, since nobody publishes such a key on purpose. A `kid`, which it
// should not have, names nothing.
func x509Authority(key any) (*x509.Certificate, error) {
	members, _ := key.(map[string]any)
	chain, _ := members["x5c"].([]any)
	if len(chain) == 0 {
		return nil, errors.New("it is for X.509-SVIDs and has no x5c")
	}
	text, _ := chain[0].(string)
	der, err := base64.StdEncoding.Strict().DecodeString(text) // RFC 7517, Section 4.7: not base64url
	if err != nil {
		return nil, errors.New("its x5c is no base64")
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("its certificate is none")
	}
	if err := checkAuthority(root); err != nil {
		return nil, err
	}
	// RFC 7517, Section 4.7: the certificate is for the key beside it. Which of
	// two was meant is not for us to guess.
	bare := maps.Clone(members)
	for _, name := range []string{"use", "kid", "x5c", "alg", "key_ops"} {
		delete(bare, name)
	}
	raw, err := json.Marshal(bare)
	if err != nil {
		return nil, errors.New("it is no key")
	}
	beside, err := jose.ReadKey(raw)
	if err != nil {
		return nil, err
	}
	public, ok := root.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(beside.Public) {
		return nil, errors.New("its x5c is for another key")
	}
	return root, nil
}

// checkAuthority checks that a certificate is that of an authority (X509-SVID,
// Section 4.1), and its key one to verify with.
func checkAuthority(c *x509.Certificate) error {
	if !c.BasicConstraintsValid || !c.IsCA {
		return errors.New("its certificate is not that of an authority")
	}
	if flaw := (jose.Key{Public: c.PublicKey}).Flaw(); flaw != "" {
		return &jose.Error{Fault: flaw}
	}
	return nil
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
