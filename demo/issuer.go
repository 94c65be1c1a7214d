package demo

import (
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"github.com/tokenry/tokenry/jose"
)

const (
	discoveryPath = "/.well-known/openid-configuration" // OpenID Connect Discovery 1.0, Section 4
	providerKeys  = "/jwks.json"
	clusterKeys   = "/openid/v1/jwks" // where a Kubernetes API server has it
)

// kid of the demo's keys. It need not change: a key lives as long as its
// directory, and nobody keeps the old set beyond the process that serves it.
const kid = "demo-1"

func openIssuer(url, alg, path string) (*issuer, error) {
	key, err := loadKey(alg, path)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(kid, alg, key)
	if err != nil {
		return nil, fmt.Errorf("demo: %s: %w", path, err)
	}
	set, err := jose.PublicJWKS([]jose.Key{signer.Key()})
	if err != nil {
		return nil, err
	}
	return &issuer{url: url, alg: alg, signer: signer, jwks: set}, nil
}

// loadKey reads the key at path or makes one there.
func loadKey(alg, path string) (crypto.Signer, error) {
	const block = "PRIVATE KEY" // PKCS #8: RFC 7468, Section 10
	data, err := os.ReadFile(path)
	if err == nil {
		p, _ := pem.Decode(data)
		if p == nil || p.Type != block {
			return nil, fmt.Errorf("demo: %s is not a private key; remove it to have a new one made", path)
		}
		return jose.ParseKey(p.Bytes)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := jose.GenerateKey(alg)
	if err != nil {
		return nil, err
	}
	der, err := jose.MarshalKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der}), 0o600)
}

// discovery serves the issuer's metadata; keysPath is where its keys are.
func (i *issuer) discovery(keysPath string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{
			"issuer":                                i.url,
			"jwks_uri":                              i.url + keysPath,
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{i.alg},
		})
	}
}

func (i *issuer) keys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(i.jwks) // a failed write means that the client has gone
}
