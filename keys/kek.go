package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

// KEKSize is the length in bytes of a key-encryption key (AES-256).
const KEKSize = 32

// NewKEK makes a random key-encryption key.
func NewKEK() []byte {
	kek := make([]byte, KEKSize)
	rand.Read(kek) // never fails: crypto/rand ends the program instead
	return kek
}

// ParseKEK reads the content of a key-encryption key file: 32 raw bytes, or 32
// bytes as text in hex or base64 (any alphabet, padded or not), with or without
// a line end. Its errors say what is wrong and never quote the content.
func ParseKEK(file []byte) ([]byte, error) {
	if len(file) == KEKSize && !isText(file) {
		return strong(bytes.Clone(file))
	}
	text := bytes.TrimSpace(file)
	switch {
	case len(text) == 0:
		return nil, errors.New("the key-encryption key file is empty")
	case len(text) == 2*KEKSize:
		if kek, err := hex.DecodeString(string(text)); err == nil {
			return strong(kek)
		}
	}
	kek, err := decodeBase64(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the key-encryption key file (%d bytes) is neither %d raw bytes nor hex or base64 text; make one with: openssl rand -base64 %d",
			len(file), KEKSize, KEKSize)
	case len(kek) != KEKSize:
		// 32 letters are often a pass phrase, or 16 bytes in hex: as raw bytes
		// they would do, and be a quarter as strong as they look.
		return nil, fmt.Errorf("the key-encryption key file holds text of %d bytes, want %d; make one with: openssl rand -base64 %d",
			len(kek), KEKSize, KEKSize)
	}
	return strong(kek)
}

// strong refuses what no random source makes: one byte repeated.
func strong(kek []byte) ([]byte, error) {
	if bytes.Count(kek, kek[:1]) == len(kek) {
		return nil, errors.New("the key-encryption key is one byte repeated; make one with: openssl rand -base64 32")
	}
	return kek, nil
}

// isText says that all bytes are printable ASCII or a line end. Of random keys
// fewer than one in 10^13 is.
func isText(b []byte) bool {
	for _, c := range b {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

func decodeBase64(text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=")
	enc := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		enc = base64.RawURLEncoding
	}
	return enc.Strict().AppendDecode(nil, text)
}
