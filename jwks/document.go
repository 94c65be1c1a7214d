package jwks

import (
	"crypto/x509"
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

// notKeys says that a document is not what it should be. The cause is put in
// words and not wrapped: callers take a *jose.Error for the fault of a
// credential, and this is the source's.
func notKeys(what string, err error) error {
	return fmt.Errorf("this is not %s: %s", what, err.Error())
}
