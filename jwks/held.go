package jwks

import "crypto/x509"

// HeldAuthorities returns the certificate authorities that are at hand, as
// Authorities does, and starts nothing to have others: for questions that
// strangers can make us ask, and whose answer decides nothing.
func (s *Set) HeldAuthorities() []*x509.Certificate {
	switch {
	case s.local != nil:
		s.local.mu.Lock()
		defer s.local.mu.Unlock()
		if s.local.held != nil {
			return s.local.held.roots
		}
	case s.fed != nil:
		s.fed.mu.Lock()
		defer s.fed.mu.Unlock()
		if held := s.fed.halves[x509Half].held; held != nil {
			return held.roots
		}
	case s.remote != nil:
		s.remote.mu.Lock()
		defer s.remote.mu.Unlock()
		if s.remote.held != nil {
			return s.remote.held.roots
		}
	}
	return nil
}
