package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/registry"
)

func (a *app) agentCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "agent", Short: "Stop an agent, let it go on, give it a secret"})
	cmd.AddCommand(
		a.stateCommand("disable", "Stop an agent: no token, anywhere, within 5 seconds",
			"disable keeps an agent from getting tokens, on every replica. It stays disabled until it is enabled;\n"+
				"apply does not change that. An instance (BLUEPRINT/SUFFIX) stays disabled even when it is deleted and its\n"+
				"workload comes back, and is not forgotten for being idle.", registry.Disabled),
		a.stateCommand("enable", "Let a disabled agent go on",
			"enable undoes disable. The agent gets tokens again as its blueprint and the rules allow.", registry.Active),
		a.secretCommand(),
	)
	return cmd
}

func (a *app) stateCommand(verb, short, long string, to registry.State) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " NAME", Short: short, Long: long,
		Example: "  tokenry agent " + verb + ` research-agent --reason "incident 4711"` + "\n  tokenry agent " + verb + " researcher/r7",
		Args:    arguments(1, 1), ValidArgsFunction: a.completeAgent,
	}
	reason := cmd.Flags().String("reason", "", "why, for the audit trail")
	complete(cmd, "reason", nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		if _, err := c.SetState(cmd.Context(), registry.KindAgent, args[0], to, *reason); err != nil {
			return a.missing(cmd.Context(), a.failure(err), nounOf(registry.KindAgent), args[0])
		}
		fmt.Fprintf(a.Stdout, "agent/%s %sd\n", args[0], verb)
		return nil
	}
	return cmd
}

func (a *app) secretCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret NAME",
		Short: "Give an agent a new client secret; the old one stops working",
		Long: "secret prints a new client secret, once: the server keeps only its hash.\n" +
			"The agent's blueprint must list `secret` in its clientAuth. An instance has none.",
		Example: "  (umask 077; tokenry agent secret legacy-agent > secret)",
		Args:    arguments(1, 1), ValidArgsFunction: a.completeAgent,
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
