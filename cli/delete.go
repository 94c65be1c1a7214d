package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
)

func (a *app) deleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Delete an object that nothing refers to any more",
		Args:  arguments(1, 2), ValidArgsFunction: a.completeObject,
	}
	dryRun := cmd.Flags().Bool("dry-run", false, "check on the server, change nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, name, err := kindArg(args)
		if err != nil {
			return err
		}
		if name == "" {
			return usage("delete which %s?", n.one)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if err := c.Delete(cmd.Context(), n.kind, name, api.WriteOptions{DryRun: *dryRun}); err != nil {
			return missing(failure(err), n, name)
		}
		fmt.Fprintf(a.Stdout, "%s/%s deleted%s\n", n.one, name, dryText(*dryRun))
		return nil
	}
	return cmd
}

func dryText(dry bool) string {
	if dry {
		return " (dry run)"
	}
	return ""
}
