package keys

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// defaultStale is that of the registry, so that both stop together.
const defaultStale = 4 * time.Second

// Config of a Ring. Only Alg, Now and Report may be empty.
type Config struct {
	KEK []byte // 32 bytes: ParseKEK, NewKEK
	Alg string // of the keys to be made: ES256, RS256 or EdDSA; "" = ES256. A change takes effect with the next rotation

	RotateEvery   time.Duration // a key signs this long
	PublishBefore time.Duration // a key is in the JWKS this long before it signs; at least the JWKS' max-age
	MaxTTL        time.Duration // of any token: how long a superseded key is still needed

	// Load reads every row. Insert adds one, but returns ErrRaced and adds
	// nothing unless the row with the greatest Created has the kid
	// expectedNewest ("" = the table is empty): the store decides races.
	Load   func(ctx context.Context) ([]Row, error)
	Insert func(ctx context.Context, row Row, expectedNewest string) error

	// Stale is how old the last reading may be for a key to sign: a key that
	// was revoked elsewhere must not sign on where the store cannot be read. It
	// is real time, whatever Now says. 0 = 4 s.
	Stale time.Duration

	Now    func() time.Time // nil = time.Now
	Report func(error)      // what Run could not do, once per change; nil = dropped
}

// Ring holds the opened keys. Refresh it once before use; Run keeps it fresh.
// Safe for concurrent use.
type Ring struct {
	cfg   Config
	aead  cipher.AEAD
	mu    sync.Mutex // one Refresh at a time
	state atomic.Pointer[state]
}

// New makes an empty ring, which signs nothing until Refresh.
func New(cfg Config) (*Ring, error) {
	switch {
	case cfg.Load == nil || cfg.Insert == nil:
		return nil, errors.New("keys: Config.Load and Config.Insert are required")
	case cfg.RotateEvery <= 0 || cfg.MaxTTL <= 0:
		return nil, errors.New("keys: Config.RotateEvery and Config.MaxTTL must be positive")
	case cfg.PublishBefore < 0 || cfg.PublishBefore >= cfg.RotateEvery:
		return nil, errors.New("keys: Config.PublishBefore must be shorter than RotateEvery")
	}
	switch cfg.Alg {
	case "":
		cfg.Alg = "ES256"
	case "ES256", "RS256", "EdDSA":
	default:
		return nil, fmt.Errorf("keys: cannot sign with %q, want ES256, RS256 or EdDSA", cfg.Alg)
	}
	aead, err := newSealer(cfg.KEK)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	cfg.KEK = nil // the cipher has it
	if cfg.Stale == 0 {
		cfg.Stale = defaultStale
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Report == nil {
		cfg.Report = func(error) {}
	}
	r := &Ring{cfg: cfg, aead: aead}
	r.state.Store(&state{jwks: []byte(`{"keys":[]}`)})
	return r, nil
}

// Sign signs payload with the newest key that may sign now. ErrNoKey when
// there is none: an older key never steps in, because verifiers may have
// forgotten it.
func (r *Ring) Sign(typ string, payload []byte) (compact string, err error) {
	k, err := r.signing()
	if err != nil {
		return "", err
	}
	return k.signer.Sign(typ, payload)
}

// signing is the key that may sign now.
func (r *Ring) signing() (*key, error) {
	s := r.state.Load()
	if time.Since(s.read) > r.cfg.Stale {
		return nil, ErrNoKey
	}
	k := s.active(r.cfg.Now())
	if k == nil || k.signer == nil {
		return nil, ErrNoKey
	}
	return k, nil
}

// Ready returns nil when a key may sign now, else ErrNoKey.
func (r *Ring) Ready() error {
	_, err := r.signing()
	return err
}

// Public is the verification key of one of our own tokens. Errors are
// ErrRevoked, or a *jose.Error for a kid that is not ours (any more) and for
// an algorithm that is not the key's.
func (r *Ring) Public(alg, kid string) (jose.Key, error) {
	now := r.cfg.Now()
	for _, k := range r.state.Load().keys {
		switch {
		case k.row.Kid != kid:
			continue
		case k.row.Revoked != nil:
			return jose.Key{}, ErrRevoked
		case k.signer == nil || !k.published(now, r.cfg.MaxTTL):
			return jose.Key{}, &jose.Error{Fault: jose.FaultKidUnknown}
		case k.row.Alg != alg: // RFC 8725, Section 3.1
			return jose.Key{}, &jose.Error{Fault: jose.FaultKeyAlgMismatch}
		}
		return k.signer.Key(), nil
	}
	return jose.Key{}, &jose.Error{Fault: jose.FaultKidUnknown}
}

// JWKS is the published key set (RFC 7517, Section 5) as of the last Refresh.
// The caller must not change it.
func (r *Ring) JWKS() []byte { return r.state.Load().jwks }
