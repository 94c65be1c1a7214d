package dpop

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tokenry/tokenry/jose"
)

// Prover makes proofs with one key. Safe for concurrent use.
type Prover struct{ signer *jose.Signer }

// NewProver makes a prover. alg is ES256, RS256 or EdDSA, and key must fit it.
func NewProver(alg string, key crypto.Signer) (*Prover, error) {
	signer, err := jose.NewSigner("dpop", alg, key) // its kid is written nowhere
	if err != nil {
		return nil, err
	}
	return &Prover{signer}, nil
}

// JKT is the thumbprint of the key, as in `cnf` of the tokens bound to it.
func (p *Prover) JKT() string { return p.signer.Key().Thumbprint() }

// Proof makes the proof for one request (RFC 9449, Section 4.2): each request
// needs its own. nonce is that of the last DPoP-Nonce header, accessToken the
// token that goes with the request; both may be empty.
func (p *Prover) Proof(method, url, nonce, accessToken string, now time.Time) (string, error) {
	claims := struct {
		ID     string `json:"jti"`
		Method string `json:"htm"`
		URL    string `json:"htu"`
		Issued int64  `json:"iat"`
		Nonce  string `json:"nonce,omitempty"`
		Hash   string `json:"ath,omitempty"`
	}{rand.Text(), method, url, now.Unix(), nonce, ""}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims.Hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("dpop: making a proof: %w", err)
	}
	return p.signer.SignProof(payload)
}
