package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/registry"
)

// secretBytes is the entropy of a client secret. RFC 6749, Section 10.10, asks
// for 128 bits at least and advises 160; a machine keeps 256 as easily.
const secretBytes = 32

// rotateSecret gives an agent a new client secret. The answer is the only time
// that anybody sees it.
//
// A secret is the weakest proof that an agent can have, so the blueprint has to
// opt in. That is looked up here for the sake of the answer only: whether a
// secret proves anything is decided by the blueprint at each request.
func (s *server) rotateSecret(ctx context.Context, in *struct {
	Named
	Writing
}) (*struct{ Body api.Secret }, error) {
	agents := &noun{server: s, kind: registry.KindAgent}
	if err := agents.known(in.Name); err != nil {
		return nil, err
	}
	o, err := s.DB.Object(ctx, registry.KindAgent, in.Name)
	if err != nil {
		return nil, err
	}
	if o.IsInstance() {
		return nil, refuse(http.StatusUnprocessableEntity, api.CodeSecretNotAllowed,
			"an instance has no secret: it proves itself by the credential of its platform")
	}
	if err := s.allowsSecret(ctx, &o); err != nil {
		return nil, err
	}
	out := &struct{ Body api.Secret }{api.Secret{ClientID: o.Name}}
	if in.DryRun {
		return out, nil
	}
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	out.Body.Secret = base64.RawURLEncoding.EncodeToString(secret)
	// The hash is of the text, which is what a client sends.
	hash := sha256.Sum256([]byte(out.Body.Secret))
	// By id: the name may have been taken anew since.
	if err := s.DB.SetSecret(ctx, principalOf(ctx), o.ID, hash[:]); err != nil {
		return nil, err
	}
	s.Written(ctx)
	return out, nil
}

func (s *server) allowsSecret(ctx context.Context, o *registry.Object) error {
	if agent, ok := o.Spec.(*registry.Agent); ok {
		b, err := s.DB.Object(ctx, registry.KindBlueprint, string(agent.Blueprint))
		if err != nil {
			return err
		}
		if spec, ok := b.Spec.(*registry.Blueprint); ok && slices.Contains(spec.ClientAuth, registry.SecretAuth) {
			return nil
		}
	}
	return refuse(http.StatusUnprocessableEntity, api.CodeSecretNotAllowed,
		"the agent's blueprint does not list secret in clientAuth")
}
