package admin_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/keys"
	"github.com/tokenry/tokenry/registry"
	"github.com/tokenry/tokenry/server/admin"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	p := start(t)
	s, err := p.Status(t.Context())
	if err != nil || s.Version != "1.2.3" || s.Schema != (api.Schema{Version: 3, Wanted: 4}) || s.Replica.Fresh {
		t.Errorf("at the start: %+v, %v", s, err)
	}
	p.standard(t)
	s, err = p.Status(t.Context())
	if err != nil || !s.Replica.Fresh || s.Replica.Change == 0 || time.Since(s.Replica.LastRead) > time.Minute {
		t.Errorf("after a write: %+v, %v", s, err)
	}
}

func TestStatusWithoutSchema(t *testing.T) {
	t.Parallel()
	p := start(t, func(c *admin.Config) {
		c.Schema = func(context.Context) (api.Schema, error) { return api.Schema{}, errors.New("no such table") }
	})
	_, err := p.Status(t.Context())
	refused(t, err, http.StatusInternalServerError, api.CodeInternal)
}

// TestKeys: what a key is good for follows from its times and its neighbours'.
func TestKeys(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	p := start(t, func(c *admin.Config) { c.Now = func() time.Time { return now } })
	add := func(kid string, created, from time.Duration, retired, revoked *time.Time) {
		t.Helper()
		rows, err := p.db.SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newest := ""
		if len(rows) > 0 {
			newest = rows[len(rows)-1].Kid
		}
		row := keys.Row{Kid: kid, Alg: "ES256", Sealed: []byte("sealed"), Created: now.Add(created), ActiveFrom: now.Add(from), Retired: retired, Revoked: revoked}
		if err := p.db.InsertSigningKey(t.Context(), row, newest); err != nil {
			t.Fatal(err)
		}
	}
	at := func(d time.Duration) *time.Time { v := now.Add(d); return &v }
	const h = time.Hour // also the longest life of a token
	add("a", -90*h, -90*h, nil, nil)
	add("b", -80*h, -80*h, nil, at(-79*h))
	add("c", -70*h, -70*h, at(-30*time.Minute), nil)
	add("d", -60*h, -5*time.Minute, at(-59*h), nil) // never signed, so that it takes over from nobody
	add("e", -30*time.Minute, -30*time.Minute, nil, nil)
	add("f", -20*time.Minute, -10*time.Minute, nil, nil)
	add("g", -5*time.Minute, h, nil, nil)
	list, err := p.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range list.Items {
		got = append(got, k.Kid+" "+string(k.State))
	}
	want := []string{"g published", "f active", "e retiring", "d retired", "c retiring", "b revoked", "a retired"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A stop counts at once, even by a clock that is ahead of ours.
	if err := p.db.RetireSigningKey(t.Context(), principal, "f", "drill"); err != nil {
		t.Fatal(err)
	}
	stopped, err := p.Keys(t.Context())
	if err != nil || stopped.Items[1].State != api.KeyRetiring || !stopped.Items[1].Retired.After(now) {
		t.Errorf("f is %+v, %v; want it retiring", stopped.Items[1], err)
	}
	if k := list.Items[0]; k.Alg != "ES256" || !k.ActiveFrom.Equal(now.Add(h)) || !k.Created.Equal(now.Add(-5*time.Minute)) {
		t.Errorf("got %+v", k)
	}
}

// TestRotateSecret: a secret is shown once, and only its hash is kept.
func TestRotateSecret(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	ctx := t.Context()
	first, err := p.RotateSecret(ctx, "research-agent")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(first.Secret)
	if err != nil || len(raw) != 32 || first.ClientID != "research-agent" {
		t.Errorf("got %+v, %v; want 256 bits", first, err)
	}
	o, err := p.db.Object(ctx, registry.KindAgent, "research-agent")
	if want := sha256.Sum256([]byte(first.Secret)); err != nil || !slices.Equal(o.SecretHash, want[:]) {
		t.Errorf("kept %x, %v; want the SHA-256 of the secret", o.SecretHash, err)
	}
	if e := p.model.Agent("research-agent"); e == nil || !slices.Equal(e.SecretHash, o.SecretHash) {
		t.Error("this replica does not know the secret that it has just shown")
	}
	second, err := p.RotateSecret(ctx, o.ID)
	if err != nil || second.Secret == first.Secret {
		t.Errorf("the second time %+v, %v", second, err)
	}
	shown, err := p.Object(ctx, registry.KindAgent, "research-agent")
	if err != nil || !shown.Status.Secret || shown.Status.Version != 1 {
		t.Errorf("got %+v, %v", shown.Status, err)
	}
	_, err = p.RotateSecret(ctx, "nobody")
	refused(t, err, http.StatusNotFound, api.CodeNotFound)
}

// TestRotateSecretNeedsOptIn: an agent has a secret only if its blueprint says
// that it may.
func TestRotateSecretNeedsOptIn(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t)
	for _, auth := range []string{"", `,"clientAuth":["federated","private_key_jwt"]`} {
		spec := `{"resources":[{"name":"calendar","scopes":["calendar.read"]}]` + auth + `}`
		if _, err := p.Put(t.Context(), object(registry.KindBlueprint, "researcher", spec), api.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err := p.RotateSecret(t.Context(), "research-agent")
		refused(t, err, http.StatusUnprocessableEntity, api.CodeSecretNotAllowed)
	}
	a := p.send(t, request{method: http.MethodPost, path: "/agents/research-agent:rotate-secret?dry_run=true"})
	a.want(t, http.StatusUnprocessableEntity, api.CodeSecretNotAllowed)
	o, err := p.db.Object(t.Context(), registry.KindAgent, "research-agent")
	if err != nil || o.SecretHash != nil {
		t.Errorf("it has one: %x, %v", o.SecretHash, err)
	}
}
