package token_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tokenry/tokenry/token"
)

const (
	jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" // RFC 9449, Section 6.1
	// RFC 8705, Section 3.1, but for its last letter: that of the RFC has bits set
	// that belong to no byte.
	x5t = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg0"
)

// TestConfirmation: `cnf` is written and read with one method or both.
func TestConfirmation(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		cnf  token.Confirmation
		want string
	}{
		{token.Confirmation{JKT: jkt}, `"cnf":{"jkt":"` + jkt + `"}`},
		{token.Confirmation{X5TS256: x5t}, `"cnf":{"x5t#S256":"` + x5t + `"}`},
		{token.Confirmation{JKT: jkt, X5TS256: x5t}, `"cnf":{"jkt":"` + jkt + `","x5t#S256":"` + x5t + `"}`},
	} {
		c := agentToken()
		c.Confirmation = &row.cnf
		payload := marshal(t, c)
		if !strings.Contains(string(payload), row.want) {
			t.Errorf("wrote %s, want %s", payload, row.want)
		}
		back, err := parse(t, payload)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&row.cnf, back.Confirmation); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
	}
}

// TestConfirmationRefuses: what cannot be proven is neither written nor read.
// The other methods are those of RFC 7800, Sections 3.2 to 3.5.
func TestConfirmationRefuses(t *testing.T) {
	t.Parallel()
	for name, cnf := range map[string]token.Confirmation{
		"empty":         {},
		"short":         {JKT: jkt[1:]},
		"padded":        {JKT: jkt + "="},
		"not base64url": {X5TS256: strings.Replace(x5t, "-", "+", 1)},
		"line end":      {JKT: jkt[:42] + "\n" + jkt[42:]},
		"spare bits":    {X5TS256: "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
		"one of two":    {JKT: jkt, X5TS256: "x"},
	} {
		c := agentToken()
		c.Confirmation = &cnf
		if payload, err := c.Marshal(); err == nil {
			t.Errorf("%s: wrote %s", name, payload)
		}
	}
	whole := string(marshal(t, agentToken()))
	for name, cnf := range map[string]string{
		"null":           `null`,
		"text":           `"` + jkt + `"`,
		"empty":          `{}`,
		"jkt empty":      `{"jkt":"","x5t#S256":"` + x5t + `"}`,
		"x5t empty":      `{"jkt":"` + jkt + `","x5t#S256":""}`,
		"jkt short":      `{"jkt":"x"}`,
		"jkt null":       `{"jkt":null}`,
		"jkt a number":   `{"jkt":7}`,
		"x5t a list":     `{"x5t#S256":["` + x5t + `"]}`,
		"jwk":            `{"jwk":{}}`,
		"one more":       `{"jkt":"` + jkt + `","kid":"k1"}`,
		"another letter": `{"JKT":"` + jkt + `"}`,
		"spare bits":     `{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`,
	} {
		_, err := parse(t, []byte(strings.Replace(whole, `"txn"`, `"cnf":`+cnf+`,"txn"`, 1)))
		var refused *token.Error
		if !errors.As(err, &refused) || refused.Reason != token.ReasonClaims {
			t.Errorf("%s: %v", name, err)
		}
	}
}
