package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// Secret reads a secret from the file at path; white space around it does not
// count, an empty file is an error.
func Secret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	s := strings.TrimSpace(string(data))
	if s == "" {
		return "", fmt.Errorf("read the secret: %s is empty", path)
	}
	return s, nil
}

// KEKSize is the length of the key that seals the signing keys (AES-256).
const KEKSize = 32

// KEK reads the sealing key from the file at path: 32 raw bytes, or their hex
// or base64 form.
func KEK(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key encryption key: %w", err)
	}
	if len(data) == KEKSize {
		return data, nil
	}
	text := strings.TrimSpace(string(data))
	decoders := []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	}
	for _, decode := range decoders {
		if key, err := decode(text); err == nil && len(key) == KEKSize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("read the key encryption key: %s does not hold 32 bytes, raw, in hex or in base64; make one with: openssl rand -base64 32", path)
}
