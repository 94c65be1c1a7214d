package token

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/tokenry/tokenry/jose"
)

// Confirmation is the `cnf` claim (RFC 7800, Section 3.1): whoever shows the
// token must prove each key that is named here. The two methods are the ones
// that we issue; at least one is there.
type Confirmation struct {
	JKT     string // `jkt`: RFC 7638 SHA-256 thumbprint of a DPoP key (RFC 9449, Section 6.1)
	X5TS256 string // `x5t#S256`: SHA-256 of a certificate in DER (RFC 8705, Section 3.1)
}

// check holds both values to what they are: unpadded base64url of a SHA-256.
// Anything else nobody could prove.
func (c *Confirmation) check() error {
	if c.JKT == "" && c.X5TS256 == "" {
		return errors.New(`"cnf" names no key`)
	}
	for _, value := range []string{c.JKT, c.X5TS256} {
		// Strict: one thumbprint has one spelling.
		sum, err := base64.RawURLEncoding.Strict().DecodeString(value)
		if value != "" && (err != nil || len(value) != 43 || len(sum) != 32) {
			return errors.New(`"cnf" holds no SHA-256 in base64url`)
		}
	}
	return nil
}

func (w *writer) confirmation(c *Confirmation) {
	if err := c.check(); err != nil {
		w.fail(err)
		return
	}
	w.byte('{')
	w.string("jkt", c.JKT)
	w.string("x5t#S256", c.X5TS256)
	w.byte('}')
}

// confirmation reads `cnf`. RFC 7800, Section 3.1 lets a reader ignore methods
// that it does not know. Here each is a restriction that a newer replica may
// have written, so an unknown one is refused.
func (r *reader) confirmation(o jose.Object) *Confirmation {
	inner := reader{object: o}
	c := &Confirmation{JKT: inner.string("jkt"), X5TS256: inner.string("x5t#S256")}
	for name, value := range o {
		if name != "jkt" && name != "x5t#S256" {
			inner.fail(errors.New("a confirmation method that is not known"))
		} else if value == "" {
			inner.fail(fmt.Errorf("%q is empty", name))
		}
	}
	if inner.err == nil {
		inner.fail(c.check())
	}
	if inner.err != nil {
		r.fail(inner.err)
		return nil
	}
	return c
}
