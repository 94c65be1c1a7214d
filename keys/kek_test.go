package keys_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/tokenry/tokenry/keys"
)

func TestParseKEK(t *testing.T) {
	t.Parallel()
	kek := append(bytes.Repeat([]byte{0xfb, 0xff}, 15), 0, '\n') // "+" and "/" in base64, a line end as last byte
	for name, file := range map[string]string{
		"raw":              string(kek),
		"hex":              hex.EncodeToString(kek),
		"HEX, line end":    strings.ToUpper(hex.EncodeToString(kek)) + "\n",
		"base64":           base64.StdEncoding.EncodeToString(kek) + "\r\n",
		"base64, no pad":   base64.RawStdEncoding.EncodeToString(kek),
		"base64url":        base64.URLEncoding.EncodeToString(kek),
		"base64url no pad": base64.RawURLEncoding.EncodeToString(kek) + "\n",
	} {
		if got, err := keys.ParseKEK([]byte(file)); err != nil || !bytes.Equal(got, kek) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	if a, err := keys.ParseKEK(keys.NewKEK()); err != nil || len(a) != keys.KEKSize {
		t.Errorf("NewKEK: %v", err)
	}
}

func TestParseKEKRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ file, want string }{
		"empty":         {"", "empty"},
		"blank":         {" \n", "empty"},
		"16 in hex":     {"00112233445566778899aabbccddeeff", "text of 24 bytes"},
		"pass phrase":   {"correct horse battery staple 123", "neither"},
		"raw and line":  {string(bytes.Repeat([]byte{0xfb, 1, 2}, 11)), "neither"},
		"AES-128":       {base64.StdEncoding.EncodeToString(make([]byte, 16)), "text of 16 bytes"},
		"zeros":         {string(make([]byte, 32)), "one byte repeated"},
		"zeros in hex":  {strings.Repeat("00", 32), "one byte repeated"},
		"not canonical": {strings.Repeat("A", 42) + "B", "neither"},
	} {
		_, err := keys.ParseKEK([]byte(row.file))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
		if err != nil && len(row.file) > 4 && strings.Contains(err.Error(), row.file[:5]) {
			t.Errorf("%s: the error quotes the file: %v", name, err)
		}
	}
}

func FuzzParseKEK(f *testing.F) {
	f.Add([]byte("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if kek, err := keys.ParseKEK(file); err == nil && len(kek) != keys.KEKSize {
			t.Errorf("a key of %d bytes", len(kek))
		}
	})
}
