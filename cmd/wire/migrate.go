package wire

import (
	"context"
	"errors"

	"github.com/tokenry/tokenry/cli"
	"github.com/tokenry/tokenry/cli/config"
	"github.com/tokenry/tokenry/storage"
)

// directURL leads to the database past a pooler.
func directURL(d config.Database) string {
	if d.DirectURL != "" {
		return d.DirectURL
	}
	return d.URL
}

func (s *Server) directURL() string { return directURL(s.cfg.Database) }

// migrate does what database.migrate says.
func migrate(ctx context.Context, d config.Database) error {
	switch d.Migrate {
	case "off":
		return nil
	case "check":
		st, err := storage.MigrationStatus(ctx, directURL(d))
		if err != nil {
			return err
		}
		if advice := st.Advice(); advice != "" {
			return errors.New(advice)
		}
		return nil
	}
	return storage.Migrate(ctx, directURL(d))
}

// Migrate is `tokenry migrate up`.
func Migrate(ctx context.Context, c config.Config) error {
	return storage.Migrate(ctx, directURL(c.Database))
}

// MigrationStatus is `tokenry migrate status`.
func MigrationStatus(ctx context.Context, c config.Config) (cli.MigrationStatus, error) {
	st, err := storage.MigrationStatus(ctx, directURL(c.Database))
	return cli.MigrationStatus{Version: st.Version, Wanted: st.Latest, Dirty: st.Dirty, Advice: st.Advice()}, err
}
