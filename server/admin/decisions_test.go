package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/api"
	"github.com/tokenry/tokenry/audit"
	"github.com/tokenry/tokenry/oauth"
)

// TestDecisions lists decisions by how they ended and whom they were about.
func TestDecisions(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.standard(t) // admin events are no decisions
	now := time.Now().UTC().Truncate(time.Microsecond)
	events := []audit.Event{
		{ID: "dec_1", Time: now, Kind: audit.TokenIssued, Actor: "a", Subject: "corp|alice", Target: "calendar", JTI: "j1", Txn: "t1", Parent: "p1", Change: 1, Detail: json.RawMessage(`{"gs":["calendar.read"]}`)},
		{ID: "dec_2", Time: now, Kind: audit.TokenRefused, Actor: "a", Reason: string(oauth.ReasonScope), Detail: json.RawMessage(`{"error":"invalid_scope"}`)},
		{ID: "dec_3", Time: now, Kind: audit.TokenIssued, Actor: "b", Subject: "b", Target: "calendar", JTI: "j3"},
		{ID: "evt_4", Time: now, Kind: audit.TokenUndelivered, Actor: "b", Subject: "b", JTI: "j3", Detail: json.RawMessage(`{"decision":"dec_3"}`)},
		{ID: "evt_5", Time: now, Kind: audit.RefusalsSummed, Reason: "request.malformed", Count: 7},
	}
	if _, err := p.db.WriteEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		filter api.DecisionFilter
		want   string
	}{
		{api.DecisionFilter{}, "dec_3 undelivered, dec_3 issued, dec_2 refused, dec_1 issued"},
		{api.DecisionFilter{Outcome: api.Issued}, "dec_3 issued, dec_1 issued"},
		{api.DecisionFilter{Outcome: api.Refused}, "dec_2 refused"},
		{api.DecisionFilter{Outcome: api.Undelivered}, "dec_3 undelivered"},
		{api.DecisionFilter{Agent: "a"}, "dec_2 refused, dec_1 issued"},
		{api.DecisionFilter{Outcome: api.Refused, Agent: "b"}, ""},
	} {
		var got []string
		page := api.Page{Limit: 1}
		for {
			list, err := p.Decisions(t.Context(), row.filter, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list.Items {
				got = append(got, d.ID+" "+string(d.Outcome))
			}
			if page.Cursor = list.NextCursor; page.Cursor == "" {
				break
			}
		}
		if text := strings.Join(got, ", "); text != row.want {
			t.Errorf("%+v: %s, want %s", row.filter, text, row.want)
		}
	}
	list, err := p.Decisions(t.Context(), api.DecisionFilter{Agent: "a"}, api.Page{})
	if err != nil {
		t.Fatal(err)
	}
	reason := oauth.ReasonScope.Definition()
	want := []api.Decision{
		{ID: "dec_2", Time: now, Outcome: api.Refused, Agent: "a", Error: "invalid_scope", ErrorCode: "exchange.scope", Meaning: reason.Meaning, Fix: reason.Fix},
		{ID: "dec_1", Time: now, Outcome: api.Issued, Agent: "a", Subject: "corp|alice", Resource: "calendar", Scopes: []string{"calendar.read"}, JTI: "j1", Txn: "t1", Parent: "p1"},
	}
	if d := cmp.Diff(want, list.Items); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	p.quiet(t)
}

// TestDecisionFilterRefuses: a cursor belongs to its filter too (AM-15).
func TestDecisionFilterRefuses(t *testing.T) {
	t.Parallel()
	p := start(t)
	events := []audit.Event{{ID: "dec_1", Time: time.Now(), Kind: audit.TokenIssued, Actor: "a"}, {ID: "dec_2", Time: time.Now(), Kind: audit.TokenIssued, Actor: "a"}}
	if _, err := p.db.WriteEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	list, err := p.Decisions(t.Context(), api.DecisionFilter{Agent: "a"}, api.Page{Limit: 1})
	if err != nil || list.NextCursor == "" {
		t.Fatal(list, err)
	}
	for query, at := range map[string]string{
		"cursor=" + list.NextCursor: "query.cursor", "agent=b&cursor=" + list.NextCursor: "query.cursor",
		"outcome=lost": "query.outcome", "agent=%00": "query.agent", "agent=%27--": "query.agent", "since=now": "query.since",
	} {
		a := p.send(t, request{method: http.MethodGet, path: "/decisions?" + query}).want(t, http.StatusUnprocessableEntity, api.CodeInvalid)
		if got := locations(a.problem); got != at {
			t.Errorf("%s: refused at %q, want %q", query, got, at)
		}
	}
	p.quiet(t)
}

func TestDecision(t *testing.T) {
	t.Parallel()
	p := start(t)
	d, err := p.Decision(t.Context(), "dec_known")
	if err != nil || d.Outcome != api.Refused || len(d.Checks) != 1 {
		t.Errorf("got %+v, %v", d, err)
	}
	for _, id := range []string{"dec_unknown", "evt_known", "dec_", "dec_/../known", "dec_\x00", "known"} {
		_, err := p.Decision(t.Context(), id)
		refused(t, err, http.StatusNotFound, api.CodeNotFound)
	}
}
