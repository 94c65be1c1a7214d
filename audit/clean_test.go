package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tokenry/tokenry/audit"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                              "",
		"spiffe://prod.example/a":       "spiffe://prod.example/a",
		"a\r\nlevel=ERROR":              "a\uFFFD\uFFFDlevel=ERROR",
		"\x1b[31m":                      "\uFFFD[31m",
		"\u0085\u2028":                  "\uFFFD\uFFFD",
		"Zoë":                           "Zoë",
		"\xc3":                          "\uFFFD",
		strings.Repeat("x", 257):        strings.Repeat("x", 256),
		strings.Repeat("x", 255) + "ä":  strings.Repeat("x", 255),
		strings.Repeat("x", 254) + "ä":  strings.Repeat("x", 254) + "ä",
		strings.Repeat("\xff", 100_000): strings.Repeat("\uFFFD", 85),
	} {
		if got := audit.Clean(in); got != want {
			t.Errorf("Clean(%.20q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzNote(f *testing.F) {
	f.Add("a\x00", `{"a":"\u0000"}`)
	f.Add("\xff", `["\\",{"b\"":[]}]`)
	f.Fuzz(func(t *testing.T, text, detail string) {
		s := &store{}
		l := start(t, s, audit.Config{})
		l.Note(audit.Event{Kind: audit.TokenRefused, Actor: text, Detail: json.RawMessage(detail)})
		stop(t, l)
		e := s.kept(audit.TokenRefused)[0]
		if !utf8.ValidString(e.Actor) || strings.ContainsRune(e.Actor, 0) || len(e.Actor) > audit.MaxText {
			t.Errorf("actor %q", e.Actor)
		}
		if e.Detail != nil && (!json.Valid(e.Detail) || strings.Contains(strings.ReplaceAll(string(e.Detail), `\\`, ""), `\u0000`)) {
			t.Errorf("detail %q", e.Detail)
		}
	})
}

func TestSizeCountsAllOfTheRow(t *testing.T) {
	t.Parallel()
	e := audit.Event{ID: "12345", Detail: json.RawMessage(`{}`), Replay: []audit.ReplayKey{audit.NewReplayKey("space", "v", time.Time{}, "x")}}
	if got := e.Size(); got != 24+5+2+5+32+8 {
		t.Errorf("size %d", got)
	}
}

func TestNewIDsAreUniqueAndInOrder(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1795168800000)
	a, b, later := audit.NewID("dec", now), audit.NewID("dec", now), audit.NewID("dec", now.Add(time.Millisecond))
	if a == b || a >= later || b >= later || !strings.HasPrefix(a, "dec_") || len(a) != 30 {
		t.Errorf("%s %s %s", a, b, later)
	}
}
