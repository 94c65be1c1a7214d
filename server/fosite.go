package server

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/tokenry/tokenry/grants"
	"github.com/tokenry/tokenry/oauth"
)

// newFosite composes fosite with one handler for all grants and nothing stock:
// the stock grant handlers mint and commit outside the pipeline.
func newFosite(issuer string, e *grants.Endpoint) fosite.OAuth2Provider {
	config := fositeConfig(issuer, e)
	config.TokenEndpointHandlers.Append(&handler{e})
	return fosite.NewOAuth2Provider(noStorage{}, config)
}

// fositeConfig sets every default of fosite that is unsafe here, also where
// today nothing reaches it, because its getters write the missing ones lazily,
// without a lock.
func fositeConfig(issuer string, e *grants.Endpoint) *fosite.Config {
	return &fosite.Config{
		ClientAuthenticationStrategy:   authenticate(e),
		ClientSecretsHasher:            noHasher{},
		ScopeStrategy:                  fosite.ExactScopeStrategy,
		AudienceMatchingStrategy:       fosite.ExactAudienceMatchingStrategy,
		JWKSFetcherStrategy:            noFetcher{},
		GlobalSecret:                   randomSecret(),
		TokenURL:                       oauth.TokenEndpoint(issuer),
		AccessTokenIssuer:              issuer,
		IDTokenIssuer:                  issuer,
		AccessTokenLifespan:            5 * time.Minute,
		RefreshTokenLifespan:           time.Hour,
		AuthorizeCodeLifespan:          time.Minute,
		IDTokenLifespan:                5 * time.Minute,
		GrantTypeJWTBearerMaxDuration:  5 * time.Minute,
		TokenEntropy:                   32,
		MinParameterEntropy:            fosite.MinParameterEntropy,
		SendDebugMessagesToClients:     false,
		UseLegacyErrorFormat:           false,
		EnforcePKCE:                    true,
		EnforcePKCEForPublicClients:    true,
		EnablePKCEPlainChallengeMethod: false,
		RedirectSecureChecker:          func(context.Context, *url.URL) bool { return false },
	}
}

// authenticate is fosite's hook for client authentication.
func authenticate(e *grants.Endpoint) fosite.ClientAuthenticationStrategy {
	return func(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
		request, ok := ctx.Value(fosite.AccessRequestContextKey).(fosite.AccessRequester)
		if !ok {
			return nil, errors.New("no access request in context")
		}
		d, err := decisionOf(request)
		if err != nil {
			return nil, err
		}
		if refused := e.Authenticate(ctx, d); refused != nil {
			return nil, refused
		}
		return &fosite.DefaultClient{ID: string(d.Presenter.Agent.Name)}, nil
	}
}

// handler is every grant of ours as fosite sees it.
type handler struct{ endpoint *grants.Endpoint }

// CanHandleTokenEndpointRequest is always true: unknown grant types do not
// come this far.
func (h *handler) CanHandleTokenEndpointRequest(context.Context, fosite.AccessRequester) bool {
	return true
}

// CanSkipClientAuth is never true. A request without credentials bootstraps
// inside Authenticate, so that wrong ones can never be skipped.
func (h *handler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

// HandleTokenEndpointRequest decides.
func (h *handler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	d, err := decisionOf(r)
	if err != nil {
		return err
	}
	if refused := h.endpoint.Decide(ctx, d); refused != nil {
		return refused
	}
	return nil
}

// PopulateTokenEndpointResponse issues.
func (h *handler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, w fosite.AccessResponder) error {
	d, err := decisionOf(r)
	if err != nil {
		return err
	}
	issued, refused := h.endpoint.Issue(ctx, d)
	if refused != nil {
		return refused
	}
	r.GetSession().(*session).issued = issued
	w.SetAccessToken(issued.AccessToken)
	w.SetTokenType(bearer)
	return nil
}

func decisionOf(r fosite.AccessRequester) (*grants.Decision, error) {
	s, ok := r.GetSession().(*session)
	if !ok {
		return nil, errors.New("no decision in the session")
	}
	return s.decision, nil
}

// session carries the decision through fosite, which needs a Session for its
// own tokens; we issue none of those.
type session struct {
	decision *grants.Decision
	issued   *grants.Issued
	expires  map[fosite.TokenType]time.Time
}

// SetExpiresAt is part of fosite.Session.
func (s *session) SetExpiresAt(t fosite.TokenType, at time.Time) {
	if s.expires == nil {
		s.expires = make(map[fosite.TokenType]time.Time)
	}
	s.expires[t] = at
}

// GetExpiresAt is part of fosite.Session.
func (s *session) GetExpiresAt(t fosite.TokenType) time.Time { return s.expires[t] }

// GetUsername is part of fosite.Session.
func (s *session) GetUsername() string { return "" }

// GetSubject is part of fosite.Session.
func (s *session) GetSubject() string { return "" }

// Clone is part of fosite.Session.
func (s *session) Clone() fosite.Session { c := *s; return &c }

// The following stand where fosite would reach for a default of its own. They
// refuse: nothing of ours calls them, and nothing of fosite's may.

var errClosed = errors.New("this path of fosite is closed")

type noHasher struct{}

// Compare refuses.
func (noHasher) Compare(context.Context, []byte, []byte) error { return errClosed }

// Hash refuses.
func (noHasher) Hash(context.Context, []byte) ([]byte, error) { return nil, errClosed }

// noFetcher has no method of its own: a call ends in a panic, which the token
// handler turns into a 500. A default fetcher would start goroutines and fetch
// from anywhere.
type noFetcher struct{ fosite.JWKSFetcherStrategy }

type noStorage struct{}

// GetClient refuses.
func (noStorage) GetClient(context.Context, string) (fosite.Client, error) { return nil, errClosed }

// ClientAssertionJWTValid refuses.
func (noStorage) ClientAssertionJWTValid(context.Context, string) error { return errClosed }

// SetClientAssertionJWT refuses.
func (noStorage) SetClientAssertionJWT(context.Context, string, time.Time) error { return errClosed }

func randomSecret() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}
