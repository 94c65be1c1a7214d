// Package dpop checks DPoP proofs (RFC 9449, Section 4.3): that one was made by
// the key that it brings along, for this request and just now. What an
// authorization server and a resource server ask of a proof beyond that stands
// with them: that it was not used before, that its nonce is one of theirs, and
// which key it has to be.
package dpop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// How far `iat` of a proof may be from our clock, when Request leaves it open
// (RFC 9449, Section 11.1: seconds, or minutes at most).
const (
	MaxAge   = time.Minute      // behind
	MaxAhead = 10 * time.Second // ahead
)

// maxID is the longest `jti`, in bytes: it is kept as long as the proof could be
// shown again, by resource servers perhaps as it is.
const maxID = 256

// Request is what a proof must have been made for.
type Request struct {
	Method string   // of the HTTP request; required
	URLs   []string // every URL under which clients reach the endpoint; one at least

	// AccessToken is the token that the proof goes with, whose hash must be `ath`;
	// empty = there is none yet, as at a token endpoint.
	AccessToken string

	Now time.Time // required
}

// Proof is a proof that was verified. Its nonce was not looked at.
type Proof struct {
	JKT      string    // RFC 7638 SHA-256 thumbprint of the key, base64url
	Alg      string    // of the signature
	ID       string    // `jti`, 1 to 256 bytes: single-use for this key and URL
	URL      string    // `htu`, normalised
	Nonce    string    // `nonce`; empty = it has none
	IssuedAt time.Time // `iat`
}

// Expires is when the proof is too old to be taken, by whomever's clock is right.
func (p *Proof) Expires() time.Time { return p.IssuedAt.Add(MaxAge + time.Second) }

// Error is a proof refused. Its text never quotes the proof; Shown and Wanted are
// for whoever may see what a client sent.
type Error struct {
	Member string // "htu", "iat", …; of what is wrong below the claims "proof"
	Shown  string
	Wanted string
	Err    error // the cause, when package jose found it
}

// Error names the member.
func (e *Error) Error() string {
	if e.Err != nil {
		return "DPoP proof refused: " + e.Err.Error()
	}
	return "DPoP proof refused: " + e.Member
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Verify checks a proof: RFC 9449, Section 4.3, checks 2 to 9, 11 and, with an
// access token, 12. The error is an *Error, unless r is incomplete.
func Verify(compact string, r Request) (*Proof, error) {
	if r.Method == "" || len(r.URLs) == 0 || r.Now.IsZero() {
		return nil, errors.New("dpop: Request.Method, URLs and Now are required")
	}
	t, key, err := jose.VerifyProof(compact)
	if err != nil {
		return nil, &Error{Member: "proof", Shown: err.Error(), Wanted: "one signed " + jose.ProofType + " with its own public key", Err: err}
	}
	p := &Proof{JKT: key.Thumbprint(), Alg: t.Alg}
	for _, check := range []func(jose.Object, *Request) error{p.method, p.url, p.times, p.id, p.nonce, p.token} {
		if err := check(t.Claims, &r); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func refuse(member, shown, wanted string) error {
	return &Error{Member: member, Shown: shown, Wanted: wanted}
}

// method: methods are case-sensitive (RFC 9110, Section 9.1).
func (p *Proof) method(o jose.Object, r *Request) error {
	htm, _, err := o.String("htm")
	if err != nil || htm != r.Method {
		return refuse("htm", htm, r.Method)
	}
	return nil
}

// url compares `htu` with the URLs of the endpoint, without query and fragment.
func (p *Proof) url(o jose.Object, r *Request) error {
	htu, _, err := o.String("htu")
	if err != nil || htu == "" {
		return refuse("htu", "none", r.URLs[0])
	}
	p.URL, err = Normal(htu)
	if err != nil {
		return refuse("htu", htu, r.URLs[0])
	}
	for _, ours := range r.URLs {
		if n, err := Normal(ours); err == nil && n == p.URL {
			return nil
		}
	}
	return refuse("htu", p.URL, r.URLs[0])
}

// times checks `iat`, and `exp` and `nbf` of a proof that has them, which RFC
// 7519, Section 4.1 does not let a reader ignore.
func (p *Proof) times(o jose.Object, r *Request) error {
	at, ok, err := o.Time("iat")
	if err != nil || !ok {
		return refuse("iat", "none", "seconds since 1970")
	}
	// In whole seconds, as it is written: both ends are within.
	if now := r.Now.Truncate(time.Second); at.Before(now.Add(-MaxAge)) || at.After(now.Add(MaxAhead)) {
		return refuse("iat", stamp(at), fmt.Sprintf("%s, %s earlier to %s later", stamp(now), MaxAge, MaxAhead))
	}
	p.IssuedAt = at
	exp, hasExp, err := o.Time("exp")
	if err != nil || hasExp && !r.Now.Before(exp) {
		return refuse("exp", stamp(exp), "after "+stamp(r.Now))
	}
	nbf, _, err := o.Time("nbf")
	if err != nil || nbf.After(r.Now.Add(MaxAhead)) {
		return refuse("nbf", stamp(nbf), "not after "+stamp(r.Now))
	}
	return nil
}

func (p *Proof) id(o jose.Object, _ *Request) error {
	id, _, err := o.String("jti")
	if err != nil || id == "" || len(id) > maxID {
		return refuse("jti", fmt.Sprintf("%d bytes", len(id)), fmt.Sprintf("a string of 1 to %d bytes", maxID))
	}
	p.ID = id
	return nil
}

func (p *Proof) nonce(o jose.Object, _ *Request) error {
	nonce, has, err := o.String("nonce")
	if err != nil || has && nonce == "" {
		return refuse("nonce", "no string, or empty", "the value of DPoP-Nonce")
	}
	p.Nonce = nonce
	return nil
}

// token compares `ath` with the access token: RFC 9449, Section 4.2. A proof that
// names one where none goes with it was made for another request.
func (p *Proof) token(o jose.Object, r *Request) error {
	if r.AccessToken == "" {
		if _, has := o["ath"]; has {
			return refuse("ath", "there", "none, for there is no access token")
		}
		return nil
	}
	sum := sha256.Sum256([]byte(r.AccessToken))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	ath, _, err := o.String("ath")
	if err != nil || subtle.ConstantTimeCompare([]byte(ath), []byte(want)) != 1 {
		return refuse("ath", ath, want)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
