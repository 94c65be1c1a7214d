package credential

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const maxTokenFile = 16 << 10 // no token of a service account is longer

// readToken reads a bearer token of ours. It is read anew each time: the kubelet
// replaces the files that it projects every hour, and one small file costs
// nothing beside the connection that it is for.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading our own token: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer, for ever
		return "", fmt.Errorf("our own token: %s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading our own token: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", fmt.Errorf("reading our own token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	switch {
	case len(raw) > maxTokenFile:
		return "", fmt.Errorf("our own token: %s is larger than 16 KiB", path)
	case token == "":
		return "", fmt.Errorf("our own token: %s is empty", path)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }): // RFC 6750, Section 2.1
		return "", errors.New("our own token has characters that no token has")
	}
	return token, nil
}
