package admin

import (
	"context"
	"slices"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/keys"
)

// keys lists our signing keys. Their private halves are not even read into the
// answer's type.
func (s *server) keys(ctx context.Context, _ *struct{}) (*struct{ Body api.KeyList }, error) {
	rows, err := s.DB.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	phases := keys.Phases(rows, s.Now(), s.MaxTTL)
	out := &struct{ Body api.KeyList }{}
	out.Body.Items = make([]api.Key, 0, len(rows))
	for _, r := range rows {
		out.Body.Items = append(out.Body.Items, api.Key{
			Kid: r.Kid, Alg: r.Alg, State: api.KeyState(phases[r.Kid]),
			Created: r.Created, ActiveFrom: r.ActiveFrom, Retired: r.Retired, Revoked: r.Revoked,
		})
	}
	slices.Reverse(out.Body.Items) // newest first
	return out, nil
}
