package storage_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/storage"
	"github.com/tokenry/tokenry/storage/storagetest"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ids := make([]string, 5)
	for i := range ids {
		e := issued()
		e.Time = start.Add(time.Duration(i) * time.Minute)
		if i%2 == 1 {
			e.Kind, e.Reason, e.Actor, e.JTI = audit.TokenRefused, "exchange.no_rule", "other-agent", ""
		}
		ids[i] = e.ID
		write(t, db, e)
	}
	for _, test := range []struct {
		name   string
		filter storage.EventFilter
		want   []int // newest first
	}{
		{"all", storage.EventFilter{}, []int{4, 3, 2, 1, 0}},
		{"kind", storage.EventFilter{Kinds: []audit.Kind{audit.TokenRefused}}, []int{3, 1}},
		{"kinds", storage.EventFilter{Kinds: []audit.Kind{audit.TokenRefused, audit.TokenIssued}}, []int{4, 3, 2, 1, 0}},
		{"actor", storage.EventFilter{Actor: "research-agent"}, []int{4, 2, 0}},
		{"reason and target", storage.EventFilter{Reason: "exchange.no_rule", Target: "llm"}, []int{3, 1}},
		{"another subject", storage.EventFilter{Subject: "corp|bob"}, nil},
		{"txn", storage.EventFilter{Txn: "t"}, []int{4, 3, 2, 1, 0}},
		{"another jti", storage.EventFilter{JTI: "tok_0"}, nil},
		{"time", storage.EventFilter{Since: start.Add(time.Minute), Until: start.Add(3 * time.Minute)}, []int{2, 1}},
	} {
		var got []string
		for cursor := ""; ; { // pages of two
			page, next, err := db.Events(t.Context(), test.filter, cursor, 2)
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			for _, e := range page {
				got = append(got, e.ID)
			}
			if cursor = next; next == "" {
				break
			}
		}
		var want []string
		for _, i := range test.want {
			want = append(want, ids[i])
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v, want %v", test.name, got, want)
		}
	}
	last, err := db.LastRefused(t.Context())
	if err != nil || last.ID != ids[3] {
		t.Errorf("LastRefused: %s, %v; want %s", last.ID, err, ids[3])
	}
}

func TestEventsNone(t *testing.T) {
	t.Parallel()
	db := storagetest.Open(t)
	if _, err := db.LastRefused(t.Context()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("LastRefused: %v, want ErrNotFound", err)
	}
	if _, err := db.Event(t.Context(), "dec_1"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Event: %v, want ErrNotFound", err)
	}
	if _, _, err := db.Events(t.Context(), storage.EventFilter{}, "x'", 1); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Events: %v, want ErrNotFound for a cursor that nobody gave", err)
	}
}

// TestAppendOnly: not even the owner of the tables changes the trail by a slip.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	url := storagetest.URL(t)
	db := storagetest.OpenURL(t, url)
	old, young := issued(), issued()
	old.Time = old.Time.Add(-time.Hour)
	write(t, db, old, young)
	conn := connect(t, url)
	for _, sql := range []string{
		"UPDATE tokenry.audit_events SET actor = ''", "DELETE FROM tokenry.audit_events", "TRUNCATE tokenry.audit_events",
		"UPDATE tokenry.registry_history SET spec = '{}'", "DELETE FROM tokenry.registry_history", "TRUNCATE tokenry.registry_history",
		"UPDATE tokenry.issuer_identities SET identity = ''", "DELETE FROM tokenry.issuer_identities",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: got %v, want it refused", sql, err)
		}
	}
	n, err := db.PurgeEvents(t.Context(), time.Since(young.Time)+time.Minute)
	if err != nil || n != 1 {
		t.Errorf("PurgeEvents: %d, %v; want 1", n, err)
	}
	if _, err := db.Event(t.Context(), young.ID); err != nil {
		t.Errorf("the event within its retention: %v", err)
	}
}
