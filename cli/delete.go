package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/api"
)

func (a *app) deleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Delete an object that nothing refers to any more",
		Long: "delete never takes other objects along: as long as something refers to it, it is refused, and what refers to it\n" +
			"is named. Tokens that were issued live until they expire.\n" +
			"An instance (BLUEPRINT/SUFFIX) comes back as it was when its workload asks for a token again; to keep it out,\n" +
			"disable it.",
		Example: "  tokenry delete agent summary-agent\n  tokenry delete agent researcher/r7\n  tokenry delete rule/staff-to-research --dry-run",
		Args:    arguments(1, 2), ValidArgsFunction: a.completeObject,
	}
	dryRun := cmd.Flags().Bool("dry-run", false, "check on the server, change nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, name, err := oneArg("delete", args)
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if err := c.Delete(cmd.Context(), n.kind, name, api.WriteOptions{DryRun: *dryRun}); err != nil {
			return a.missing(cmd.Context(), held(a.failure(err), n, name), n, name)
		}
		fmt.Fprintf(a.Stdout, "%s/%s deleted%s\n", n.one, name, dryText(*dryRun))
		return nil
	}
	return cmd
}

// held names what still refers to an object.
func held(err error, n noun, name string) error {
	var e *api.Error
	if !errors.As(err, &e) || e.Problem.Code != api.CodeConflict || len(e.Problem.Errors) == 0 {
		return err
	}
	text := fmt.Sprintf("%s %q is in use", n.one, name)
	for _, item := range e.Problem.Errors {
		text += "\n  " + item.Message
	}
	return &Error{Code: ExitConflict, Err: errors.New(text)}
}

func dryText(dry bool) string {
	if dry {
		return " (dry run)"
	}
	return ""
}
