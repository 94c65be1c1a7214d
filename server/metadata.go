package server

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tokenry/tokenry/oauth"
	"github.com/tokenry/tokenry/server/clientcert"
)

// metadata is RFC 8414, Section 2.
type metadata struct {
	Issuer                  string            `json:"issuer"`
	TokenEndpoint           string            `json:"token_endpoint"`
	JWKSURI                 string            `json:"jwks_uri"`
	GrantTypes              []oauth.GrantType `json:"grant_types_supported"`
	AuthMethods             []string          `json:"token_endpoint_auth_methods_supported"`
	AuthAlgorithms          []string          `json:"token_endpoint_auth_signing_alg_values_supported"`
	AuthorizationEndpoint   string            `json:"authorization_endpoint"`
	ResponseTypes           []string          `json:"response_types_supported"`
	CodeChallengeMethods    []string          `json:"code_challenge_methods_supported"`
	SubjectTypes            []string          `json:"subject_types_supported"`
	IDTokenSigningAlgorithm []string          `json:"id_token_signing_alg_values_supported"`
	ServiceDocumentation    string            `json:"service_documentation"`
	MTLSAliases             *mtlsAliases      `json:"mtls_endpoint_aliases,omitempty"`
}

// mtlsAliases are the endpoints for clients with a certificate: RFC 8705,
// Section 5.
type mtlsAliases struct {
	TokenEndpoint string `json:"token_endpoint"`
}

// metadataDocument describes this server. The members about authorization
// codes are there because installed clients insist on them; the endpoint they
// name always refuses (docs/divergences.md, RFC 8414).
func (s *Server) metadataDocument() ([]byte, error) {
	issuer := strings.TrimRight(s.Issuer, "/")
	var aliases *mtlsAliases
	if s.MTLSURL != "" {
		aliases = &mtlsAliases{TokenEndpoint: strings.TrimRight(s.MTLSURL, "/") + "/token"}
	}
	return json.Marshal(metadata{
		Issuer:        s.Issuer,
		TokenEndpoint: oauth.TokenEndpoint(s.Issuer),
		JWKSURI:       issuer + "/.well-known/jwks.json",
		GrantTypes:    s.Endpoint.GrantTypes(), // explicit: the default would claim authorization_code
		AuthMethods:   s.authMethods(),
		// RFC 8414, Section 2: required with private_key_jwt, without "none".
		AuthAlgorithms:          []string{"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"},
		AuthorizationEndpoint:   issuer + "/authorize",
		ResponseTypes:           []string{"code"},
		CodeChallengeMethods:    []string{"S256"},
		SubjectTypes:            []string{"public"},
		IDTokenSigningAlgorithm: []string{s.Algorithm},
		ServiceDocumentation:    "https://github.com/tokenry/tokenry",
		MTLSAliases:             aliases,
	})
}

// authMethods lists the ways to authenticate that work here: those by a
// certificate only where one can arrive, and be verified.
func (s *Server) authMethods() []string {
	methods := []string{"private_key_jwt", "spiffe_jwt", "client_secret_basic", "client_secret_post"}
	if !s.AsksCertificates && s.ClientCertHeader == clientcert.None {
		return methods
	}
	methods = append(methods, "spiffe_x509", "self_signed_tls_client_auth") // RFC 8705, Section 2.2.1
	if s.CertificateRoots {
		methods = append(methods, "tls_client_auth") // RFC 8705, Section 2.1.1
	}
	return methods
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) error {
	return respondCacheable(w, s.metadata)
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) error {
	return respondCacheable(w, s.JWKS())
}

// respondCacheable serves a public document. Its lifetime in caches is part of
// the promise about key rotation: keys are published longer than this before
// they sign.
func respondCacheable(w http.ResponseWriter, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-Content-Type-Options", "nosniff")
	_, err := w.Write(body)
	if err != nil {
		return nil // the client has gone
	}
	return nil
}

// authorize exists because clients insist on its presence in the metadata. It
// never redirects: nobody's redirect_uri is known here.
func (s *Server) authorize(http.ResponseWriter, *http.Request) error {
	return oauth.Refuse(oauth.ReasonResponseType, nil)
}

func (s *Server) livez(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

// readyz says whether this replica may issue tokens now.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) error {
	if err := s.Ready(); err != nil {
		return oauth.Refuse(oauth.ReasonRegistryStale, err)
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	return nil
}
