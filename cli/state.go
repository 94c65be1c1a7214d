package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tokenry/tokenry/registry"
)

// stoppable is what the help says of stopping the objects of one kind.
type stoppable struct {
	kind     registry.Kind
	short    string   // what disable does, in a line
	stops    string   // the same in full, as an end of "disable "
	enables  string   // what enable brings back, as a sentence
	examples []string // names of objects
}

func (a *app) blueprintCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "blueprint", Short: "Stop all agents of a blueprint, let them go on"})
	cmd.AddCommand(a.stateCommands(stoppable{
		kind:  registry.KindBlueprint,
		short: "Stop all agents of a blueprint: no token, anywhere, within 5 seconds",
		stops: "keeps the agents of a blueprint, instances too, from getting tokens, on every replica.\n" +
			"The state of each of them stays as it is.",
		enables:  "Those of its agents that are active get tokens again.",
		examples: []string{"researcher"},
	})...)
	return cmd
}

func (a *app) resourceCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "resource", Short: "Stop tokens for a resource, issue them again"})
	cmd.AddCommand(a.stateCommands(stoppable{
		kind:     registry.KindResource,
		short:    "Issue nothing for a resource, anywhere, within 5 seconds",
		stops:    "keeps every agent from getting tokens for a resource, on every replica. Tokens for it are exchanged no further.",
		enables:  "Tokens are issued for it again as blueprints and rules allow.",
		examples: []string{"payments"},
	})...)
	return cmd
}

func (a *app) ruleCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "rule", Short: "Take a delegation rule out of every decision, put it back"})
	cmd.AddCommand(a.stateCommands(stoppable{
		kind:  registry.KindDelegationRule,
		short: "Take a delegation rule out of every decision within 5 seconds",
		stops: "keeps a delegation rule from matching, on every replica. Tokens whose chain no other rule allows are\n" +
			"exchanged no further.",
		enables:  "The rule allows again what it says.",
		examples: []string{"staff-to-research"},
	})...)
	return cmd
}

// stateCommands are disable and enable of one kind.
func (a *app) stateCommands(s stoppable) []*cobra.Command {
	const lasts = "\nTokens that were issued live until they expire. It stays disabled until it is enabled; apply does not change that."
	return []*cobra.Command{
		a.stateCommand(s, "disable", s.short, "disable "+s.stops+lasts, registry.Disabled),
		a.stateCommand(s, "enable", "Undo disable", "enable undoes disable. "+s.enables, registry.Active),
	}
}

func (a *app) stateCommand(s stoppable, verb, short, long string, to registry.State) *cobra.Command {
	n := nounOf(s.kind)
	command := "  tokenry " + n.one + " " + verb + " "
	example := command + s.examples[0] + ` --reason "incident 4711"`
	for _, name := range s.examples[1:] {
		example += "\n" + command + name
	}
	cmd := &cobra.Command{
		Use: verb + " NAME", Short: short, Long: long, Example: example,
		Args: arguments(1, 1), ValidArgsFunction: a.completeName(s.kind),
	}
	reason := cmd.Flags().String("reason", "", "why, for the audit trail")
	complete(cmd, "reason", nil)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		if _, err := c.SetState(cmd.Context(), s.kind, args[0], to, *reason); err != nil {
			return a.missing(cmd.Context(), a.failure(err), n, args[0])
		}
		fmt.Fprintf(a.Stdout, "%s/%s %sd\n", n.one, args[0], verb)
		return nil
	}
	return cmd
}
