package config

import (
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
