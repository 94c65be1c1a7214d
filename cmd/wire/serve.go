package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/keys"
)

// minToken is the length in characters below which an admin token can be
// guessed.
const minToken = 16

// Serve is `tokenry serve`: it reads the secrets that c names, starts a server
// and runs it until ctx ends. Its log goes to w.
func Serve(ctx context.Context, c config.Config, version string, w io.Writer) error {
	log := logger(c.Telemetry, w)
	token, err := config.Secret(c.Admin.BootstrapTokenFile)
	if err != nil {
		return err
	}
	if len(token) < minToken {
		return fmt.Errorf("the admin token in %s has %d characters, want %d or more; make one with: openssl rand -hex 32",
			c.Admin.BootstrapTokenFile, len(token), minToken)
	}
	kek, err := readKEK(c.Keys.KEKFile)
	if err != nil {
		return err
	}
	s, err := Start(ctx, Config{Config: c, Version: version, KEK: kek, BootstrapToken: token, Log: log})
	if err != nil {
		return err
	}
	log.Info("serving", "issuer", c.Issuer, "public", s.PublicURL, "admin", s.AdminURL, "version", version)
	err = s.Wait(ctx)
	log.Info("stopping")
	return errors.Join(err, s.Close(ctx))
}

// logger makes the log that telemetry asks for.
func logger(t config.Telemetry, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(t.LogLevel)); err != nil {
		level = slog.LevelInfo // the configuration has been checked, so this cannot be
	}
	options := &slog.HandlerOptions{Level: level}
	if t.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// readKEK reads the key-encryption key at path.
func readKEK(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key-encryption key: %w", err)
	}
	return keys.ParseKEK(data)
}
