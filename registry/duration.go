package registry

import (
	"errors"
	"strings"
	"time"
)

// String returns the shortest text form: "5m", "1h30m", "0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText returns the text form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a text form: "90s", "5m", "1h30m". A number without a
// unit is refused: nobody can tell seconds from minutes by looking at it.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || string(text) == "0" {
		return errors.New(`not a duration: write it like "90s", "5m" or "1h30m"`)
	}
	*d = Duration(v)
	return nil
}
