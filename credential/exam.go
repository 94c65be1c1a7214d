package credential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tokenry/tokenry/jose"
	"github.com/tokenry/tokenry/registry"
)

// position is where in a request a credential stands.
type position int

const (
	asSubject     position = iota // subject_token or actor_token
	asAssertion                   // client_assertion
	asGrant                       // assertion of a jwt-bearer grant
	asCertificate                 // of the connection, or forwarded by a proxy
)

// exam is one verification on its way. Each step either passes, and what it
// found is in here for the next one, or fails and ends the exam.
type exam struct {
	*Verifier
	position position
	rules    *registry.Rules // one snapshot for the whole exam
	now      time.Time       // one instant for the whole exam
	raw      string          // the token itself, for the API server that made it
	token    *jose.Token     // nil for a certificate
	claims   jose.Object     // of token; nothing in it is believed before the signature step
	issuer   *registry.IssuerEntry
	idToken  bool // declared as one
	identity Identity
	nearest  *trial // of those that failed, the one that came furthest; nil = none was held
	checks   []Check
}

// open begins an exam, of a token or of a certificate.
func (v *Verifier) open(p position) *exam {
	return &exam{
		Verifier: v, position: p, rules: v.model.Rules(), now: v.config.Now(),
		checks: make([]Check, 0, 12),
	}
}

// read opens the exam of one token: the strict JOSE door, and nothing of what
// lies behind it.
func (v *Verifier) read(raw string, p position) (*exam, error) {
	e := v.open(p)
	e.raw = raw
	token, err := jose.Parse(raw)
	if err != nil {
		return nil, e.refused(CheckForm, err)
	}
	e.token, e.claims = token, token.Claims
	e.identity.KeyID, e.identity.Alg = token.Kid, token.Alg
	e.pass(CheckForm, GoodForm, "")
	return e, nil
}

// pass notes a check that passed.
func (e *exam) pass(check, shown, wanted string) {
	e.checks = append(e.checks, Check{Name: check, OK: true, Shown: cut(shown), Wanted: cut(wanted)})
}

// fail ends the exam at check.
func (e *exam) fail(check, fault, shown, wanted string) error {
	return e.failed(check, &Fault{Name: fault, Shown: shown, Wanted: wanted})
}

// refused ends the exam at check with what another package found.
func (e *exam) refused(check string, err error) error {
	var bad *jose.Error
	if errors.As(err, &bad) {
		return e.failed(check, &Fault{Name: string(bad.Fault), Shown: bad.Error(), Err: err})
	}
	// Whatever is no fault of the token is ours or the issuer's: 503.
	return e.failed(check, &Fault{Name: FaultUnavailable, Err: fmt.Errorf("%w: %w", ErrUnavailable, err)})
}

func (e *exam) failed(check string, f *Fault) error {
	f.Shown, f.Wanted = cut(f.Shown), cut(f.Wanted)
	f.Checks = append(e.checks, Check{Name: check, Shown: f.Shown, Wanted: f.Wanted})
	if e.issuer != nil {
		f.Issuer, f.Tokens = e.issuer.Name, speaksOf(e.issuer.Spec)
	}
	f.Agent = e.identity.Agent
	return f
}

// believe says whose claims the exam is about to check.
func (e *exam) believe(issuer *registry.IssuerEntry, url string) error {
	e.issuer = issuer
	e.identity.Issuer, e.identity.IssuerURL, e.identity.Tokens = issuer.Name, url, speaksOf(issuer.Spec)
	if issuer.State != registry.Active { // one in shadow mode is heard to the end
		return e.fail(CheckIssuer, FaultIssuerDisabled, string(issuer.State), string(registry.Active))
	}
	e.pass(CheckIssuer, url, string(issuer.Name))
	return nil
}

// signature verifies the token with the keys of the issuer that it was routed
// to, and with no others: RFC 7523, Section 3, rule 9.
func (e *exam) signature(ctx context.Context) error {
	algs := e.issuer.Spec.SignedWith()
	if !slices.Contains(algs, e.token.Alg) { // RFC 8725, Section 3.1
		return e.fail(CheckSignature, string(jose.FaultAlgNotAllowed), e.token.Alg, list(algs))
	}
	set, err := e.sources.set(e.rules, e.issuer)
	if err != nil {
		return e.refused(CheckSignature, err)
	}
	return e.verify(func() (jose.Key, error) { return set.Key(ctx, e.token.Alg, e.token.Kid) })
}

// verify checks the signature with the key that choose finds.
func (e *exam) verify(choose func() (jose.Key, error)) error {
	key, err := choose()
	if err != nil {
		return e.refused(CheckSignature, err)
	}
	if err := e.token.Verify(key); err != nil {
		return e.refused(CheckSignature, err)
	}
	e.identity.KeyID = key.Kid
	e.pass(CheckSignature, e.token.Alg, key.Kid)
	return nil
}

// subject reads `sub`, which every credential must have (RFC 7523, Section 3,
// rule 2).
func (e *exam) subject() error {
	sub, _, err := e.claims.String("sub")
	if err != nil || sub == "" {
		return e.fail(CheckClaims, FaultSubject, kindOf(e.claims["sub"]), "a string that is not empty")
	}
	e.identity.Subject = sub
	return nil
}

// done closes an exam that passed.
func (e *exam) done() *Identity {
	e.identity.Checks = e.checks
	return &e.identity
}

// plain returns the claims as conditions see them, once shape has read them.
func (e *exam) plain() map[string]any { return e.identity.Claims }

// speaksOf is what the tokens of an issuer speak of.
func speaksOf(spec *registry.TrustedIssuer) registry.Tokens {
	if spec.Type == registry.OIDC {
		return spec.SubjectTokens()
	}
	return registry.WorkloadTokens
}

// cut shortens s to 256 bytes, at a character's edge.
func cut(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
