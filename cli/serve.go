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

// reader is config.Load or config.LoadDatabase.
type reader func(file string, env []string, flags map[string]string) (config.Config, error)

func (c *configFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.file, "config", "c", "", "configuration file (default: the environment alone)")
	cmd.Flags().StringArrayVar(&c.set, "set", nil, "KEY=VALUE, over file and environment; may be repeated; no secrets")
	complete(cmd, "config", files)
	complete(cmd, "set", completeSetting)
}

// completeSetting completes the names of settings that --set takes.
func completeSetting(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var list []cobra.Completion
	for _, f := range config.Fields() {
		if !f.Secret && !f.Later && f.Type() != "map" {
			list = append(list, f.Key+"=")
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (c *configFlags) load(env []string, read reader) (config.Config, error) {
	flags := make(map[string]string, len(c.set))
	for _, s := range c.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return config.Config{}, usage("--set wants KEY=VALUE, for example tokens.default_ttl=2m")
		}
		flags[key] = value
	}
	loaded, err := read(c.file, env, flags)
	if err != nil {
		return config.Config{}, wrong(err)
	}
	return loaded, nil
}

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run a server in production",
		Long: "serve runs until SIGINT or SIGTERM. A setting comes from --set, else from its TOKENRY_ variable, else from the file.\n" +
			"Secrets come as variables or as files that variables or settings name. To see what is wrong first: tokenry config check",
		Example: "  tokenry serve --config tokenry.yaml\n  TOKENRY_DATABASE__URL_FILE=/run/secrets/db tokenry serve -c tokenry.yaml",
		Args:    arguments(0, 0),
	}
	var flags configFlags
	flags.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.Serve == nil {
			return usage("this build has no server in it")
		}
		c, err := flags.load(a.Env, config.Load)
		if err != nil {
			return err
		}
		if err := c.Serve(); err != nil {
			return wrong(err)
		}
		if err := a.Serve(cmd.Context(), c); err != nil {
			return asError(err)
		}
		return nil
	}
	return cmd
}

func (a *app) migrateCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "migrate", Short: "Bring the database schema up to date, or say where it is"})
	up := &cobra.Command{
		Use: "up", Short: "Apply what is missing",
		Long:    "up applies the migrations that the database does not have yet. There is no way back: restore a backup instead.",
		Example: "  tokenry migrate up --config tokenry.yaml\n  TOKENRY_DATABASE__URL_FILE=/run/secrets/db tokenry migrate up",
		Args:    arguments(0, 0),
	}
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
	status := &cobra.Command{
		Use: "status", Short: "Say which migrations are applied",
		Example: "  tokenry migrate status --config tokenry.yaml", Args: arguments(0, 0),
	}
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
			if s.Advice != "" {
				fmt.Fprintln(w, printable(s.Advice))
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
	c, err := flags.load(a.Env, config.LoadDatabase)
	if err == nil && c.Database.URL == "" {
		err = usage("no database: set database.url, TOKENRY_DATABASE__URL or TOKENRY_DATABASE__URL_FILE")
	}
	return c, err
}
