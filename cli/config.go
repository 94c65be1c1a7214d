package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/cli/config"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check a configuration file, or print its schema", Args: arguments(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that would keep serve from starting with this file",
		Args:  arguments(1, 1),
	}
	check.RunE = func(_ *cobra.Command, args []string) error {
		c, err := config.Load(args[0], a.Env, nil)
		if err == nil {
			err = c.Serve()
		}
		if err != nil {
			return &Error{Code: ExitUsage, Err: err}
		}
		fmt.Fprintf(a.Stdout, "%s is good: issuer %s\n", args[0], c.Issuer)
		return nil
	}
	schema := &cobra.Command{Use: "schema", Short: "Print the JSON Schema of the file", Args: arguments(0, 0)}
	schema.RunE = func(*cobra.Command, []string) error {
		raw, err := config.Schema()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.Stdout, "%s\n", raw)
		return nil
	}
	cmd.AddCommand(check, schema)
	return cmd
}
