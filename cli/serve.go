package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/cli/config"
)

// configFlags are how a command finds its configuration.
type configFlags struct {
	file string
	set  []string
}

func (c *configFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.file, "config", "c", "", "configuration file (default: the environment alone)")
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "KEY=VALUE, over file and environment; may be repeated")
}

func (c *configFlags) load(env []string) (config.Config, error) {
	flags := make(map[string]string, len(c.set))
	for _, s := range c.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return config.Config{}, usage("--set wants KEY=VALUE")
		}
		flags[key] = value
	}
	loaded, err := config.Load(c.file, env, flags)
	if err != nil {
		return config.Config{}, &Error{Code: ExitUsage, Err: err}
	}
	return loaded, nil
}

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve --config FILE",
		Short:   "Run a server in production",
		Example: "  tokenry serve --config tokenry.yaml\n  TOKENRY_DATABASE__URL_FILE=/run/secrets/db tokenry serve -c tokenry.yaml",
		Args:    arguments(0, 0),
	}
	var flags configFlags
	flags.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.Serve == nil {
			return usage("this build has no server in it")
		}
		c, err := flags.load(a.Env)
		if err == nil {
			err = c.Serve()
		}
		if err != nil {
			return asError(err)
		}
		if err := a.Serve(cmd.Context(), c); err != nil {
			return asError(err)
		}
		return nil
	}
	return cmd
}

func (a *app) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the database schema up to date, or say where it is", Args: arguments(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	up := &cobra.Command{Use: "up", Short: "Apply what is missing", Args: arguments(0, 0)}
	var upFlags configFlags
	upFlags.bind(up)
	up.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.database(upFlags)
		if err != nil {
			return err
		}
		if err := a.Migrate(cmd.Context(), c); err != nil {
			return asError(err)
		}
		fmt.Fprintln(a.Stdout, "The schema is up to date.")
		return nil
	}
	status := &cobra.Command{Use: "status", Short: "Say which migrations are applied", Args: arguments(0, 0)}
	var statusFlags configFlags
	statusFlags.bind(status)
	f := outputFlag(status)
	status.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.database(statusFlags)
		if err != nil {
			return err
		}
		s, err := a.MigrationStatus(cmd.Context(), c)
		if err != nil {
			return asError(err)
		}
		return a.print(*f, view{value: s, names: []string{fmt.Sprint(s.Version)}, table: func(w io.Writer) {
			fmt.Fprintf(w, "applied %d, this build knows %d\n", s.Version, s.Wanted)
			switch {
			case s.Dirty:
				fmt.Fprintln(w, "The last migration broke off; restore a backup, or repair it and run: tokenry migrate up")
			case s.Version < s.Wanted:
				fmt.Fprintln(w, "Run: tokenry migrate up")
			}
		}})
	}
	cmd.AddCommand(up, status)
	return cmd
}

// database reads a configuration of which only the database matters.
func (a *app) database(flags configFlags) (config.Config, error) {
	if a.Migrate == nil || a.MigrationStatus == nil {
		return config.Config{}, usage("this build has no server in it")
	}
	c, err := flags.load(a.Env)
	if err == nil && c.Database.URL == "" {
		err = usage("no database: set database.url, TOKENRY_DATABASE__URL or TOKENRY_DATABASE__URL_FILE")
	}
	return c, err
}
