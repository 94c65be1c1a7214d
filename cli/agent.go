package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/registry"
)

func (a *app) agentCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "agent", Short: "Stop an agent, let it go on, give it a secret"})
	cmd.AddCommand(a.stateCommands(stoppable{
		kind:  registry.KindAgent,
		short: "Stop an agent: no token, anywhere, within 5 seconds",
		stops: "keeps an agent from getting tokens, on every replica. An instance (BLUEPRINT/SUFFIX) stays disabled even when\n" +
			"it is deleted and its workload comes back, and is not forgotten for being idle.",
		enables:  "The agent gets tokens again as its blueprint and the rules allow.",
		examples: []string{"research-agent", "researcher/r7"},
	})...)
	cmd.AddCommand(a.secretCommand())
	return cmd
}

func (a *app) secretCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret NAME",
		Short: "Give an agent a new client secret; the old one stops working",
		Long: "secret prints a new client secret, once: the server keeps only its hash.\n" +
			"The agent's blueprint must list `secret` in its clientAuth. An instance has none.",
		Example: "  (umask 077; tokenry agent secret legacy-agent > secret)",
		Args:    arguments(1, 1), ValidArgsFunction: a.completeName(registry.KindAgent),
	}
	f := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		s, err := c.RotateSecret(cmd.Context(), args[0])
		if err != nil {
			return a.missing(cmd.Context(), a.failure(err), nounOf(registry.KindAgent), args[0])
		}
		if *f == tableFormat || *f == nameFormat {
			fmt.Fprintln(a.Stdout, printable(s.Secret))
			return nil
		}
		return a.print(*f, view{value: s})
	}
	return cmd
}
