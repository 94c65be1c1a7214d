package admin

import (
	"context"
	"slices"
	"time"

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
	out := &struct{ Body api.KeyList }{}
	out.Body.Items = make([]api.Key, 0, len(rows))
	for i, r := range rows {
		out.Body.Items = append(out.Body.Items, api.Key{
			Kid: r.Kid, Alg: r.Alg, State: keyState(rows, i, s.Now(), s.MaxTTL),
			Created: r.Created, ActiveFrom: r.ActiveFrom, Retired: r.Retired, Revoked: r.Revoked,
		})
	}
	slices.Reverse(out.Body.Items) // newest first
	return out, nil
}

// keyState tells what rows[i] is good for. As in package keys it follows from
// the times alone: a key signs until the next one does.
func keyState(rows []keys.Row, i int, now time.Time, maxTTL time.Duration) api.KeyState {
	r := rows[i]
	var end time.Time // of its signing; zero = not in sight
	for _, next := range rows {
		if later := next.ActiveFrom.After(r.ActiveFrom); later && signed(next) && (end.IsZero() || next.ActiveFrom.Before(end)) {
			end = next.ActiveFrom
		}
	}
	if r.Retired != nil && (end.IsZero() || r.Retired.Before(end)) {
		end = *r.Retired
	}
	switch {
	case r.Revoked != nil:
		return api.KeyRevoked
	case !end.IsZero() && !now.Before(end.Add(maxTTL)):
		return api.KeyRetired
	case r.Retired != nil || !end.IsZero() && !now.Before(end):
		return api.KeyRetiring
	case now.Before(r.ActiveFrom):
		return api.KeyPublished
	}
	return api.KeyActive
}

// signed says that a key signs, did or will: one that was stopped before its
// time takes over from nobody.
func signed(r keys.Row) bool {
	stopped := func(t *time.Time) bool { return t != nil && !t.After(r.ActiveFrom) }
	return !stopped(r.Retired) && !stopped(r.Revoked)
}
