package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tokenry/tokenry/jose"
)

const (
	pollEvery    = time.Second
	pollTimeout  = 3 * time.Second
	refreshTries = 4 // rounds lost to other replicas before giving up till the next poll
)

// Refresh reads the rows, and makes a key when one is due. After an error the
// ring goes on with what it could read: a revocation takes effect even if
// another key does not open, and while the store is away the last reading
// stays. At start-up any error should end the program.
func (r *Ring) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range refreshTries {
		began := time.Now()
		rows, err := r.cfg.Load(ctx)
		if err != nil {
			return fmt.Errorf("reading the signing keys: %w", err)
		}
		now := r.cfg.Now()
		s, err := r.read(rows, now)
		if s != nil {
			s.read = began
			r.state.Store(s)
		}
		if err != nil {
			return err // with the wrong KEK this replica must not make keys for the others
		}
		activeFrom, due := s.due(now, r.cfg.RotateEvery, r.cfg.PublishBefore)
		if !due {
			return nil
		}
		if err := r.add(ctx, s.latest(), now, activeFrom); err != nil && !errors.Is(err, ErrRaced) {
			return err
		}
	}
	return fmt.Errorf("making a signing key: %w", ErrRaced)
}

// Run refreshes every second until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	reported := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		refresh, cancel := context.WithTimeout(ctx, pollTimeout)
		err := r.Refresh(refresh)
		cancel()
		switch {
		case err == nil:
			reported = ""
		case ctx.Err() == nil && err.Error() != reported:
			reported = err.Error()
			r.cfg.Report(err)
		}
	}
}

// read opens the rows that are still needed. The error names the keys that do
// not open; the state is complete but for them.
func (r *Ring) read(rows []Row, now time.Time) (*state, error) {
	old := make(map[string]*jose.Signer)
	for _, k := range r.state.Load().keys {
		old[k.row.Kid] = k.signer
	}
	s := &state{keys: arrange(rows)}
	var public []jose.Key
	var failed []error
	for _, k := range s.keys {
		if !k.published(now, r.cfg.MaxTTL) {
			continue
		}
		if k.signer = old[k.row.Kid]; k.signer == nil {
			signer, err := r.unseal(k.row)
			if err != nil {
				failed = append(failed, fmt.Errorf("signing key %s: %w", k.row.Kid, err))
				continue
			}
			k.signer = signer
		}
		public = append(public, k.signer.Key())
	}
	jwks, err := jose.PublicJWKS(public)
	if err != nil {
		return nil, fmt.Errorf("writing the key set: %w", err)
	}
	s.jwks = jwks
	return s, errors.Join(failed...)
}

// unseal opens one row. Whatever is wrong inside is ErrSealed: the error of a
// parser could quote the private key.
func (r *Ring) unseal(row Row) (*jose.Signer, error) {
	private, err := open(r.aead, row.Kid, row.Alg, row.Sealed)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	key, err := jose.ParseKey(private)
	if err != nil {
		return nil, ErrSealed
	}
	signer, err := jose.NewSigner(row.Kid, row.Alg, key)
	if err != nil {
		return nil, ErrSealed
	}
	return signer, nil
}

// add makes a key and inserts it after latest.
func (r *Ring) add(ctx context.Context, latest *Row, now, activeFrom time.Time) error {
	row, err := r.generate()
	if err != nil {
		return fmt.Errorf("making a signing key: %w", err)
	}
	// Microseconds are what Postgres keeps. Created must grow from row to row,
	// even if our clock is behind the one that made the last.
	row.Created = now.UTC().Truncate(time.Microsecond)
	row.ActiveFrom = activeFrom.UTC().Truncate(time.Microsecond)
	expected := ""
	if latest != nil {
		expected = latest.Kid
		if !row.Created.After(latest.Created) {
			row.Created = latest.Created.Add(time.Microsecond)
		}
	}
	if err := r.cfg.Insert(ctx, row, expected); err != nil {
		return fmt.Errorf("inserting signing key %s: %w", row.Kid, err)
	}
	return nil
}

// generate makes a sealed key named by its RFC 7638 thumbprint.
func (r *Ring) generate() (Row, error) {
	key, err := jose.GenerateKey(r.cfg.Alg)
	if err != nil {
		return Row{}, err
	}
	private, err := jose.MarshalKey(key)
	if err != nil {
		return Row{}, err
	}
	defer clear(private)
	kid := jose.Key{Alg: r.cfg.Alg, Public: key.Public()}.Thumbprint()
	return Row{Kid: kid, Alg: r.cfg.Alg, Sealed: seal(r.aead, kid, r.cfg.Alg, private)}, nil
}
