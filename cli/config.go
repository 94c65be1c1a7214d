package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/cli/config"
)

func (a *app) configCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "config", Short: "Check a configuration file, or print its schema"})
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that would keep serve from starting with this file",
		Long: "check reads the file and the TOKENRY_ variables as serve does, and starts nothing. It does not look into the files\n" +
			"that the configuration names.",
		Example: "  tokenry config check tokenry.yaml",
		Args:    arguments(1, 1), ValidArgsFunction: fileOnce,
	}
	check.RunE = func(_ *cobra.Command, args []string) error {
		c, err := config.Load(args[0], a.Env, nil)
		if err == nil {
			err = c.Serve()
		}
		if err != nil {
			return wrong(err)
		}
		fmt.Fprintf(a.Stdout, "%s is good: issuer %s\n", printable(args[0]), printable(c.Issuer))
		return nil
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the file, for editors",
		Example: "  tokenry config schema > tokenry.schema.json", Args: arguments(0, 0),
	}
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
